import HeedSupport

/// Which slot of a cache every row has, and which ids' keys and values stand in every slot.
///
/// What a slot holds for an id depends on the ids before it and the source only. So a row that moves to a slot needs no
/// copy of the first ids that the slot held before: beams of one source mostly have those in common. Allocates only in
/// `init`.
struct SlotTable {
    /// What must be copied before the next step: the ids of slot `from` to slot `to`, of which the first `same` are
    /// there already.
    struct Copy {
        let from: Int
        let to: Int
        let tokens: Int
        let same: Int
    }

    /// The copies that the last `select` asks for.
    private(set) var copies: [Copy] = []
    /// By row.
    private var slots: [Int]
    private var spareSlots: [Int] = []
    /// By slot: the ids whose keys and values stand there, and the group they are of.
    private var ids: [[Int32]]
    private var groups: [Int]
    private var isFree: [Bool]
    private var isTaken: [Bool]

    /// Rows 0 ..< rows at slots of their own, each a group of its own, among `slots` of `capacity` ids that hold nothing.
    init(rows: Int = 0, slots count: Int = 0, capacity: Int = 0) {
        slots = Array(0..<rows)
        ids = (0..<count).map { _ in
            var empty: [Int32] = []
            empty.reserveCapacity(capacity)
            return empty
        }
        groups = (0..<count).map { $0 < rows ? $0 : -1 }
        isFree = Array(repeating: true, count: count)
        isTaken = isFree
        slots.reserveCapacity(count)
        spareSlots.reserveCapacity(count)
        copies.reserveCapacity(count)
    }

    /// The slot of a row and how many ids it holds.
    subscript(row: Int) -> (slot: Int, held: Int) { (slots[row], ids[slots[row]].count) }

    /// A row holds one id more.
    mutating func append(_ id: Int32, row: Int) { ids[slots[row]].append(id) }

    /// A row holds nothing.
    mutating func clear(row: Int) { ids[slots[row]].removeAll(keepingCapacity: true) }

    /// Row i becomes what row `parents[i]` was: the first child of a parent keeps its slot, others get slots that nobody
    /// holds any more, which `copies` fill.
    ///
    /// - Throws: `HeedError` when there are more rows than slots.
    mutating func select(_ parents: UnsafeBufferPointer<Int32>) throws {
        for slot in isFree.indices {
            isFree[slot] = true
            isTaken[slot] = false
        }
        for parent in parents { isFree[slots[Int(parent)]] = false }
        swap(&slots, &spareSlots)
        slots.removeAll(keepingCapacity: true)
        copies.removeAll(keepingCapacity: true)
        for parent in parents {
            let slot = spareSlots[Int(parent)]
            if !isTaken[slot] {
                isTaken[slot] = true
                slots.append(slot)
                continue
            }
            let (target, same) = try bestFree(for: slot)
            isFree[target] = false
            copies.append(Copy(from: slot, to: target, tokens: ids[slot].count, same: same))
            ids[target].removeAll(keepingCapacity: true)
            ids[target].append(contentsOf: ids[slot])
            groups[target] = groups[slot]
            slots.append(target)
        }
    }

    /// The free slot that has most of what `slot` holds; else one that nobody has used; else any.
    private func bestFree(for slot: Int) throws -> (slot: Int, same: Int) {
        var best = -1
        var most = -2
        for candidate in isFree.indices where isFree[candidate] {
            let same = groups[candidate] == groups[slot] ? common(candidate, slot) : groups[candidate] < 0 ? 0 : -1
            if same > most {
                most = same
                best = candidate
            }
        }
        guard best >= 0 else {
            throw HeedError(.usage, "more rows than were announced", expected: "at most \(isFree.count)")
        }
        return (best, max(most, 0))
    }

    private func common(_ left: Int, _ right: Int) -> Int {
        let count = min(ids[left].count, ids[right].count)
        var same = 0
        while same < count, ids[left][same] == ids[right][same] { same += 1 }
        return same
    }
}
