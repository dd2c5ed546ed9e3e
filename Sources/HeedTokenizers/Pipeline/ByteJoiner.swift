/// Joins the bytes of a piece by the merges of a model, in memory of its own: nothing is allocated per piece.
///
/// Belongs to one thread at a time.
final class ByteJoiner {
    /// Pieces of more bytes go the general way.
    private static let longestPiece = 64

    private let model: BPEModel
    private let usesTable: Bool
    private let ids: UnsafeMutablePointer<TokenID>
    private let ranks: UnsafeMutablePointer<UInt32>
    private let results: UnsafeMutablePointer<TokenID>
    private var scratch = MergeScratch()
    private var longIDs: UnsafeMutablePointer<TokenID>
    private var longCapacity = 256

    init(_ model: BPEModel) {
        self.model = model
        usesTable = model.spelling == .alphabet && !model.options.ignoresMerges
        longIDs = .allocate(capacity: longCapacity)
        ids = .allocate(capacity: ByteJoiner.longestPiece)
        ranks = .allocate(capacity: ByteJoiner.longestPiece)
        results = .allocate(capacity: ByteJoiner.longestPiece)
        ids.initialize(repeating: 0, count: ByteJoiner.longestPiece)
        ranks.initialize(repeating: 0, count: ByteJoiner.longestPiece)
        results.initialize(repeating: 0, count: ByteJoiner.longestPiece)
    }

    deinit {
        ids.deallocate()
        ranks.deallocate()
        results.deallocate()
        longIDs.deallocate()
    }

    /// The tokens of a piece, valid until the next call.
    func join(_ piece: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<TokenID> {
        if usesTable, piece.count <= ByteJoiner.longestPiece { return joinShort(piece) }
        model.join(piece, &scratch)
        let count = scratch.symbols.count
        if count > longCapacity {
            longIDs.deallocate()
            longCapacity = count
            longIDs = .allocate(capacity: count)
        }
        for index in 0..<count { (longIDs + index).initialize(to: scratch.symbols[index].id) }
        return UnsafeBufferPointer(start: longIDs, count: count)
    }

    /// The pair of lowest rank first, of equals the leftmost, until no pair has a rank.
    private func joinShort(_ piece: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<TokenID> {
        let ids = ids
        let ranks = ranks
        let results = results
        let table = model.table
        let byteIDs = model.byteIDs.pointer
        var count = piece.count
        for index in 0..<count { ids[index] = byteIDs[Int(piece[index])] }
        @inline(__always) func look(_ index: Int) {
            let found = table.find(ids[index], ids[index + 1])
            ranks[index] = found.rank
            results[index] = found.result
        }
        var index = 0
        while index + 1 < count {
            look(index)
            index += 1
        }
        while count > 1 {
            var best = ranks[0]
            var place = 0
            index = 1
            while index + 1 < count {
                if ranks[index] < best {
                    best = ranks[index]
                    place = index
                }
                index += 1
            }
            if best == MergeTable.noRank { break }
            ids[place] = results[place]
            count -= 1
            index = place + 1
            while index < count {
                ids[index] = ids[index + 1]
                ranks[index] = ranks[index + 1]
                results[index] = results[index + 1]
                index += 1
            }
            if place > 0 { look(place - 1) }
            if place + 1 < count { look(place) }
        }
        return UnsafeBufferPointer(start: ids, count: count)
    }
}
