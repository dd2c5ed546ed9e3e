/// Text on its way through the normaliser, and for each of its bytes the bytes of the source that it stands for.
///
/// The alignment is that of the Hugging Face library, so that offsets agree: a scalar that replaces another keeps the
/// source of the replaced one, an inserted scalar takes the source of the scalar before it.
public struct NormalizedText: Sendable {
    /// The text in UTF-8.
    public private(set) var bytes: [UInt8]
    /// The source of each byte; empty unless tracked.
    public private(set) var sources: [ByteSpan]
    /// Whether sources are kept.
    public let tracksSources: Bool
    /// Whether no token stands before it in the source.
    public private(set) var isAtStart = true

    /// A scalar of the new text, and what became of the old scalars around it.
    public struct Change {
        /// The scalar.
        public var scalar: Unicode.Scalar
        /// 0: it replaces the next old scalar; 1: it is inserted; −n: it replaces the next old scalar and the n
        /// after that are dropped.
        public var shift: Int32

        /// A scalar and what it replaces.
        @inline(__always)
        public init(_ scalar: Unicode.Scalar, _ shift: Int32) {
            self.scalar = scalar
            self.shift = shift
        }
    }

    /// Text that is still equal to its source, which starts at byte `offset` of a longer one.
    public init(_ text: UnsafeBufferPointer<UInt8>, at offset: Int = 0, isAtStart: Bool = true, tracksSources: Bool) {
        bytes = Array(text)
        self.isAtStart = isAtStart
        self.tracksSources = tracksSources
        sources = []
        guard tracksSources else { return }
        sources.reserveCapacity(text.count)
        var at = 0
        while at < text.count {
            let length = scalarLength(text, at)
            sources.append(contentsOf: repeatElement(ByteSpan(offset + at, offset + at + length), count: length))
            at += length
        }
    }

    /// A slice of the text, with its sources.
    func slice(_ range: Range<Int>) -> NormalizedText {
        NormalizedText(
            bytes: Array(bytes[range]), sources: tracksSources ? Array(sources[range]) : [],
            tracksSources: tracksSources)
    }

    private init(bytes: [UInt8], sources: [ByteSpan], tracksSources: Bool) {
        self.bytes = bytes
        self.sources = sources
        self.tracksSources = tracksSources
    }

    /// Replaces everything; `sources` has one entry per byte if sources are tracked.
    public mutating func replaceAll(bytes: [UInt8], sources: [ByteSpan]) {
        self.bytes = bytes
        self.sources = tracksSources && sources.count == bytes.count ? sources : []
    }

    /// Rewrites the whole text.
    ///
    /// - Parameters:
    ///   - changes: the scalars of the new text in order.
    ///   - dropped: how many old scalars are dropped before the first change.
    public mutating func transform(_ changes: [Change], droppingFirst dropped: Int = 0) {
        var newBytes: [UInt8] = []
        newBytes.reserveCapacity(bytes.count + 8)
        guard tracksSources else {
            for change in changes { appendScalar(change.scalar, to: &newBytes) }
            bytes = newBytes
            return
        }
        var newSources: [ByteSpan] = []
        newSources.reserveCapacity(bytes.count + 8)
        var at = 0
        bytes.withUnsafeBufferPointer { old in
            func skip(_ count: Int) {
                var left = count
                while left > 0, at < old.count {
                    at += scalarLength(old, at)
                    left -= 1
                }
            }
            skip(dropped)
            for change in changes {
                let source: ByteSpan
                if change.shift > 0 {
                    source = at < 1 || at > sources.count ? ByteSpan(0, 0) : sources[at - 1]
                } else {
                    source = at < sources.count ? sources[at] : ByteSpan(0, 0)
                    skip(1 - Int(change.shift))
                }
                let length = appendScalar(change.scalar, to: &newBytes)
                for _ in 0..<length { newSources.append(source) }
            }
        }
        bytes = newBytes
        sources = newSources
    }

    /// Puts text before the first scalar; an empty text stays empty.
    public mutating func prepend(_ prefix: [Unicode.Scalar]) {
        guard !bytes.isEmpty, !prefix.isEmpty else { return }
        var changes: [Change] = []
        changes.reserveCapacity(bytes.count + prefix.count)
        for (index, scalar) in prefix.enumerated() { changes.append(Change(scalar, index == 0 ? 0 : 1)) }
        var isFirst = true
        forEachScalar { scalar in
            changes.append(Change(scalar, isFirst ? 1 : 0))
            isFirst = false
        }
        transform(changes)
    }

    /// Walks the scalars; a byte that is no UTF-8 counts as U+FFFD.
    @inline(__always)
    public func forEachScalar(_ body: (Unicode.Scalar) -> Void) {
        bytes.withUnsafeBufferPointer { bytes in
            var at = 0
            while at < bytes.count {
                let (scalar, length) = decodeScalar(bytes, at)
                body(scalar)
                at += length
            }
        }
    }

    /// The bytes of the source that a range of this text stands for.
    public func source(of range: Range<Int>) -> ByteSpan {
        guard tracksSources, !sources.isEmpty else { return ByteSpan(0, 0) }
        if range.isEmpty {
            // An empty range has no byte to ask: it lies after the one before it.
            let before = range.lowerBound > 0 ? Int(sources[min(range.lowerBound, sources.count) - 1].end) : 0
            return ByteSpan(before, before)
        }
        return ByteSpan(Int(sources[range.lowerBound].start), Int(sources[range.upperBound - 1].end))
    }
}

extension NormalizedText {
    /// Keeps the scalars for which `isKept` holds.
    public mutating func filter(_ isKept: (Unicode.Scalar) -> Bool) {
        var changes: [Change] = []
        changes.reserveCapacity(bytes.count)
        var droppedFirst = 0
        var any = false
        forEachScalar { scalar in
            if isKept(scalar) {
                changes.append(Change(scalar, 0))
                return
            }
            any = true
            if changes.isEmpty { droppedFirst += 1 } else { changes[changes.count - 1].shift -= 1 }
        }
        if any { transform(changes, droppingFirst: droppedFirst) }
    }

    /// Puts scalars in the place of every match; they take the source of the last scalar that they replace.
    public mutating func replace(_ pattern: Pattern, with content: [Unicode.Scalar]) {
        let matches = bytes.withUnsafeBufferPointer { pattern.matches(in: $0) }
        if matches.isEmpty { return }
        var newBytes: [UInt8] = []
        var newSources: [ByteSpan] = []
        newBytes.reserveCapacity(bytes.count + matches.count)
        var encoded: [UInt8] = []
        for scalar in content { appendScalar(scalar, to: &encoded) }
        var at = 0
        func keep(_ range: Range<Int>) {
            newBytes.append(contentsOf: bytes[range])
            if tracksSources { newSources.append(contentsOf: sources[range]) }
        }
        for match in matches {
            keep(at..<match.lowerBound)
            newBytes.append(contentsOf: encoded)
            if tracksSources {
                let source = match.upperBound > 0 ? sources[match.upperBound - 1] : ByteSpan(0, 0)
                newSources.append(contentsOf: repeatElement(source, count: encoded.count))
            }
            at = match.upperBound
        }
        keep(at..<bytes.count)
        replaceAll(bytes: newBytes, sources: newSources)
    }
}
