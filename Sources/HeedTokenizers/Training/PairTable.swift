/// Adjacent pairs of symbols and their counts: key (left, right) → slot of three parallel arrays.
struct PairTable: ~Copyable {
    /// What is known of one pair.
    struct Pair {
        var left: Int32
        var right: Int32
        var count: Int64
        /// The merge that last found this pair new in a word, and the word; together they drop repeated finds.
        var lastMerge: Int32
        var lastWord: UInt32
        /// Finds of the current merge, then the place of the next one while they are sorted.
        var found: Int
    }

    private(set) var pairs = GrowingBuffer<Pair>(minimumCapacity: 1 << 14)
    private var keys: UnsafeMutablePointer<UInt64>
    private var values: UnsafeMutablePointer<Int32>
    private var mask: Int

    private static let free = UInt64.max

    init() {
        mask = (1 << 15) - 1
        keys = .allocate(capacity: mask + 1)
        keys.initialize(repeating: Self.free, count: mask + 1)
        values = .allocate(capacity: mask + 1)
        values.initialize(repeating: 0, count: mask + 1)
    }

    deinit {
        keys.deallocate()
        values.deallocate()
    }

    /// The number of pairs ever seen.
    var count: Int { pairs.count }

    /// Direct access to pair `slot`; valid until the next new pair.
    @inline(__always)
    func pointer(_ slot: Int) -> UnsafeMutablePointer<Pair> { pairs.base + slot }

    /// The slot of a pair, made with count 0 where it is new.
    @inline(__always)
    mutating func slot(_ left: Int32, _ right: Int32) -> Int {
        let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        var place = Self.spread(key) & mask
        while true {
            let held = keys[place]
            if held == key { return Int(values[place]) }
            if held == Self.free { return insert(key, left, right, place) }
            place = (place + 1) & mask
        }
    }

    @inline(never)
    private mutating func insert(_ key: UInt64, _ left: Int32, _ right: Int32, _ place: Int) -> Int {
        var place = place
        if pairs.count * 2 > mask {
            grow()
            place = Self.spread(key) & mask
            while keys[place] != Self.free { place = (place + 1) & mask }
        }
        keys[place] = key
        values[place] = Int32(pairs.count)
        pairs.append(Pair(left: left, right: right, count: 0, lastMerge: -1, lastWord: 0, found: 0))
        return pairs.count - 1
    }

    private mutating func grow() {
        keys.deallocate()
        values.deallocate()
        mask = (mask + 1) * 4 - 1
        keys = .allocate(capacity: mask + 1)
        keys.initialize(repeating: Self.free, count: mask + 1)
        values = .allocate(capacity: mask + 1)
        values.initialize(repeating: 0, count: mask + 1)
        for slot in 0..<pairs.count {
            let pair = pairs[slot]
            let key = UInt64(UInt32(bitPattern: pair.left)) << 32 | UInt64(UInt32(bitPattern: pair.right))
            var place = Self.spread(key) & mask
            while keys[place] != Self.free { place = (place + 1) & mask }
            keys[place] = key
            values[place] = Int32(slot)
        }
    }

    @inline(__always)
    private static func spread(_ key: UInt64) -> Int {
        let product = (key ^ key >> 29) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: product >> 32)
    }
}

/// A pair that may be merged next, with the words it was found in: `start ..< start + length` of the pool of words.
struct MergeCandidate {
    var count: Int64
    var left: Int32
    var right: Int32
    var slot: Int32
    var length: UInt32
    var start: Int
}

/// Which pairs may merge, and in what order.
protocol MergeOrder {
    /// Whether one candidate is merged before another.
    func precedes(_ one: MergeCandidate, _ other: MergeCandidate) -> Bool
    /// Whether two symbols may merge at all.
    func allows(_ left: Int32, _ right: Int32) -> Bool
}

/// Hugging Face's order: highest count, then lowest (left id, right id).
struct IDMergeOrder: MergeOrder {
    @inline(__always)
    func precedes(_ one: MergeCandidate, _ other: MergeCandidate) -> Bool {
        if one.count != other.count { return one.count > other.count }
        if one.left != other.left { return one.left < other.left }
        return one.right < other.right
    }

    @inline(__always)
    func allows(_ left: Int32, _ right: Int32) -> Bool { true }
}

/// Candidates for the next merge in a binary heap.
///
/// Counts are those of the time of the push; the caller compares them with the table and pushes a stale candidate
/// again.
struct MergeQueue<Order: MergeOrder>: ~Copyable {
    private var heap = GrowingBuffer<MergeCandidate>(minimumCapacity: 1 << 12)
    let order: Order

    init(order: Order) { self.order = order }

    mutating func push(_ candidate: MergeCandidate) { heap.push(candidate, before: order.precedes) }

    mutating func pop() -> MergeCandidate? { heap.pop(before: order.precedes) }
}
