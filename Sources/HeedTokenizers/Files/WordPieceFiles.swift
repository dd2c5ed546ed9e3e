import HeedSupport

extension Tokenizer {
    /// Reads WordPiece from a `vocab.txt`: one token per line, its number is its id.
    ///
    /// The files beside it say the rest: special and added tokens, `do_lower_case`, `strip_accents`,
    /// `tokenize_chinese_chars`.
    /// - `isCased`: whether case and accents are kept; nil asks the files beside it, and then the vocabulary:
    ///   one that has `A` keeps case.
    public init(wordPieces path: String, isCased: Bool? = nil) throws {
        let settings = try TokenizerSettings(folder: parentPath(path))
        try settings.checkThatAllCount()
        try self.init(wordPieces: path, isCased: isCased, settings, try TokenizerFamily(settings) ?? .bert)
    }

    init(
        wordPieces path: String, isCased: Bool?, _ settings: TokenizerSettings, _ family: TokenizerFamily
    ) throws {
        let vocabulary = try Tokenizer.wordPieces(path)
        let isLower = try settings.flag("do_lower_case")
        let cased = isCased ?? isLower.map { !$0 } ?? (vocabulary.id(of: "A") != nil)
        let isMPNet = family == .mpnet
        let roles: [(TokenRole, String)] =
            isMPNet
            ? [
                (.begin, "<s>"), (.end, "</s>"), (.unknown, "[UNK]"), (.separator, "</s>"), (.padding, "<pad>"),
                (.classifier, "<s>"), (.mask, "<mask>"),
            ]
            : [
                (.unknown, "[UNK]"), (.separator, "[SEP]"), (.padding, "[PAD]"), (.classifier, "[CLS]"),
                (.mask, "[MASK]"),
            ]
        let added = try settings.addedTokens(
            vocabulary,
            family: roles.map {
                ($0, AddedToken($1, id: TokenizerSettings.noID, stripsLeft: isMPNet && $0 == .mask))
            })
        func id(_ role: TokenRole) -> (text: String, id: TokenID)? {
            let text = settings.text(role, default: roles.first { $0.0 == role }?.1 ?? "")
            return (added.first { $0.isSpelled(text) }?.id ?? vocabulary.id(of: text)).map { (text, $0) }
        }
        var postProcessor: (any PostProcessorStage)?
        if let start = id(.classifier), let separator = id(.separator) {
            postProcessor =
                isMPNet
                ? BracketPostProcessor(
                    style: .roberta, separator: separator, start: start, trimsTokens: true, addsPrefixSpace: false,
                    trim: Tokenizer.whiteSpaceCounter(vocabulary: vocabulary, added: added))
                : Tokenizer.bertTemplate(start: start, separator: separator)
        }
        self.init(
            model: try WordPieceModel(
                vocabulary: vocabulary, unknownToken: settings.text(.unknown, default: "[UNK]"), in: path),
            normalizer: BertNormalizer(
                setsHanApart: try settings.flag("tokenize_chinese_chars") ?? true,
                stripsAccents: try settings.flag("strip_accents"), makesLowercase: !cased),
            preTokenizer: ClassPreTokenizer(.bert), postProcessor: postProcessor,
            decoding: .stage(WordPieceDecoder()), addedTokens: added,
            recognisesSpecialTokens: settings.recognisesSpecialTokens, kind: "WordPiece")
    }

    private static func wordPieces(_ path: String) throws -> Vocabulary {
        let text = try readFile(path)
        var builder = Vocabulary.Builder(capacity: text.count / 7, in: path)
        try text.withUnsafeBufferPointer { text in
            var id = 0
            try forEachLine(text) { line, number in
                guard isUTF8(line) else {
                    throw HeedError(.badInput, "line \(number) is not UTF-8", in: path)
                }
                // Published vocabularies repeat no token; a blank last line is none.
                if line.isEmpty { throw HeedError(.badInput, "line \(number) is empty", in: path, expected: "a token") }
                try builder.add(line, id: id)
                id += 1
            }
        }
        guard builder.count > 0 else { throw HeedError(.badInput, "the vocabulary is empty", in: path) }
        return builder.build()
    }

    /// BERT's tokenizer over a vocabulary.
    public init(wordPieces vocabulary: Vocabulary, isCased: Bool, in place: String? = nil) throws {
        let model = try WordPieceModel(vocabulary: vocabulary, in: place)
        var added: [AddedToken] = []
        for content in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] {
            if let id = vocabulary.id(of: content) { added.append(AddedToken(content, id: id)) }
        }
        var postProcessor: TemplatePostProcessor?
        if let start = vocabulary.id(of: "[CLS]"), let separator = vocabulary.id(of: "[SEP]") {
            postProcessor = Tokenizer.bertTemplate(start: ("[CLS]", start), separator: ("[SEP]", separator))
        }
        self.init(
            model: model, normalizer: BertNormalizer(makesLowercase: !isCased),
            preTokenizer: ClassPreTokenizer(.bert), postProcessor: postProcessor,
            decoding: .stage(WordPieceDecoder()), addedTokens: added, kind: "WordPiece")
    }

    /// `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`.
    static func bertTemplate(
        start: (text: String, id: TokenID), separator: (text: String, id: TokenID)
    ) -> TemplatePostProcessor {
        TemplatePostProcessor(
            single: [
                .special(start.text, typeID: 0), .text(0, typeID: 0), .special(separator.text, typeID: 0),
            ],
            pair: [
                .special(start.text, typeID: 0), .text(0, typeID: 0), .special(separator.text, typeID: 0),
                .text(1, typeID: 1), .special(separator.text, typeID: 1),
            ],
            // A file may have one token for both.
            specials: Dictionary(
                [start, separator].map { ($0.text, [(id: $0.id, text: $0.text)]) },
                uniquingKeysWith: { first, _ in first }))
    }
}
