import HeedSupport

/// GPT-2's pre-tokenizer: cuts by its pattern and spells pieces in its alphabet of bytes.
public struct ByteLevelPreTokenizer: PreTokenizerStage {
    /// Whether a text that starts with no space gets one.
    public var addsPrefixSpace: Bool
    /// Whether offsets leave out white space at the ends of tokens.
    public var trimsOffsets: Bool
    /// Whether GPT-2's pattern cuts the text.
    public var usesPattern: Bool

    /// GPT-2's cut into words, then bytes as characters.
    public init(addsPrefixSpace: Bool = false, trimsOffsets: Bool = true, usesPattern: Bool = true) {
        self.addsPrefixSpace = addsPrefixSpace
        self.trimsOffsets = trimsOffsets
        self.usesPattern = usesPattern
    }

    public func cut(_ list: inout PieceList) {
        if addsPrefixSpace {
            list.rewrite { piece, _ in
                if piece.bytes.first != 0x20 { piece.prepend([" "]) }
            }
        }
        if usesPattern { list.split(.isolated) { $0.pieces(by: GPT2Scanner()) } }
        list.spellLater()
    }

    public func json() -> JSON? {
        [
            "type": "ByteLevel", "add_prefix_space": .bool(addsPrefixSpace), "trim_offsets": .bool(trimsOffsets),
            "use_regex": .bool(usesPattern),
        ]
    }
}

/// Cuts at the matches of a pattern.
public struct SplitPreTokenizer: PreTokenizerStage {
    /// What is looked for.
    public let pattern: Pattern
    /// What becomes of the matches.
    public let behavior: PieceList.Behavior
    /// Whether what lies between the matches is the delimiter.
    public let isInverted: Bool

    /// A cut where `pattern` is found (or, inverted, where it is not); `behavior` says where the find goes.
    public init(_ pattern: Pattern, _ behavior: PieceList.Behavior, isInverted: Bool = false) {
        self.pattern = pattern
        self.behavior = behavior
        self.isInverted = isInverted
    }

    /// The scanner that does the same, or nil. A known pattern covers all text, so its matches may be isolated, or
    /// what lies between them removed: both leave the matches.
    var fastScanner: FastPath.Scanner? {
        guard behavior == .isolated || (behavior == .removed && isInverted) else { return nil }
        return pattern.scanner
    }

    public func cut(_ list: inout PieceList) {
        list.split(behavior, inverted: isInverted) { pattern.matches(in: $0) }
    }

    public func json() -> JSON? {
        [
            "type": "Split", "pattern": pattern.json(), "behavior": .string(behavior.rawValue),
            "invert": .bool(isInverted),
        ]
    }
}

/// Cuts by classes of single characters: the pre-tokenizers that need no option, or only a behaviour.
public struct ClassPreTokenizer: PreTokenizerStage {
    /// Where the text is cut.
    public enum Kind: Sendable, Equatable {
        /// `\w+|[^\w\s]+`
        case words
        /// Everything between white space.
        case whiteSpaceSplit
        /// White space is dropped, punctuation stands alone.
        case bert
        /// Punctuation.
        case punctuation(PieceList.Behavior)
        /// Numbers, as runs or digit by digit.
        case digits(individual: Bool)
        /// One character.
        case delimiter(Unicode.Scalar)
    }

    let kind: Kind

    /// The cut of this kind.
    public init(_ kind: Kind) { self.kind = kind }

    public func cut(_ list: inout PieceList) {
        switch kind {
        case .words:
            list.split(.removed) { runs($0) { $0.isWhiteSpace } }
            list.split(.isolated) { runs($0) { $0.isWord } }
        case .whiteSpaceSplit: list.split(.removed) { singles($0) { $0.isWhiteSpace } }
        case .bert:
            list.split(.removed) { singles($0) { $0.isWhiteSpace } }
            list.split(.isolated) { singles($0) { $0.isBertPunctuation } }
        case .punctuation(let behavior): list.split(behavior) { singles($0) { $0.isBertPunctuation } }
        case .digits(individual: true): list.split(.isolated) { singles($0) { $0.isNumber } }
        case .digits(individual: false): list.split(.contiguous) { singles($0) { $0.isNumber } }
        case .delimiter(let delimiter): list.split(.removed) { singles($0) { $0 == delimiter } }
        }
    }

    public func json() -> JSON? {
        switch kind {
        case .words: ["type": "Whitespace"]
        case .whiteSpaceSplit: ["type": "WhitespaceSplit"]
        case .bert: ["type": "BertPreTokenizer"]
        case .punctuation(let behavior): ["type": "Punctuation", "behavior": .string(behavior.rawValue)]
        case .digits(let individual): ["type": "Digits", "individual_digits": .bool(individual)]
        case .delimiter(let delimiter): ["type": "CharDelimiterSplit", "delimiter": .string(String(delimiter))]
        }
    }
}

/// Each scalar of a class as a range of its own.
private func singles(_ text: UnsafeBufferPointer<UInt8>, _ isIn: (Unicode.Scalar) -> Bool) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var at = 0
    while at < text.count {
        let (scalar, length) = decodeScalar(text, at)
        if isIn(scalar) { result.append(at..<at + length) }
        at += length
    }
    return result
}

/// Each run of scalars of a class as a range.
private func runs(_ text: UnsafeBufferPointer<UInt8>, _ isIn: (Unicode.Scalar) -> Bool) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var start = -1
    var at = 0
    while at < text.count {
        let (scalar, length) = decodeScalar(text, at)
        if isIn(scalar) {
            if start < 0 { start = at }
        } else if start >= 0 {
            result.append(start..<at)
            start = -1
        }
        at += length
    }
    if start >= 0 { result.append(start..<at) }
    return result
}

/// Marks the starts of words with `▁` in the place of spaces, as SentencePiece does.
public struct MetaspacePreTokenizer: PreTokenizerStage {
    /// When a text that does not start with the mark gets one.
    public enum PrependScheme: String, Sendable {
        /// Always.
        case always
        /// Never.
        case never
        /// Where it is the first stretch of a text, not one after an added token.
        case first
    }

    /// What stands for a space.
    public let replacement: Unicode.Scalar
    /// When a text gets one in front.
    public let prependScheme: PrependScheme
    /// Whether the text is cut before each mark.
    public let splits: Bool

    /// Spaces as `replacement`, and a cut before each.
    public init(
        replacement: Unicode.Scalar = "\u{2581}", prependScheme: PrependScheme = .always, splits: Bool = true
    ) {
        self.replacement = replacement
        self.prependScheme = prependScheme
        self.splits = splits
    }

    public func cut(_ list: inout PieceList) {
        let mark = Array(String(replacement).utf8)
        list.rewrite { piece, isFirst in
            piece.replace(Pattern(text: " "), with: [replacement])
            let wantsMark = prependScheme == .always || (prependScheme == .first && isFirst)
            if wantsMark, !piece.bytes.starts(with: mark) { piece.prepend([replacement]) }
        }
        if splits { list.split(.mergedWithNext) { singles($0) { $0 == replacement } } }
    }

    public func json() -> JSON? {
        [
            "type": "Metaspace", "replacement": .string(String(replacement)),
            "prepend_scheme": .string(prependScheme.rawValue), "split": .bool(splits),
        ]
    }
}

/// Several pre-tokenizers, one after another.
public struct SequencePreTokenizer: PreTokenizerStage {
    /// The stages in their order.
    public let stages: [any PreTokenizerStage]

    /// One stage after the other.
    public init(_ stages: [any PreTokenizerStage]) { self.stages = stages }

    public func cut(_ list: inout PieceList) {
        for stage in stages { stage.cut(&list) }
    }

    public func json() -> JSON? {
        var list: [JSON] = []
        for stage in stages {
            guard let json = stage.json() else { return nil }
            list.append(json)
        }
        return ["type": "Sequence", "pretokenizers": .array(list)]
    }
}
