/// The symbols of one piece while they are joined.
struct MergeSymbol {
    var id: TokenID
    /// Bytes of the piece that the symbol covers.
    var length: Int32
}

/// What decides which neighbours are joined.
protocol MergeRule {
    /// The rank of joining two neighbours, lower first, and the token that results; `MergeTable.noRank` for never.
    ///
    /// The left symbol starts at byte `start` of the piece; `count` is the bytes of both together.
    func find(_ left: TokenID, _ right: TokenID, start: Int, count: Int) -> (rank: UInt32, result: TokenID)
}

/// Memory for joining symbols, kept between pieces so that nothing is allocated per piece.
struct MergeScratch {
    /// The symbols: filled by the caller, reduced by `merge`.
    var symbols: [MergeSymbol] = []
    /// How many characters of the piece have no symbol and no unknown token to stand for them.
    var dropped = 0
    private var ranks: [UInt32] = []
    private var results: [TokenID] = []
    private var links: [(previous: Int32, next: Int32)] = []
    private var starts: [Int32] = []
    private var longStarts: [Int32] = []
    private var heap: [HeapEntry] = []

    private struct HeapEntry {
        /// Rank in the high half, position in the low half: the order of joining is the order of numbers.
        var key: UInt64
        var left: TokenID
        var right: TokenID
        var result: TokenID

        @inline(__always)
        var position: Int { Int(key & 0xFFFF_FFFF) }
    }

    /// Joins neighbours, always the pair of lowest rank and of those the leftmost, until none can be joined
    /// (Sennrich et al. 2016, *Neural Machine Translation of Rare Words with Subword Units*, section 3.2).
    ///
    /// Cost: quadratic with a tiny constant up to 48 symbols, n log n beyond.
    @inline(__always)
    mutating func merge(by rule: some MergeRule) {
        if symbols.count < 2 { return }
        if symbols.count <= 48 { mergeShort(by: rule) } else { mergeLong(by: rule) }
    }

    @inline(__always)
    private mutating func mergeShort(by rule: some MergeRule) {
        var count = symbols.count
        if ranks.count < 48 {
            ranks = [UInt32](repeating: MergeTable.noRank, count: 48)
            results = [TokenID](repeating: 0, count: 48)
            starts = [Int32](repeating: 0, count: 48)
        }
        symbols.withUnsafeMutableBufferPointer { symbols in
            ranks.withUnsafeMutableBufferPointer { ranks in
                results.withUnsafeMutableBufferPointer { results in
                    starts.withUnsafeMutableBufferPointer { starts in
                        var start: Int32 = 0
                        for index in 0..<count {
                            starts[index] = start
                            start += symbols[index].length
                        }
                        @inline(__always) func look(_ index: Int) {
                            let length = symbols[index].length + symbols[index + 1].length
                            let found = rule.find(
                                symbols[index].id, symbols[index + 1].id, start: Int(starts[index]),
                                count: Int(length))
                            ranks[index] = found.rank
                            results[index] = found.result
                        }
                        for index in 0..<count - 1 { look(index) }
                        while count > 1 {
                            var best = MergeTable.noRank
                            var place = 0
                            for index in 0..<count - 1 where ranks[index] < best {
                                best = ranks[index]
                                place = index
                            }
                            if best == MergeTable.noRank { break }
                            symbols[place].id = results[place]
                            symbols[place].length += symbols[place + 1].length
                            count -= 1
                            var index = place + 1
                            while index < count {
                                symbols[index] = symbols[index + 1]
                                starts[index] = starts[index + 1]
                                ranks[index] = ranks[index + 1]
                                results[index] = results[index + 1]
                                index += 1
                            }
                            if place > 0 { look(place - 1) }
                            if place < count - 1 { look(place) }
                        }
                    }
                }
            }
        }
        symbols.removeLast(symbols.count - count)
    }

    private mutating func mergeLong(by rule: some MergeRule) {
        let count = symbols.count
        links.removeAll(keepingCapacity: true)
        longStarts.removeAll(keepingCapacity: true)
        heap.removeAll(keepingCapacity: true)
        var start: Int32 = 0
        for index in 0..<count {
            links.append((Int32(index - 1), index + 1 < count ? Int32(index + 1) : -1))
            longStarts.append(start)
            start += symbols[index].length
        }
        func candidate(_ left: Int, _ right: Int) -> HeapEntry? {
            let found = rule.find(
                symbols[left].id, symbols[right].id, start: Int(longStarts[left]),
                count: Int(symbols[left].length + symbols[right].length))
            if found.rank == MergeTable.noRank { return nil }
            return HeapEntry(
                key: UInt64(found.rank) << 32 | UInt64(left), left: symbols[left].id, right: symbols[right].id,
                result: found.result)
        }
        for index in 0..<count - 1 {
            if let entry = candidate(index, index + 1) { push(entry) }
        }
        while let entry = pop() {
            let place = entry.position
            // A symbol that was joined into its left neighbour has length 0; one that changed has another id.
            guard symbols[place].length != 0, symbols[place].id == entry.left else { continue }
            let next = Int(links[place].next)
            guard next >= 0, symbols[next].id == entry.right else { continue }
            symbols[place].id = entry.result
            symbols[place].length += symbols[next].length
            symbols[next].length = 0
            let after = links[next].next
            links[place].next = after
            if after >= 0 { links[Int(after)].previous = Int32(place) }
            let before = Int(links[place].previous)
            if before >= 0, let entry = candidate(before, place) { push(entry) }
            if after >= 0, let entry = candidate(place, Int(after)) { push(entry) }
        }
        var kept = 0
        var at = 0
        while at >= 0 {
            symbols[kept] = symbols[at]
            kept += 1
            at = Int(links[at].next)
        }
        symbols.removeLast(symbols.count - kept)
    }

    private mutating func push(_ entry: HeapEntry) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].key <= heap[child].key { break }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func pop() -> HeapEntry? {
        guard let last = heap.popLast() else { return nil }
        guard let first = heap.first else { return last }
        heap[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= heap.count { break }
            if child + 1 < heap.count, heap[child + 1].key < heap[child].key { child += 1 }
            if heap[parent].key <= heap[child].key { break }
            heap.swapAt(parent, child)
            parent = child
        }
        return first
    }
}
