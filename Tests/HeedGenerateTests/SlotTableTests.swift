import Testing

@testable import HeedGenerate

@Suite("Slots and pages")
struct SlotTableTests {
    /// Numbers that repeat from run to run.
    struct Numbers {
        var state: UInt64
        mutating func below(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % max(limit, 1)
        }
    }

    @Test("an owner that writes first gets the copy, of what its page does not hold yet")
    func copies() throws {
        var table = SlotTable(pageTokens: 4)
        let first = table.open(capacity: 8, root: -1)
        for id in [Int32(1), 2, 3, 4, 5, 6] { try table.append(id, first) }
        let second = table.fork(first)
        #expect(table.copies.isEmpty)
        #expect(table.ids(second) == [1, 2, 3, 4, 5, 6])
        try table.append(7, second)
        #expect(table.copies.map(\.tokens) == [0..<2], "only the last page, which is not full")
        try table.append(8, first)
        #expect(table.copies.count == 1, "the other owner writes in place")
        table.clearWork()
        // What the second one leaves behind begins like the first: only the rest is copied.
        table.close(second)
        let third = table.fork(first)
        try table.append(9, third)
        #expect(table.copies.map(\.tokens) == [2..<3])
        #expect(table.ids(third) == [1, 2, 3, 4, 5, 6, 8, 9])
        #expect(table.ids(first) == [1, 2, 3, 4, 5, 6, 8])
    }

    @Test("a full slot takes no more, and closed slots give their pages back")
    func full() throws {
        var table = SlotTable(pageTokens: 4)
        let slot = table.open(capacity: 5, root: 0)
        for id in 0..<8 { try table.append(Int32(id), slot) }
        #expect(throws: (any Error).self) { try table.append(8, slot) }
        let pages = table.pageCount
        for _ in 0..<50 {
            let other = table.open(capacity: 8, root: 0)
            for id in 0..<8 { try table.append(Int32(id), other) }
            table.clearWork()
            table.close(other)
        }
        #expect(table.pageCount == pages + 2)
        #expect(table.slotCount == 2)
    }

    /// Pages of a memory that the table never sees: at every place the number of the content up to that id.
    @Test("any sequence of calls: what stands in the pages is what each slot holds", arguments: 0..<40)
    func fuzz(seed: Int) throws {
        var numbers = Numbers(state: UInt64(seed) &* 977 &+ 1)
        let tokens = [1, 2, 4, 7][seed % 4]
        var table = SlotTable(pageTokens: tokens)
        var memory: [[Int]] = []
        var places: [Int: [Int: Int]] = [:]
        var expected: [Int: (root: Int, ids: [Int32], capacity: Int)] = [:]
        var unread: [(slot: Int, index: Int)] = []
        func content(_ root: Int, _ ids: ArraySlice<Int32>) -> Int {
            ids.reduce(root &* 31 &+ 7) { ($0 &* 1_000_003) ^ Int($1) &+ 11 }
        }
        func settle() {
            while memory.count < table.pageCount { memory.append(Array(repeating: .min, count: tokens)) }
            for placement in table.placements { places[placement.slot, default: [:]][placement.index] = placement.page }
            for copy in table.copies {
                for place in copy.tokens { memory[copy.to][place] = memory[copy.from][place] }
            }
            table.clearWork()
        }
        func pass() {
            settle()
            for (slot, index) in unread {
                guard let there = expected[slot], index < there.ids.count else { continue }
                let page = places[slot]?[index / tokens] ?? -1
                memory[page][index % tokens] = content(there.root, there.ids[...index])
            }
            unread = []
            for (slot, there) in expected {
                #expect(table.count(slot) == there.ids.count)
                #expect(table.ids(slot) == there.ids)
                for index in there.ids.indices {
                    let page = places[slot]?[index / tokens] ?? -1
                    #expect(memory[page][index % tokens] == content(there.root, there.ids[...index]))
                }
            }
        }
        for _ in 0..<400 {
            let slots = expected.keys.sorted()
            let slot = slots.isEmpty ? -1 : slots[numbers.below(slots.count)]
            switch numbers.below(slots.isEmpty ? 1 : 12) {
            case 0 where slots.count < 9:
                let root = numbers.below(3) == 0 ? -1 : 0
                let capacity = 1 + numbers.below(30)
                expected[table.open(capacity: capacity, root: root)] = (root, [], capacity)
            case 1 where slots.count < 9:
                pass()
                let new = table.fork(slot)
                expected[new] = expected[slot]
            case 2:
                pass()
                table.close(slot)
                expected[slot] = nil
            case 3:
                pass()
                let count = numbers.below((expected[slot]?.ids.count ?? 0) + 1)
                table.truncate(slot, to: count)
                let held = expected[slot]?.ids.count ?? 0
                expected[slot]?.ids.removeLast(held - count)
            case 4: pass()
            default:
                for _ in 0...numbers.below(3) {
                    guard let there = expected[slot], there.ids.count < there.capacity else { break }
                    // Few ids, so that slots come to hold the same ones.
                    let id = Int32(numbers.below(3))
                    try table.append(id, slot)
                    expected[slot]?.ids.append(id)
                    unread.append((slot, there.ids.count))
                }
            }
        }
        pass()
    }
}

extension SlotTableTests {
    @Test("pages that windows have passed are told once, and not before one owner is left")
    func passed() throws {
        var table = SlotTable(pageTokens: 4)
        let slot = table.open(capacity: 20, root: 0)
        for id in 0..<18 { try table.append(Int32(id), slot) }
        table.pass(slot, tokens: 3)
        #expect(table.passedPages.isEmpty)
        table.pass(slot, tokens: 9)
        #expect(table.passedPages.count == 2 && table.passedTokens(slot) == 8)
        table.clearWork()
        table.pass(slot, tokens: 9)
        #expect(table.passedPages.isEmpty)
        let other = table.fork(slot)
        #expect(table.passedTokens(other) == 8)
        table.pass(slot, tokens: 16)
        #expect(table.passedPages.isEmpty, "the other slot may look at it yet")
        table.close(other)
        table.pass(slot, tokens: 16)
        #expect(table.passedPages.count == 2 && table.passedTokens(slot) == 16)
    }
}
