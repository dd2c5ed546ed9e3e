import HeedSupport

/// Remembers the tokens of short pieces: a table of fixed size, two entries to a cache line.
///
/// A new piece goes to the second place of its line and moves to the first when it is met again, so that words that
/// occur once do not push out those that occur often. Nothing ever grows.
struct PieceCache: ~Copyable {
    /// The longest piece that is remembered, in bytes.
    static let longestPiece = 15
    /// The most tokens that an entry holds.
    static let mostTokens = 3

    struct Entry {
        /// Bytes 0 to 7.
        var low: UInt64
        /// Bytes 8 to 14, and the number of bytes in the highest byte.
        var high: UInt64
        var ids: (TokenID, TokenID, TokenID)
        var count: Int32
    }

    private let memory: ZeroedLines
    private let entries: UnsafeMutablePointer<Entry>
    private let mask: Int

    /// A table of `2^bits` entries of 32 bytes.
    init(bits: Int) {
        let count = 1 << bits
        // Both places of a line are in one cache line.
        memory = ZeroedLines(byteCount: count * MemoryLayout<Entry>.stride)
        entries = memory.start.bindMemory(to: Entry.self, capacity: count)
        mask = count / 2 - 1
    }

    /// The two words of a piece of at most 15 bytes.
    @inline(__always)
    static func key(_ start: UnsafePointer<UInt8>, _ count: Int, readable: Int) -> (low: UInt64, high: UInt64) {
        let length = UInt64(truncatingIfNeeded: count) << 56
        if readable >= 16 {
            let raw = UnsafeRawPointer(start)
            let low = raw.loadUnaligned(as: UInt64.self)
            let high = raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            if count < 8 { return (low & (1 << UInt64(8 * count) &- 1), length) }
            return (low, high & (1 << UInt64(8 * (count - 8)) &- 1) | length)
        }
        if count < 8 { return (loadShort(start, count), length) }
        let low = UnsafeRawPointer(start).loadUnaligned(as: UInt64.self)
        return (low, loadShort(start + 8, count - 8) | length)
    }

    @inline(__always)
    private func line(_ low: UInt64, _ high: UInt64) -> UnsafeMutablePointer<Entry> {
        let hash = mixBits(low ^ high &* 0x9E37_79B9_7F4A_7C15)
        return entries + 2 * (Int(truncatingIfNeeded: hash) & mask)
    }

    /// The entry of a piece, or nil.
    @inline(__always)
    func find(_ low: UInt64, _ high: UInt64) -> UnsafeMutablePointer<Entry>? {
        let line = line(low, high)
        if line[0].low == low, line[0].high == high { return line }
        if line[1].low == low, line[1].high == high {
            swap(&line[0], &line[1])
            return line
        }
        return nil
    }

    /// Remembers the tokens of a piece, at most `mostTokens` and at least one.
    func insert(_ low: UInt64, _ high: UInt64, _ ids: UnsafeBufferPointer<TokenID>) {
        guard ids.count <= PieceCache.mostTokens, !ids.isEmpty else { return }
        let line = line(low, high)
        let place = line[0].high == 0 ? 0 : 1
        line[place] = Entry(
            low: low, high: high, ids: (ids[0], ids.count > 1 ? ids[1] : 0, ids.count > 2 ? ids[2] : 0),
            count: Int32(ids.count))
    }
}

/// Remembers the tokens of pieces of up to 31 bytes and 7 tokens: long words, runs of spaces, lines of dashes.
///
/// One place for each hash; a new piece pushes out the one that is there.
struct LongPieceCache: ~Copyable {
    private static let longestPiece = 31
    private static let mostTokens = 7
    private static let entrySize = 64

    /// Per entry: 31 bytes, their number, then the ids and their number, in one cache line.
    private let memory: ZeroedLines
    private let entries: UnsafeMutableRawPointer
    private let mask: Int

    /// A table of `2^bits` entries of 64 bytes.
    init(bits: Int) {
        memory = ZeroedLines(byteCount: LongPieceCache.entrySize << bits)
        entries = memory.start
        mask = (1 << bits) - 1
    }

    @inline(__always)
    private func entry(_ start: UnsafePointer<UInt8>, _ count: Int) -> UnsafeMutableRawPointer {
        entries + LongPieceCache.entrySize * (Int(truncatingIfNeeded: hashBytes(start, count)) & mask)
    }

    /// The ids of a piece, or nil; they are valid until the next `insert`.
    @inline(__always)
    func find(_ start: UnsafePointer<UInt8>, _ count: Int) -> (ids: UnsafePointer<TokenID>, count: Int)? {
        guard count <= LongPieceCache.longestPiece else { return nil }
        let entry = entry(start, count)
        let bytes = entry.assumingMemoryBound(to: UInt8.self)
        guard Int(bytes[31]) == count else { return nil }
        var at = 0
        while at < count, bytes[at] == start[at] { at += 1 }
        if at < count { return nil }
        let ids = (entry + 32).assumingMemoryBound(to: TokenID.self)
        return (UnsafePointer(ids), Int(ids[7]))
    }

    /// Remembers the ids of a piece, if it is short enough and they are few enough.
    func insert(_ start: UnsafePointer<UInt8>, _ count: Int, _ joined: UnsafeBufferPointer<TokenID>) {
        guard count <= LongPieceCache.longestPiece, joined.count <= LongPieceCache.mostTokens else { return }
        let entry = entry(start, count)
        let bytes = entry.assumingMemoryBound(to: UInt8.self)
        bytes.update(from: start, count: count)
        bytes[31] = UInt8(count)
        let ids = (entry + 32).assumingMemoryBound(to: TokenID.self)
        for (index, id) in joined.enumerated() { ids[index] = id }
        ids[7] = TokenID(joined.count)
    }
}
