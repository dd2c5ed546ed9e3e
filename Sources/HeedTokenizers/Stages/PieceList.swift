/// The pieces that a pre-tokenizer has cut so far, over one text.
public struct PieceList: Sendable {
    /// The text that the pieces lie in.
    public private(set) var text: NormalizedText
    /// The pieces in order: ranges of bytes of `text`, without overlap.
    public private(set) var pieces: [Range<Int>]
    /// Whether the text starts where the source starts.
    public let isAtStart: Bool
    /// Whether the pieces are to be spelled in GPT-2's alphabet: done late, because models take the bytes.
    private(set) var isToBeSpelled = false
    /// Whether the text has been spelled in that alphabet.
    private(set) var isSpelled = false

    /// The whole text as one piece, or none if it is empty.
    public init(_ text: NormalizedText, isAtStart: Bool) {
        self.text = text
        self.isAtStart = isAtStart
        pieces = text.bytes.isEmpty ? [] : [0..<text.bytes.count]
    }

    /// What becomes of the delimiters that a step finds.
    public enum Behavior: String, Sendable, CaseIterable {
        /// They are left out.
        case removed = "Removed"
        /// Each is a piece of its own.
        case isolated = "Isolated"
        /// Each ends the piece before it.
        case mergedWithPrevious = "MergedWithPrevious"
        /// Each begins the piece after it.
        case mergedWithNext = "MergedWithNext"
        /// Neighbours are one piece.
        case contiguous = "Contiguous"
    }

    /// Cuts every piece at the delimiters that `find` gives, as ranges relative to the piece.
    ///
    /// - `inverted`: whether what lies between the ranges is the delimiter.
    public mutating func split(
        _ behavior: Behavior, inverted: Bool = false, find: (UnsafeBufferPointer<UInt8>) -> [Range<Int>]
    ) {
        spellIfNeeded()
        var result: [Range<Int>] = []
        result.reserveCapacity(pieces.count * 2)
        text.bytes.withUnsafeBufferPointer { bytes in
            for piece in pieces {
                let matches = find(UnsafeBufferPointer(rebasing: bytes[piece]))
                PieceList.cut(piece, matches, behavior, inverted, into: &result)
            }
        }
        pieces = result
    }

    private static func cut(
        _ piece: Range<Int>, _ matches: [Range<Int>], _ behavior: Behavior, _ inverted: Bool,
        into result: inout [Range<Int>]
    ) {
        var parts: [(range: Range<Int>, isMatch: Bool)] = []
        parts.reserveCapacity(matches.count * 2 + 1)
        var at = piece.lowerBound
        for match in matches {
            let range = match.lowerBound + piece.lowerBound..<match.upperBound + piece.lowerBound
            if at < range.lowerBound { parts.append((at..<range.lowerBound, inverted)) }
            parts.append((range, !inverted))
            at = range.upperBound
        }
        if at < piece.upperBound { parts.append((at..<piece.upperBound, inverted)) }
        let first = result.count
        func extendLast(to end: Int) -> Bool {
            guard result.count > first, let last = result.popLast() else { return false }
            result.append(last.lowerBound..<end)
            return true
        }
        var previous = false
        switch behavior {
        case .removed: for part in parts where !part.isMatch { result.append(part.range) }
        case .isolated: for part in parts { result.append(part.range) }
        case .contiguous:
            for part in parts {
                if part.isMatch != previous || !extendLast(to: part.range.upperBound) { result.append(part.range) }
                previous = part.isMatch
            }
        case .mergedWithPrevious:
            for part in parts {
                if !part.isMatch || previous || !extendLast(to: part.range.upperBound) { result.append(part.range) }
                previous = part.isMatch
            }
        case .mergedWithNext:
            var reversed: [Range<Int>] = []
            for part in parts.reversed() {
                if part.isMatch, !previous, let last = reversed.popLast() {
                    reversed.append(part.range.lowerBound..<last.upperBound)
                } else {
                    reversed.append(part.range)
                }
                previous = part.isMatch
            }
            result.append(contentsOf: reversed.reversed())
        }
        var kept = first
        for index in first..<result.count where !result[index].isEmpty {
            result[kept] = result[index]
            kept += 1
        }
        result.removeLast(result.count - kept)
    }

    /// Rewrites every piece on its own.
    public mutating func rewrite(_ body: (inout NormalizedText, _ isFirst: Bool) -> Void) {
        spellIfNeeded()
        var bytes: [UInt8] = []
        var sources: [ByteSpan] = []
        var result: [Range<Int>] = []
        result.reserveCapacity(pieces.count)
        bytes.reserveCapacity(text.bytes.count + pieces.count)
        for (index, piece) in pieces.enumerated() {
            var part = text.slice(piece)
            body(&part, index == 0 && isAtStart)
            let start = bytes.count
            bytes.append(contentsOf: part.bytes)
            if text.tracksSources { sources.append(contentsOf: part.sources) }
            if bytes.count > start { result.append(start..<bytes.count) }
        }
        text.replaceAll(bytes: bytes, sources: sources)
        pieces = result
    }

    /// Marks the pieces to be spelled in GPT-2's alphabet before the next step looks at them.
    mutating func spellLater() {
        spellIfNeeded()
        isToBeSpelled = true
    }

    /// Spells the pieces now, if they are to be.
    mutating func spellIfNeeded() {
        guard isToBeSpelled else { return }
        isToBeSpelled = false
        isSpelled = true
        var bytes: [UInt8] = []
        var sources: [ByteSpan] = []
        bytes.reserveCapacity(text.bytes.count * 5 / 4)
        for index in pieces.indices {
            let start = bytes.count
            for place in pieces[index] {
                let length = appendScalar(ByteAlphabet.scalars[Int(text.bytes[place])], to: &bytes)
                if text.tracksSources {
                    for _ in 0..<length { sources.append(text.sources[place]) }
                }
            }
            pieces[index] = start..<bytes.count
        }
        text.replaceAll(bytes: bytes, sources: sources)
    }
}
