/// The fast way from bytes to ids for byte-level BPE whose pattern has a scanner.
///
/// Belongs to one thread at a time: it holds the memory of pieces and what is needed to join symbols.
final class ByteEncoder {
    private let model: BPEModel
    private let cache: PieceCache
    private let longCache: LongPieceCache
    private let joiner: ByteJoiner

    /// Caches of 2 MiB for short pieces and 1 MiB for longer ones.
    init(model: BPEModel, cacheBits: Int = 16, longCacheBits: Int = 14) {
        self.model = model
        cache = PieceCache(bits: cacheBits)
        longCache = LongPieceCache(bits: longCacheBits)
        joiner = ByteJoiner(model)
    }

    /// Appends the ids of a text.
    ///
    /// Cost: one look-up per piece that was met before; some hundred nanoseconds for a new one.
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
                    encodeNew(base + at, length, key.low, key.high, into: &ids)
                }
            } else {
                encodeLong(base + at, length, into: &ids)
            }
            at = end
        }
    }

    /// Appends the ids of a short piece that the cache does not hold.
    @inline(never)
    private func encodeNew(
        _ start: UnsafePointer<UInt8>, _ count: Int, _ low: UInt64, _ high: UInt64, into ids: inout IDBuffer
    ) {
        // A short piece of many tokens is kept with the long ones.
        if let found = longCache.find(start, count) {
            ids.append(found.ids, found.count)
            return
        }
        let joined = joiner.join(UnsafeBufferPointer(start: start, count: count))
        if joined.count <= PieceCache.mostTokens {
            cache.insert(low, high, joined)
        } else {
            longCache.insert(start, count, joined)
        }
        ids.append(joined)
    }

    /// Appends the ids of a piece that is too long for the first cache.
    @inline(never)
    private func encodeLong(_ start: UnsafePointer<UInt8>, _ count: Int, into ids: inout IDBuffer) {
        if let found = longCache.find(start, count) {
            ids.append(found.ids, found.count)
            return
        }
        let joined = joiner.join(UnsafeBufferPointer(start: start, count: count))
        longCache.insert(start, count, joined)
        ids.append(joined)
    }

    /// Appends the ids of a text that is one piece.
    func encodePiece(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout IDBuffer) {
        ids.append(joiner.join(piece))
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

    /// Appends ids.
    @inline(__always)
    mutating func append(_ ids: UnsafeBufferPointer<TokenID>) {
        guard let source = ids.baseAddress else { return }
        append(source, ids.count)
    }

    /// Appends ids.
    @inline(__always)
    mutating func append(_ source: UnsafePointer<TokenID>, _ number: Int) {
        reserve(number + 4)
        (start + count).update(from: source, count: number)
        count += number
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

    /// Forgets the ids from `place` on.
    mutating func remove(from place: Int) { count = min(count, place) }

    /// Forgets the ids.
    mutating func removeAll() { count = 0 }
}
