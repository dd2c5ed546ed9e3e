/// Remembers the ids of words: two tables of fixed size, for short words and for longer ones. Nothing ever grows.
///
/// Belongs to one thread at a time.
final class WordMemory {
    private let short: PieceCache
    private let long: LongPieceCache

    /// Tables of 2 MiB for words of up to 15 bytes and 3 tokens, and 1 MiB for words of up to 31 bytes and 7 tokens.
    init(shortBits: Int = 16, longBits: Int = 14) {
        short = PieceCache(bits: shortBits)
        long = LongPieceCache(bits: longBits)
    }

    /// Appends the ids of a word that is remembered; false for one that is not.
    @inline(__always)
    func append(_ word: UnsafePointer<UInt8>, _ count: Int, readable: Int, to ids: inout IDBuffer) -> Bool {
        if count <= PieceCache.longestPiece {
            let key = PieceCache.key(word, count, readable: readable)
            if let entry = short.find(key.low, key.high) {
                ids.reserve(4)
                ids.appendUpTo3(entry.pointee.ids, Int(entry.pointee.count))
                return true
            }
        }
        return appendLong(word, count, to: &ids)
    }

    @inline(never)
    private func appendLong(_ word: UnsafePointer<UInt8>, _ count: Int, to ids: inout IDBuffer) -> Bool {
        guard let found = long.find(word, count) else { return false }
        ids.append(found.ids, found.count)
        return true
    }

    /// The ids of a word that is remembered, valid until the next call.
    func ids(of word: UnsafePointer<UInt8>, _ count: Int, readable: Int) -> UnsafeBufferPointer<TokenID>? {
        if count <= PieceCache.longestPiece {
            let key = PieceCache.key(word, count, readable: readable)
            if let entry = short.find(key.low, key.high) {
                let ids = UnsafeRawPointer(entry).advanced(by: MemoryLayout.offset(of: \PieceCache.Entry.ids) ?? 16)
                return UnsafeBufferPointer(
                    start: ids.assumingMemoryBound(to: TokenID.self), count: Int(entry.pointee.count))
            }
        }
        return long.find(word, count).map { UnsafeBufferPointer(start: $0.ids, count: $0.count) }
    }

    /// Remembers the ids of a word, if it is short enough and they are few enough.
    func insert(_ word: UnsafePointer<UInt8>, _ count: Int, readable: Int, _ ids: UnsafeBufferPointer<TokenID>) {
        if count <= PieceCache.longestPiece, (1...PieceCache.mostTokens).contains(ids.count) {
            let key = PieceCache.key(word, count, readable: readable)
            short.insert(key.low, key.high, ids)
        } else {
            long.insert(word, count, ids)
        }
    }
}
