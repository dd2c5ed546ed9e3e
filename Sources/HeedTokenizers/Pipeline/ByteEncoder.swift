/// The fast way from bytes to ids for byte-level BPE whose pattern has a scanner.
///
/// Belongs to one thread at a time: it holds the memory of pieces and what is needed to join symbols.
final class ByteEncoder {
    private let model: BPEModel
    private let cache: PieceCache
    private var scratch = MergeScratch()

    init(model: BPEModel, cacheBits: Int = 15) {
        self.model = model
        cache = PieceCache(bits: cacheBits)
    }

    /// Appends the ids of a text.
    ///
    /// Cost: one look-up per piece that was met before; a few hundred nanoseconds for a new one.
    @inline(__always)
    func encode(_ text: UnsafeBufferPointer<UInt8>, by scanner: some PatternScanner, into ids: inout IDBuffer) {
        guard let base = text.baseAddress else { return }
        let count = text.count
        var at = 0
        while at < count {
            let end = scanner.pieceEnd(base, at, count)
            let length = end - at
            if length <= PieceCache.longestPiece {
                let key = PieceCache.key(base + at, length, readable: count - at)
                ids.reserve(4)
                if let entry = cache.find(key.low, key.high) {
                    ids.appendUpTo3(entry.pointee.ids, Int(entry.pointee.count))
                } else {
                    merge(base + at, length)
                    cache.insert(key.low, key.high, scratch.symbols)
                    ids.append(scratch.symbols)
                }
            } else {
                merge(base + at, length)
                ids.append(scratch.symbols)
            }
            at = end
        }
    }

    /// Appends the ids of a text that is one piece.
    func encodePiece(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout IDBuffer) {
        model.join(piece, &scratch)
        ids.append(scratch.symbols)
    }

    /// Leaves the symbols of a piece in `scratch`.
    @inline(never)
    private func merge(_ start: UnsafePointer<UInt8>, _ count: Int) {
        model.join(UnsafeBufferPointer(start: start, count: count), &scratch)
    }
}

/// A growing buffer of ids with unchecked appending.
struct IDBuffer: ~Copyable {
    private var start: UnsafeMutablePointer<TokenID>
    private var capacity: Int
    /// The number of ids.
    private(set) var count = 0

    init(capacity: Int) {
        self.capacity = max(capacity, 64)
        start = UnsafeMutablePointer<TokenID>.allocate(capacity: self.capacity)
    }

    deinit { start.deallocate() }

    /// Makes room for `extra` more ids.
    @inline(__always)
    mutating func reserve(_ extra: Int) {
        if count + extra > capacity { grow(extra) }
    }

    @inline(never)
    private mutating func grow(_ extra: Int) {
        let newCapacity = max(capacity * 2, count + extra)
        let memory = UnsafeMutablePointer<TokenID>.allocate(capacity: newCapacity)
        memory.update(from: start, count: count)
        start.deallocate()
        start = memory
        capacity = newCapacity
    }

    /// Appends the first `number` of three ids; room for four must be there.
    @inline(__always)
    mutating func appendUpTo3(_ ids: (TokenID, TokenID, TokenID), _ number: Int) {
        let place = start + count
        place[0] = ids.0
        place[1] = ids.1
        place[2] = ids.2
        count += number
    }

    /// Appends the ids of symbols.
    mutating func append(_ symbols: [MergeSymbol]) {
        reserve(symbols.count + 4)
        for symbol in symbols {
            start[count] = symbol.id
            count += 1
        }
    }

    /// Appends one id.
    mutating func append(_ id: TokenID) {
        reserve(4)
        start[count] = id
        count += 1
    }

    /// The ids from `first` on as an array.
    func array(from first: Int = 0) -> [TokenID] {
        Array(UnsafeBufferPointer(start: start + first, count: count - first))
    }

    /// Forgets the ids.
    mutating func removeAll() { count = 0 }
}
