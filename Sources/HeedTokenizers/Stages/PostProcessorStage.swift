import HeedSupport

/// The stage that joins the encodings of one or two texts with the tokens that a model expects around them.
public protocol PostProcessorStage: Sendable {
    /// How many tokens it adds to one text or to a pair.
    func addedCount(isPair: Bool) -> Int
    /// Whether offsets leave out white space at the ends of tokens.
    var trimsOffsets: Bool { get }
    /// Rewrites the list of encodings; what comes out is joined in order.
    func process(_ encodings: [Encoding], addingSpecialTokens: Bool) -> [Encoding]
    /// The step as a member of a `tokenizer.json`.
    func json() -> JSON?
}

extension PostProcessorStage {
    /// False: offsets keep white space unless a stage says otherwise.
    public var trimsOffsets: Bool { false }
}

/// Takes white space at the ends of byte-level tokens out of their offsets.
public struct ByteLevelPostProcessor: PostProcessorStage {
    /// Whether offsets leave white space at the ends of a token out.
    public let trimsOffsets: Bool
    let addsPrefixSpace: Bool
    let usesPattern: Bool
    let trim: @Sendable (TokenID) -> (leading: Int, trailing: Int)

    /// None.
    public func addedCount(isPair: Bool) -> Int { 0 }

    /// Joins the encodings; adds no tokens.
    public func process(_ encodings: [Encoding], addingSpecialTokens: Bool) -> [Encoding] {
        guard trimsOffsets else { return encodings }
        return encodings.map { trimmed($0, addsPrefixSpace: addsPrefixSpace, trim: trim) }
    }

    public func json() -> JSON? {
        [
            "type": "ByteLevel", "add_prefix_space": .bool(addsPrefixSpace), "trim_offsets": .bool(trimsOffsets),
            "use_regex": .bool(usesPattern),
        ]
    }
}

/// Shortens offsets by the white space at both ends of each token.
func trimmed(
    _ encoding: Encoding, addsPrefixSpace: Bool, trim: (TokenID) -> (leading: Int, trailing: Int)
) -> Encoding {
    var result = encoding
    for index in result.ids.indices {
        var (leading, trailing) = trim(result.ids[index])
        if leading == 0, trailing == 0 { continue }
        var span = result.offsets[index]
        if leading > 0 {
            // A space that was put before the first word is not in the source.
            if addsPrefixSpace, index == 0 || span.start == 0 { leading -= 1 }
            span.start = min(span.start + Int32(leading), span.end)
        }
        if trailing > 0, span.end >= Int32(trailing) { span.end = max(span.end - Int32(trailing), span.start) }
        result.offsets[index] = span
    }
    result.overflow = result.overflow.map { trimmed($0, addsPrefixSpace: addsPrefixSpace, trim: trim) }
    return result
}

/// BERT's `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, or RoBERTa's `<s> A </s>` and `<s> A </s></s> B </s>`.
public struct BracketPostProcessor: PostProcessorStage {
    /// Whose brackets.
    public enum Style: Sendable {
        /// One separator between two texts.
        case bert
        /// Two separators between two texts.
        case roberta
    }

    let style: Style
    let separator: (text: String, id: TokenID)
    let start: (text: String, id: TokenID)
    let trimsTokens: Bool
    let addsPrefixSpace: Bool
    let trim: @Sendable (TokenID) -> (leading: Int, trailing: Int)

    /// Whether offsets leave white space at the ends of a token out.
    public var trimsOffsets: Bool { style == .roberta && trimsTokens }

    /// How many tokens `process` adds to a text or a pair.
    public func addedCount(isPair: Bool) -> Int { isPair ? (style == .bert ? 3 : 4) : 2 }

    /// Puts special tokens around one or two encodings and joins them.
    public func process(_ encodings: [Encoding], addingSpecialTokens: Bool) -> [Encoding] {
        var encodings = encodings
        if style == .roberta {
            for index in encodings.indices {
                if trimsOffsets {
                    encodings[index] = trimmed(encodings[index], addsPrefixSpace: addsPrefixSpace, trim: trim)
                }
                encodings[index].setTypeIDs(0)
            }
        }
        guard addingSpecialTokens else { return encodings }
        return encodings.enumerated().map { position, encoding in
            var result = wrapped(encoding, position)
            result.overflow = encoding.overflow.map { wrapped($0, position) }
            return result
        }
    }

    private func wrapped(_ encoding: Encoding, _ position: Int) -> Encoding {
        let type: Int32 = style == .bert ? Int32(position) : 0
        var result = Encoding()
        if position == 0 {
            result.appendSpecial(start.id, typeID: 0)
        } else if style == .roberta {
            result.appendSpecial(separator.id, typeID: 0)
        }
        result.append(encoding, typeID: type)
        result.appendSpecial(separator.id, typeID: type)
        return result
    }

    public func json() -> JSON? {
        let sep: JSON = [.string(separator.text), .integer(Int(separator.id))]
        let cls: JSON = [.string(start.text), .integer(Int(start.id))]
        if style == .bert { return ["type": "BertProcessing", "sep": sep, "cls": cls] }
        return [
            "type": "RobertaProcessing", "sep": sep, "cls": cls, "trim_offsets": .bool(trimsTokens),
            "add_prefix_space": .bool(addsPrefixSpace),
        ]
    }
}

/// A template such as `[CLS] $A [SEP] $B:1 [SEP]:1`.
public struct TemplatePostProcessor: PostProcessorStage {
    /// A part of a template.
    public enum Piece: Sendable, Equatable {
        /// The first (0) or second (1) text.
        case text(Int, typeID: Int32)
        /// Tokens under one name.
        case special(String, typeID: Int32)
    }

    let single: [Piece]
    let pair: [Piece]
    /// The ids of each name, and their texts.
    let specials: [String: [(id: TokenID, text: String)]]

    /// A template; names that are not in `specials` give no tokens.
    public init(single: [Piece], pair: [Piece], specials: [String: [(id: TokenID, text: String)]]) {
        self.single = single
        self.pair = pair
        self.specials = specials
    }

    /// Tokens before and after a text.
    ///
    /// - Parameters:
    ///   - repeats: whether each text of a pair has its own; if not, the pair has them together.
    ///   - pairType: the kind of the second text's tokens.
    init?(
        before: [(id: TokenID, text: String)], after: [(id: TokenID, text: String)], repeats: Bool = false,
        pairType: Int32 = 0
    ) {
        if before.isEmpty, after.isEmpty { return nil }
        func marks(_ tokens: [(id: TokenID, text: String)], _ type: Int32 = 0) -> [Piece] {
            tokens.map { .special($0.text, typeID: type) }
        }
        let between = repeats ? marks(after) + marks(before, pairType) : []
        self.init(
            single: marks(before) + [.text(0, typeID: 0)] + marks(after),
            pair: marks(before) + [.text(0, typeID: 0)] + between + [.text(1, typeID: pairType)]
                + marks(after, pairType),
            specials: Dictionary((before + after).map { ($0.text, [$0]) }, uniquingKeysWith: { first, _ in first }))
    }

    /// How many tokens `process` adds to a text or a pair.
    public func addedCount(isPair: Bool) -> Int {
        (isPair ? pair : single).reduce(0) { sum, piece in
            if case .special(let name, _) = piece { return sum + (specials[name]?.count ?? 0) }
            return sum
        }
    }

    /// Puts special tokens around one or two encodings and joins them.
    public func process(_ encodings: [Encoding], addingSpecialTokens: Bool) -> [Encoding] {
        (encodings.count > 1 ? pair : single).compactMap { piece in
            switch piece {
            case .text(let position, let typeID):
                guard position < encodings.count else { return nil }
                // The windows of the overflow keep their types, as in the Hugging Face library.
                var result = encodings[position]
                result.typeIDs = [Int32](repeating: typeID, count: result.count)
                return result
            case .special(let name, let typeID):
                guard addingSpecialTokens else { return nil }
                var result = Encoding()
                for token in specials[name] ?? [] { result.appendSpecial(token.id, typeID: typeID) }
                return result
            }
        }
    }

    public func json() -> JSON? {
        func pieces(_ template: [Piece]) -> JSON {
            .array(
                template.map { piece in
                    switch piece {
                    case .text(let position, let typeID):
                        ["Sequence": ["id": position == 0 ? "A" : "B", "type_id": .integer(Int(typeID))]]
                    case .special(let name, let typeID):
                        ["SpecialToken": ["id": .string(name), "type_id": .integer(Int(typeID))]]
                    }
                })
        }
        var tokens = JSONObject()
        for name in specials.keys.sorted() {
            let list = specials[name] ?? []
            tokens[name] = [
                "id": .string(name), "ids": .array(list.map { .integer(Int($0.id)) }),
                "tokens": .array(list.map { .string($0.text) }),
            ]
        }
        return [
            "type": "TemplateProcessing", "single": pieces(single), "pair": pieces(pair),
            "special_tokens": .object(tokens),
        ]
    }
}

/// Several post-processors, one after another.
public struct SequencePostProcessor: PostProcessorStage {
    let stages: [any PostProcessorStage]

    /// Whether one of the stages trims offsets.
    public var trimsOffsets: Bool { stages.contains { $0.trimsOffsets } }

    /// How many tokens `process` adds to a text or a pair.
    public func addedCount(isPair: Bool) -> Int { stages.reduce(0) { $0 + $1.addedCount(isPair: isPair) } }

    /// One stage after the other.
    public func process(_ encodings: [Encoding], addingSpecialTokens: Bool) -> [Encoding] {
        stages.reduce(encodings) { $1.process($0, addingSpecialTokens: addingSpecialTokens) }
    }

    public func json() -> JSON? {
        var list: [JSON] = []
        for stage in stages {
            guard let json = stage.json() else { return nil }
            list.append(json)
        }
        return ["type": "Sequence", "processors": .array(list)]
    }
}
