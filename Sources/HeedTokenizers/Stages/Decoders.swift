import HeedSupport

/// Spells GPT-2's alphabet back to bytes; what is no UTF-8 becomes U+FFFD.
public struct ByteLevelDecoder: DecoderStage {
    var addsPrefixSpace = true
    var trimsOffsets = true
    var usesPattern = true

    /// The one way.
    public init() {}

    public func decode(_ tokens: [String]) -> [String] {
        var bytes: [UInt8] = []
        for token in tokens {
            var token = token
            token.withUTF8 { ByteAlphabet.appendBytes(of: $0, to: &bytes) }
        }
        return [String(decoding: bytes, as: UTF8.self)]
    }

    public func json() -> JSON? {
        [
            "type": "ByteLevel", "add_prefix_space": .bool(addsPrefixSpace), "trim_offsets": .bool(trimsOffsets),
            "use_regex": .bool(usesPattern),
        ]
    }
}

/// Joins words that WordPiece cut, with spaces between the others.
public struct WordPieceDecoder: DecoderStage {
    let prefix: String
    let cleansUp: Bool

    /// Joins what begins with `prefix` to what stands before; `cleansUp` takes spaces before punctuation away.
    public init(prefix: String = "##", cleansUp: Bool = true) {
        self.prefix = prefix
        self.cleansUp = cleansUp
    }

    public func decode(_ tokens: [String]) -> [String] {
        var text = ""
        for (index, token) in tokens.enumerated() {
            if index == 0 {
                text += token
            } else if token.utf8.starts(with: prefix.utf8) {
                text += String(decoding: token.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
            } else {
                text += " " + token
            }
        }
        return [cleansUp ? WordPieceDecoder.cleanUp(text) : text]
    }

    public func openCount(_ text: [UInt8]) -> Int {
        guard cleansUp else { return 0 }
        // The next token may make `n't` or `'ve` of these, and then the space before them goes; which of several
        // quotation marks take a space away depends on the first.
        for end in [" n '", " n'", " 'v", " 'r", " '", " n", "'"]
        where text.suffix(end.utf8.count).elementsEqual(end.utf8) {
            return end.utf8.count
        }
        return 0
    }

    /// Takes the spaces away that stand before punctuation and inside contractions, as `transformers` does.
    static func cleanUp(_ text: String) -> String {
        var text = text
        for (from, to) in [
            (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
            (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
        ] { text = text.replacing(from, to) }
        return text
    }

    public func json() -> JSON? { ["type": "WordPiece", "prefix": .string(prefix), "cleanup": .bool(cleansUp)] }
}

/// Turns marks back into spaces; the one before the first word goes.
public struct MetaspaceDecoder: DecoderStage {
    let replacement: Unicode.Scalar
    let prependScheme: MetaspacePreTokenizer.PrependScheme
    let splits: Bool

    /// The reverse of the pre-tokenizer of that name.
    public init(
        replacement: Unicode.Scalar = "\u{2581}", prependScheme: MetaspacePreTokenizer.PrependScheme = .always,
        splits: Bool = true
    ) {
        self.replacement = replacement
        self.prependScheme = prependScheme
        self.splits = splits
    }

    public func decode(_ tokens: [String]) -> [String] {
        tokens.enumerated().map { index, token in
            var result = String.UnicodeScalarView()
            for scalar in token.unicodeScalars {
                if scalar != replacement {
                    result.append(scalar)
                } else if index > 0 || prependScheme == .never {
                    result.append(" ")
                }
            }
            return String(result)
        }
    }

    public func json() -> JSON? {
        [
            "type": "Metaspace", "replacement": .string(String(replacement)),
            "prepend_scheme": .string(prependScheme.rawValue), "split": .bool(splits),
        ]
    }
}

/// Turns marks at the ends of words into spaces.
public struct BPEDecoder: DecoderStage {
    let suffix: String

    /// Turns `suffix` at the end of a token into a space.
    public init(suffix: String = "</w>") { self.suffix = suffix }

    public func decode(_ tokens: [String]) -> [String] {
        tokens.enumerated().map { index, token in
            token.replacing(suffix, index == tokens.count - 1 ? "" : " ")
        }
    }

    public func json() -> JSON? { ["type": "BPEDecoder", "suffix": .string(suffix)] }
}

/// Puts a string in the place of every match of a pattern, token by token.
public struct ReplaceDecoder: DecoderStage {
    let pattern: Pattern
    let content: String

    /// Puts `content` where `pattern` is found.
    public init(_ pattern: Pattern, with content: String) {
        self.pattern = pattern
        self.content = content
    }

    public func decode(_ tokens: [String]) -> [String] {
        let scalars = Array(content.unicodeScalars)
        return tokens.map { token in
            let bytes = Array(token.utf8)
            var text = bytes.withUnsafeBufferPointer { NormalizedText($0, tracksSources: false) }
            text.replace(pattern, with: scalars)
            return String(decoding: text.bytes, as: UTF8.self)
        }
    }

    public func json() -> JSON? { ["type": "Replace", "pattern": pattern.json(), "content": .string(content)] }
}

/// Joins tokens `<0x00>`…`<0xFF>` to characters; a run that is no UTF-8 becomes one U+FFFD per byte.
public struct ByteFallbackDecoder: DecoderStage {
    /// The one way.
    public init() {}

    public func decode(_ tokens: [String]) -> [String] {
        var result: [String] = []
        var bytes: [UInt8] = []
        func flush() {
            if bytes.isEmpty { return }
            if let text = String(validating: bytes, as: UTF8.self) {
                result.append(text)
            } else {
                result.append(contentsOf: repeatElement("\u{FFFD}", count: bytes.count))
            }
            bytes = []
        }
        for token in tokens {
            if let byte = ByteFallbackDecoder.byte(of: token) {
                bytes.append(byte)
            } else {
                flush()
                result.append(token)
            }
        }
        flush()
        return result
    }

    /// One byte of a run that is no UTF-8 makes U+FFFD of all, so a run is open to its end.
    public func isOpen(_ token: String) -> Bool { ByteFallbackDecoder.byte(of: token) != nil }

    /// The byte of `<0x0A>`, or nil.
    static func byte(of token: String) -> UInt8? {
        let text = Array(token.utf8)
        guard text.count == 6, text.starts(with: Array("<0x".utf8)), text[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: text[3..<5], as: UTF8.self), radix: 16)
    }

    public func json() -> JSON? { ["type": "ByteFallback"] }
}

/// Joins all tokens to one text.
public struct FuseDecoder: DecoderStage {
    /// The one way.
    public init() {}

    public func decode(_ tokens: [String]) -> [String] { [tokens.joined()] }

    public func json() -> JSON? { ["type": "Fuse"] }
}

/// Takes a character off both ends of each token, so often at most.
public struct StripDecoder: DecoderStage {
    let content: Unicode.Scalar
    let start: Int
    let stop: Int

    /// Takes `content` away, at most `start` times in front and `stop` times behind.
    public init(content: Unicode.Scalar, start: Int, stop: Int) {
        self.content = content
        self.start = start
        self.stop = stop
    }

    public func decode(_ tokens: [String]) -> [String] {
        tokens.map { token in
            var scalars = token.unicodeScalars[...]
            for _ in 0..<min(start, scalars.count) where scalars.first == content { scalars.removeFirst() }
            for _ in 0..<min(stop, scalars.count) where scalars.last == content { scalars.removeLast() }
            return String(scalars)
        }
    }

    public func json() -> JSON? {
        ["type": "Strip", "content": .string(String(content)), "start": .integer(start), "stop": .integer(stop)]
    }
}

/// Takes out blanks that CTC models emit between repeated tokens.
public struct CTCDecoder: DecoderStage {
    let padToken: String
    let wordDelimiter: String
    let cleansUp: Bool

    public func decode(_ tokens: [String]) -> [String] {
        var result: [String] = []
        var last: String?
        for token in tokens {
            defer { last = token }
            if token == last { continue }
            var text = token.replacing(padToken, "")
            if cleansUp { text = WordPieceDecoder.cleanUp(text).replacing(wordDelimiter, " ") }
            if !text.isEmpty { result.append(text) }
        }
        return result
    }

    public func json() -> JSON? {
        [
            "type": "CTC", "pad_token": .string(padToken), "word_delimiter_token": .string(wordDelimiter),
            "cleanup": .bool(cleansUp),
        ]
    }
}

/// Several decoders, one after another.
public struct SequenceDecoder: DecoderStage {
    let stages: [any DecoderStage]

    /// One stage after the other.
    public init(_ stages: [any DecoderStage]) { self.stages = stages }

    public func decode(_ tokens: [String]) -> [String] { stages.reduce(tokens) { $1.decode($0) } }

    public func isOpen(_ token: String) -> Bool { stages.contains { $0.isOpen(token) } }

    public func openCount(_ text: [UInt8]) -> Int {
        // A pattern may reach over the tokens that were joined before it.
        let rest = stages.drop { !($0 is FuseDecoder) }
        let reaches = rest.contains { ($0 as? ReplaceDecoder).map { !$0.pattern.isCharacter } ?? false }
        return reaches ? text.count : stages.reduce(0) { max($0, $1.openCount(text)) }
    }

    public func json() -> JSON? {
        var list: [JSON] = []
        for stage in stages {
            guard let json = stage.json() else { return nil }
            list.append(json)
        }
        return ["type": "Sequence", "decoders": .array(list)]
    }
}

extension String {
    /// The text with every occurrence of `old` (byte for byte) replaced.
    func replacing(_ old: String, _ new: String) -> String {
        let pattern = Pattern(text: old)
        let bytes = Array(utf8)
        let matches = bytes.withUnsafeBufferPointer { pattern.matches(in: $0) }
        if matches.isEmpty { return self }
        var result: [UInt8] = []
        var at = 0
        for match in matches {
            result.append(contentsOf: bytes[at..<match.lowerBound])
            result.append(contentsOf: new.utf8)
            at = match.upperBound
        }
        result.append(contentsOf: bytes[at...])
        return String(decoding: result, as: UTF8.self)
    }
}
