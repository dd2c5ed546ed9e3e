import HeedSupport

/// A token that is found in the text before anything else happens to it.
public struct AddedToken: Sendable, Equatable {
    /// The text of the token.
    public var content: String
    /// Its id.
    public var id: TokenID
    /// Whether it steers the model rather than being text: left out of decoded text on request.
    public var isSpecial: Bool
    /// Whether it only counts between characters that are no word characters.
    public var isSingleWord: Bool
    /// Whether it takes the white space before it along.
    public var stripsLeft: Bool
    /// Whether it takes the white space after it along.
    public var stripsRight: Bool
    /// Whether it is looked for in the normalised text rather than in the source.
    public var isNormalized: Bool

    /// A token that is found in the text before everything else.
    public init(
        _ content: String, id: TokenID, isSpecial: Bool = true, isSingleWord: Bool = false, stripsLeft: Bool = false,
        stripsRight: Bool = false, isNormalized: Bool = false
    ) {
        self.content = content
        self.id = id
        self.isSpecial = isSpecial
        self.isSingleWord = isSingleWord
        self.stripsLeft = stripsLeft
        self.stripsRight = stripsRight
        self.isNormalized = isNormalized
    }

    /// Whether its text is this one, byte for byte.
    func isSpelled(_ text: String) -> Bool { content.utf8.elementsEqual(text.utf8) }

    /// The token as `tokenizer.json` lists it.
    func json() -> JSON {
        [
            "id": .integer(Int(id)), "content": .string(content), "single_word": .bool(isSingleWord),
            "lstrip": .bool(stripsLeft), "rstrip": .bool(stripsRight), "normalized": .bool(isNormalized),
            "special": .bool(isSpecial),
        ]
    }
}

/// The added tokens of a tokenizer, and the search for them.
public struct AddedTokens: Sendable {
    /// All of them, in the order of the file.
    public let tokens: [AddedToken]
    private let byID: [TokenID: Int]
    private let byContent: [ExactText: Int]
    /// Tokens looked for in the source.
    var source: TokenSearch
    /// Tokens looked for in normalised text.
    let normalized: TokenSearch

    /// No tokens.
    public init() { self.init([], normalizer: nil) }

    /// Tokens, those that are looked for in normalised text normalised themselves.
    public init(_ tokens: [AddedToken], normalizer: (any NormalizerStage)?) {
        self.tokens = tokens
        byID = Dictionary(tokens.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { $1 })
        byContent = Dictionary(tokens.enumerated().map { (ExactText($1.content), $0) }, uniquingKeysWith: { $1 })
        var source = TokenSearch()
        var normalized = TokenSearch()
        for (index, token) in tokens.enumerated() where !token.content.isEmpty {
            var bytes = Array(token.content.utf8)
            if !token.isNormalized {
                source.add(bytes, index)
                continue
            }
            if let normalizer {
                var text = bytes.withUnsafeBufferPointer { NormalizedText($0, tracksSources: false) }
                normalizer.normalize(&text)
                bytes = text.bytes
            }
            if !bytes.isEmpty { normalized.add(bytes, index) }
        }
        self.source = source
        self.normalized = normalized
    }

    /// The token of an id, or nil.
    public func token(of id: TokenID) -> AddedToken? { byID[id].map { tokens[$0] } }

    /// The token of a text, or nil.
    public func token(of content: String) -> AddedToken? { byContent[ExactText(content)].map { tokens[$0] } }

    /// A stretch of text: between tokens, or one that is a token.
    struct Segment {
        var range: Range<Int>
        var token: TokenID?
        /// For a token: its text without the white space that it took along.
        var core: Range<Int>

        init(range: Range<Int>, token: TokenID?, core: Range<Int>? = nil) {
            self.range = range
            self.token = token
            self.core = core ?? range
        }
    }

    /// Cuts text at the tokens of one search.
    ///
    /// - Parameter ignoresSpecial: whether special tokens are left as the text that they are.
    func segments(
        of text: UnsafeBufferPointer<UInt8>, by search: TokenSearch, ignoresSpecial: Bool
    ) -> [Segment] {
        var segments: [Segment] = []
        /// Appends text between tokens.
        func append(_ range: Range<Int>) {
            let code = search.opening?.range(in: text, range)
            if let code { segments.append(Segment(range: code, token: search.opening?.id(of: text, code))) }
            let rest = (code?.upperBound ?? range.lowerBound)..<range.upperBound
            if !rest.isEmpty { segments.append(Segment(range: rest, token: nil)) }
        }
        var start = 0
        var at = 0
        while let match = search.next(in: text, from: at) {
            at = match.range.upperBound
            let token = tokens[match.index]
            if ignoresSpecial, token.isSpecial { continue }
            var range = match.range
            if token.isSingleWord, touchesWord(text, range) { continue }
            if token.stripsLeft {
                range = max(spaceStart(text, before: range.lowerBound), start)..<range.upperBound
            }
            if token.stripsRight { range = range.lowerBound..<spaceEnd(text, after: range.upperBound) }
            // A token that took white space along may have swallowed the start of this one.
            if range.lowerBound < start { continue }
            if start < range.lowerBound { append(start..<range.lowerBound) }
            segments.append(Segment(range: range, token: token.id, core: match.range))
            start = range.upperBound
            at = max(at, start)
        }
        if start < text.count { append(start..<text.count) }
        return segments
    }

    private func touchesWord(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
        if range.lowerBound > 0 {
            var before = range.lowerBound - 1
            while before > 0, text[before] & 0xC0 == 0x80 { before -= 1 }
            if decodeScalar(text, before).0.isWord { return true }
        }
        return range.upperBound < text.count && decodeScalar(text, range.upperBound).0.isWord
    }

    private func spaceStart(_ text: UnsafeBufferPointer<UInt8>, before end: Int) -> Int {
        var at = end
        while at > 0 {
            var before = at - 1
            while before > 0, text[before] & 0xC0 == 0x80 { before -= 1 }
            if !decodeScalar(text, before).0.isWhiteSpace { break }
            at = before
        }
        return at
    }

    private func spaceEnd(_ text: UnsafeBufferPointer<UInt8>, after start: Int) -> Int {
        var at = start
        while at < text.count {
            let (scalar, length) = decodeScalar(text, at)
            if !scalar.isWhiteSpace { break }
            at += length
        }
        return at
    }
}

/// A code between two marks at the start of a text, which is one token: that of the vocabulary, or the unknown one.
struct OpeningCode: Sendable {
    let open: [UInt8]
    let close: [UInt8]
    let vocabulary: Vocabulary
    let unknown: TokenID

    /// The code at the start of a stretch of text.
    func range(in text: UnsafeBufferPointer<UInt8>, _ stretch: Range<Int>) -> Range<Int>? {
        guard stretch.count >= open.count + close.count, text[stretch].starts(with: open) else { return nil }
        var at = stretch.lowerBound
        while at + close.count <= stretch.upperBound {
            if text[at..<at + close.count].elementsEqual(close) { return stretch.lowerBound..<at + close.count }
            at += 1
        }
        return nil
    }

    func id(of text: UnsafeBufferPointer<UInt8>, _ code: Range<Int>) -> TokenID {
        vocabulary.id(of: UnsafeBufferPointer(rebasing: text[code])) ?? unknown
    }
}

/// Finds the leftmost, and of those the longest, of a set of byte strings.
struct TokenSearch: Sendable {
    private struct Node: Sendable {
        var children: [UInt8: Int] = [:]
        var index = -1
    }

    /// What begins a text and is a token of its own whatever it says, such as Marian's `>>fr<<`.
    var opening: OpeningCode?

    private var nodes = [Node()]
    private var isFirst = [Bool](repeating: false, count: 256)
    /// The only first byte, for the fast search, or −1.
    private var onlyFirst: Int32 = -1

    /// Whether there is nothing to find.
    var isEmpty: Bool { nodes.count == 1 }

    /// Adds a byte string; of two equal ones the first counts.
    mutating func add(_ bytes: [UInt8], _ index: Int) {
        guard let first = bytes.first else { return }
        onlyFirst = isEmpty || onlyFirst == Int32(first) ? Int32(first) : -1
        isFirst[Int(first)] = true
        var node = 0
        for byte in bytes {
            if let child = nodes[node].children[byte] {
                node = child
            } else {
                nodes[node].children[byte] = nodes.count
                node = nodes.count
                nodes.append(Node())
            }
        }
        if nodes[node].index < 0 { nodes[node].index = index }
    }

    /// The first match at or after `start`.
    func next(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> (range: Range<Int>, index: Int)? {
        if isEmpty { return nil }
        var at = start
        while let candidate = firstByte(in: text, from: at) {
            if let match = match(in: text, at: candidate) { return match }
            at = candidate + 1
        }
        return nil
    }

    private func firstByte(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        guard start < text.count, let base = text.baseAddress else { return nil }
        if onlyFirst >= 0 { return findByte(UInt8(truncatingIfNeeded: onlyFirst), base, start, text.count) }
        return isFirst.withUnsafeBufferPointer { isFirst in
            var at = start
            while at < text.count {
                if isFirst[Int(base[at])] { return at }
                at += 1
            }
            return nil
        }
    }

    private func match(in text: UnsafeBufferPointer<UInt8>, at start: Int) -> (range: Range<Int>, index: Int)? {
        var node = 0
        var at = start
        var found: (range: Range<Int>, index: Int)?
        while at < text.count, let child = nodes[node].children[text[at]] {
            node = child
            at += 1
            if nodes[node].index >= 0 { found = (start..<at, nodes[node].index) }
        }
        return found
    }
}
