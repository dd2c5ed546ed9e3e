import HeedSupport

/// Which slot of a cache every row has, and how many tokens it holds there.
struct SlotTable {
    private var slots: [Int]
    private var held: [Int]
    private let count: Int

    /// Rows 0 ..< rows at slots of their own, among `slots`, that hold nothing.
    init(rows: Int = 0, slots count: Int = 0) {
        slots = Array(0..<rows)
        held = Array(repeating: 0, count: rows)
        self.count = count
    }

    /// The slot of a row and what it holds.
    subscript(row: Int) -> (slot: Int, held: Int) { (slots[row], held[row]) }

    /// Every row holds one token more.
    mutating func advance() { for row in held.indices { held[row] += 1 } }

    /// One row holds one token more.
    mutating func advance(row: Int) { held[row] += 1 }

    /// A row holds nothing.
    mutating func clear(row: Int) { held[row] = 0 }

    /// Row i becomes a copy of what row `parents[i]` was: the first child of a parent keeps its slot, others get slots
    /// that nobody holds any more, which `copy(from, to, tokens)` fills.
    ///
    /// - Throws: `HeedError` when there are more rows than slots.
    mutating func select(
        _ parents: UnsafeBufferPointer<Int32>, copy: (_ from: Int, _ to: Int, _ tokens: Int) -> Void
    ) throws {
        var isFree = [Bool](repeating: true, count: count)
        for parent in parents { isFree[slots[Int(parent)]] = false }
        var isTaken = [Bool](repeating: false, count: count)
        var newSlots: [Int] = []
        var newHeld: [Int] = []
        var next = 0
        for parent in parents {
            let (slot, tokens) = self[Int(parent)]
            newHeld.append(tokens)
            if !isTaken[slot] {
                isTaken[slot] = true
                newSlots.append(slot)
                continue
            }
            while next < isFree.count, !isFree[next] { next += 1 }
            guard next < isFree.count else {
                throw HeedError(.usage, "more rows than were announced", expected: "at most \(count)")
            }
            copy(slot, next, tokens)
            newSlots.append(next)
            next += 1
        }
        slots = newSlots
        held = newHeld
    }
}
