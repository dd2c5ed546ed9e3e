/// The number of a token in its vocabulary.
public typealias TokenID = Int32

/// A growing list of tokens with the place of each in the text that it came from.
///
/// Places are only kept when `tracksSpans` is set, so that plain encoding does not pay for them.
public struct TokenList: Sendable {
    /// The ids in order.
    public private(set) var ids: [TokenID] = []
    /// Where each token starts and ends, in bytes; empty unless spans are tracked.
    public private(set) var spans: [ByteSpan] = []
    /// Whether spans are kept.
    public let tracksSpans: Bool
    /// How many characters the vocabulary lacked; counted where spans are kept.
    var unknownCharacters = 0

    /// An empty list.
    public init(tracksSpans: Bool) { self.tracksSpans = tracksSpans }

    /// The number of tokens.
    public var count: Int { ids.count }

    /// Appends a token that covers the bytes `start ..< end`.
    @inline(__always)
    public mutating func append(_ id: TokenID, from start: Int, to end: Int) {
        ids.append(id)
        if tracksSpans { spans.append(ByteSpan(start, end)) }
    }

    /// Replaces the span of the token at `index`.
    mutating func setSpan(_ span: ByteSpan, at index: Int) {
        if tracksSpans { spans[index] = span }
    }

    /// Forgets all tokens but keeps the memory.
    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        spans.removeAll(keepingCapacity: true)
        unknownCharacters = 0
    }

    /// Hands over the ids without copying them.
    mutating func takeIDs() -> [TokenID] {
        defer { ids = [] }
        return ids
    }

    /// Calls `body` with the ids, to append many at once.
    @inline(__always)
    mutating func withIDs<Result>(_ body: (inout [TokenID]) -> Result) -> Result { body(&ids) }
}

/// A range of bytes, in 8 bytes of memory.
public struct ByteSpan: Sendable, Hashable {
    /// The first byte.
    public var start: Int32
    /// The byte after the last.
    public var end: Int32

    /// The bytes `start ..< end`.
    @inline(__always)
    public init(_ start: Int, _ end: Int) {
        self.start = Int32(truncatingIfNeeded: start)
        self.end = Int32(truncatingIfNeeded: end)
    }

    /// The same as a range.
    public var range: Range<Int> { Int(start)..<max(Int(start), Int(end)) }
}
