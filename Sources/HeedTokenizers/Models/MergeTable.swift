/// The merges of a BPE model by pair: open addressing over flat memory, one or two cache lines per look-up.
struct MergeTable: Sendable {
    /// A merge: what it joins, how early it comes and what it makes.
    struct Entry {
        var pair: UInt64
        var rank: UInt32
        var result: TokenID
    }

    private static let empty = UInt64.max
    private let entries: FrozenBuffer<Entry>
    private let mask: Int

    /// The rank of a pair that has no merge.
    static let noRank = UInt32.max

    /// A table of merges in the order of their ranks; of two merges of one pair the later counts.
    init(_ merges: [(left: TokenID, right: TokenID, result: TokenID)]) {
        var size = 16
        while size < merges.count * 2 { size *= 2 }
        mask = size - 1
        entries = FrozenBuffer(
            repeating: Entry(pair: MergeTable.empty, rank: MergeTable.noRank, result: 0), count: size)
        for (rank, merge) in merges.enumerated() {
            let pair = MergeTable.pair(merge.left, merge.right)
            var slot = MergeTable.hash(pair) & mask
            while entries.pointer[slot].pair != MergeTable.empty, entries.pointer[slot].pair != pair {
                slot = (slot + 1) & mask
            }
            entries.pointer[slot] = Entry(pair: pair, rank: UInt32(rank), result: merge.result)
        }
    }

    @inline(__always)
    private static func pair(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private static func hash(_ pair: UInt64) -> Int {
        Int(truncatingIfNeeded: (pair &* 0x9E37_79B9_7F4A_7C15) >> 32 ^ pair)
    }

    /// The rank of joining two tokens and the token that results; `noRank` where they are never joined.
    @inline(__always)
    func find(_ left: TokenID, _ right: TokenID) -> (rank: UInt32, result: TokenID) {
        let pair = MergeTable.pair(left, right)
        var slot = MergeTable.hash(pair) & mask
        while true {
            let entry = entries.pointer[slot]
            if entry.pair == pair { return (entry.rank, entry.result) }
            if entry.pair == MergeTable.empty { return (MergeTable.noRank, 0) }
            slot = (slot + 1) & mask
        }
    }
}
