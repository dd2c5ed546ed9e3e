import HeedSupport

/// How a family lays its ids around the pieces of a SentencePiece file, and what it does to text.
///
/// Source: the classes of `transformers`, and the conversions of its published vocabularies.
struct PieceFamily {
    /// Tokens before the pieces.
    var head: [(text: String, score: Double)] = []
    /// How many pieces of the file the head stands for.
    var skipped = 0
    /// Tokens after the pieces.
    var tail: [String] = []
    /// The id of what has no piece.
    var unknown = 3
    /// Special tokens by their part.
    var roles: [(TokenRole, AddedToken)] = []
    /// Further special tokens.
    var extra: [String] = []
    /// What happens to text before the file's compiled rules.
    var normalizers: [any NormalizerStage] = []
    /// Whether repeated spaces become one.
    var joinsSpaces = false
    /// Whether the text is cut at white space, which then counts for nothing.
    var splitsAtSpace = true
    var before: [String] = []
    var after: [String] = []
    /// What stands between the texts of a pair; nil: what stands after one and before another.
    var between: [String]?
    /// The kind of the second text's tokens, and of the last token where that has one of its own.
    var pairType: Int32 = 0
    var lastType: Int32?
}

/// Reads the families that are a SentencePiece file with ids laid out anew, as pipelines of the stages that
/// `tokenizer.json` has for them.
struct PieceFamilyReader {
    let path: String
    let settings: TokenizerSettings
    let side: TranslationSide

    func tokenizer(_ family: TokenizerFamily) throws -> Tokenizer {
        let file = try SentencePieceFile(path: path)
        if family == .nllb { return try nllb(file) }
        var layout = PieceFamily()
        switch family {
        case .xlmRoberta: xlmRoberta(&layout)
        case .camembert: camembert(&layout)
        case .t5: try t5(&layout, file)
        case .mBART, .mBART50: try mBART(&layout, isFifty: family == .mBART50)
        case .pegasus: try pegasus(&layout, file)
        case .albert: try albert(&layout, file)
        default: try xlnet(&layout, file)
        }
        return try unigram(file, layout)
    }

    // MARK: families

    private func text(_ role: TokenRole, _ fallback: String) -> String { settings.text(role, default: fallback) }

    /// Special tokens with the texts that the files or the family give them; the mask takes the space before it along.
    private func roles(_ defaults: [(TokenRole, String)]) -> [(TokenRole, AddedToken)] {
        defaults.map { role, content in
            (role, AddedToken(content, id: TokenizerSettings.noID, stripsLeft: role == .mask))
        }
    }

    private static let fairseqRoles: [(TokenRole, String)] = [
        (.begin, "<s>"), (.end, "</s>"), (.unknown, "<unk>"), (.separator, "</s>"), (.padding, "<pad>"),
        (.classifier, "<s>"), (.mask, "<mask>"),
    ]

    /// fairseq's order: `<s>`, `<pad>`, `</s>`, `<unk>` in the place of the file's first three.
    private func fairseq(_ layout: inout PieceFamily) {
        layout.head = [
            (text(.begin, "<s>"), 0), (text(.padding, "<pad>"), 0), (text(.end, "</s>"), 0),
            (text(.unknown, "<unk>"), 0),
        ]
        layout.skipped = 3
        layout.tail = [text(.mask, "<mask>")]
        layout.roles = roles(Self.fairseqRoles)
    }

    private func xlmRoberta(_ layout: inout PieceFamily) {
        fairseq(&layout)
        let end = text(.end, "</s>")
        layout.before = [text(.begin, "<s>")]
        layout.after = [end]
        layout.between = [end, end]
    }

    private func camembert(_ layout: inout PieceFamily) {
        xlmRoberta(&layout)
        layout.head = [
            ("<s>NOTUSED", 0), (text(.padding, "<pad>"), 0), ("</s>NOTUSED", 0), (text(.unknown, "<unk>"), 0),
            ("<unk>NOTUSED", -100),
        ]
        layout.skipped = 1
        layout.extra = ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"]
    }

    private func t5(_ layout: inout PieceFamily, _ file: SentencePieceFile) throws {
        let count = try settings.integer("extra_ids") ?? 100
        guard count <= 10_000 else {
            throw HeedError(.badInput, "\"extra_ids\" is \(count)", in: settings.place, expected: "0 to 10,000")
        }
        layout.tail = (0..<count).reversed().map { "<extra_id_\($0)>" }
        layout.extra = layout.tail
        layout.unknown = file.unknownID
        layout.roles = roles([(.end, "</s>"), (.unknown, "<unk>"), (.padding, "<pad>")])
        layout.after = [text(.end, "</s>")]
    }

    private func mBART(_ layout: inout PieceFamily, isFifty: Bool) throws {
        fairseq(&layout)
        let codes = isFifty ? LanguageCodes.mBART50 : LanguageCodes.mBART
        layout.tail.insert(contentsOf: codes, at: 0)
        layout.extra = codes
        let language = try language("en_XX")
        let end = text(.end, "</s>")
        layout.before = isFifty ? [language] : []
        layout.after = isFifty ? [end] : [end, language]
        layout.between = []
        layout.joinsSpaces = isFifty
        layout.splitsAtSpace = !isFifty
    }

    private func pegasus(_ layout: inout PieceFamily, _ file: SentencePieceFile) throws {
        let offset = try settings.integer("offset") ?? 103
        guard (2...10_000).contains(offset) else {
            throw HeedError(.badInput, "\"offset\" is \(offset)", in: settings.place, expected: "2 to 10,000")
        }
        let unknowns = (2..<offset).map { "<unk_\($0)>" }
        let sentence = try settings.string("mask_token_sent") ?? "<mask_1>"
        layout.head = [
            (text(.padding, "<pad>"), 0), (text(.end, "</s>"), 0), (sentence, 0), (text(.mask, "<mask_2>"), 0),
        ]
        layout.head += unknowns.map { ($0, -100) }
        layout.skipped = 2
        layout.unknown = file.unknownID - 2 + layout.head.count
        layout.extra = [sentence] + unknowns
        layout.roles = [
            (.end, AddedToken("</s>", id: TokenizerSettings.noID)),
            (.unknown, AddedToken("<unk>", id: TokenizerSettings.noID)),
            (.padding, AddedToken("<pad>", id: TokenizerSettings.noID)),
            (.mask, AddedToken("<mask_2>", id: TokenizerSettings.noID)),
        ]
        layout.after = [text(.end, "</s>")]
        layout.between = []
        layout.joinsSpaces = true
        layout.splitsAtSpace = false
    }

    /// What ALBERT and XLNet do before the file's rules: quotation marks made plain, accents and case taken away.
    private func plainText(_ layout: inout PieceFamily, keepsAccents: Bool, makesLowercase: Bool) {
        layout.normalizers = [
            ReplaceNormalizer(Pattern(text: "``"), with: "\""), ReplaceNormalizer(Pattern(text: "''"), with: "\""),
        ]
        if !keepsAccents { layout.normalizers += [UnicodeNormalizer(.nfkd), FilterNormalizer(.accents)] }
        if makesLowercase { layout.normalizers.append(LowercaseNormalizer()) }
    }

    private func albert(_ layout: inout PieceFamily, _ file: SentencePieceFile) throws {
        plainText(
            &layout, keepsAccents: try settings.flag("keep_accents") ?? false,
            makesLowercase: try settings.flag("do_lower_case") ?? true)
        layout.unknown = file.unknownID
        layout.roles = roles([
            (.begin, "[CLS]"), (.end, "[SEP]"), (.unknown, "<unk>"), (.separator, "[SEP]"), (.padding, "<pad>"),
            (.classifier, "[CLS]"), (.mask, "[MASK]"),
        ])
        layout.before = [text(.classifier, "[CLS]")]
        layout.after = [text(.separator, "[SEP]")]
        layout.between = layout.after
        layout.pairType = 1
    }

    private func xlnet(_ layout: inout PieceFamily, _ file: SentencePieceFile) throws {
        plainText(
            &layout, keepsAccents: try settings.flag("keep_accents") ?? false,
            makesLowercase: try settings.flag("do_lower_case") ?? false)
        layout.unknown = file.unknownID
        layout.roles = roles([
            (.begin, "<s>"), (.end, "</s>"), (.unknown, "<unk>"), (.separator, "<sep>"), (.padding, "<pad>"),
            (.classifier, "<cls>"), (.mask, "<mask>"),
        ])
        layout.extra = ["<eop>", "<eod>"]
        layout.after = [text(.separator, "<sep>"), text(.classifier, "<cls>")]
        layout.between = [text(.separator, "<sep>")]
        layout.pairType = 1
        layout.lastType = 2
    }

    private func language(_ fallback: String) throws -> String {
        let source = try settings.string("src_lang") ?? fallback
        return side == .source ? source : try settings.string("tgt_lang") ?? source
    }

    // MARK: pipelines

    private func unigram(_ file: SentencePieceFile, _ layout: PieceFamily) throws -> Tokenizer {
        guard file.algorithm == .unigram else {
            throw HeedError(
                .unsupported, "the family of this folder has a unigram model", in: path,
                got: "\(file.algorithm)", advice: "Check tokenizer_class in tokenizer_config.json")
        }
        guard file.pieces.count > layout.skipped else {
            throw HeedError(.badInput, "the model has \(file.pieces.count) pieces", in: path)
        }
        var tokens = layout.head
        tokens += file.pieces.dropFirst(layout.skipped).map {
            (String(decoding: $0.text, as: UTF8.self), Double($0.score))
        }
        tokens += layout.tail.map { ($0, 0) }
        let model = try UnigramModel(
            tokens: tokens.map { (text: $0.text, score: $0.score) }, unknownID: layout.unknown, byteFallback: false,
            in: path)
        let metaspace = MetaspacePreTokenizer()
        let cut: any PreTokenizerStage =
            layout.splitsAtSpace
            ? SequencePreTokenizer([ClassPreTokenizer(.whiteSpaceSplit), metaspace]) : metaspace
        let added = try addedTokens(model.vocabulary, layout.roles, layout.extra)
        return Tokenizer(
            model: model, normalizer: try normalizer(file, layout.normalizers, joinsSpaces: layout.joinsSpaces),
            preTokenizer: cut, postProcessor: try template(layout, model.vocabulary, added),
            decoding: .stage(MetaspaceDecoder()), addedTokens: added,
            recognisesSpecialTokens: settings.recognisesSpecialTokens)
    }

    private func normalizer(
        _ file: SentencePieceFile, _ first: [any NormalizerStage], joinsSpaces: Bool
    ) throws -> (any NormalizerStage)? {
        var stages = first
        let rules = file.normalization.charactersMap
        if !rules.isEmpty {
            stages.append(
                PrecompiledNormalizer(
                    map: try PrecompiledCharactersMap(rules, in: path), source: Base64.encode(rules)))
        }
        if joinsSpaces { stages.append(ReplaceNormalizer(try Pattern(expression: " {2,}"), with: " ")) }
        return stages.isEmpty ? nil : stages.count == 1 ? stages[0] : SequenceNormalizer(stages)
    }

    private func addedTokens(
        _ vocabulary: Vocabulary, _ roles: [(TokenRole, AddedToken)], _ extra: [String]
    ) throws -> [AddedToken] {
        var added = try settings.addedTokens(vocabulary, family: roles)
        for content in extra where !added.contains(where: { $0.isSpelled(content) }) {
            if let id = vocabulary.id(of: content) { added.append(AddedToken(content, id: id)) }
        }
        return added
    }

    private func template(
        _ layout: PieceFamily, _ vocabulary: Vocabulary, _ added: [AddedToken]
    ) throws -> TemplatePostProcessor {
        var specials: [String: [(id: TokenID, text: String)]] = [:]
        func marks(_ texts: [String], _ type: Int32) throws -> [TemplatePostProcessor.Piece] {
            try texts.map { text in
                guard let id = added.first(where: { $0.isSpelled(text) })?.id ?? vocabulary.id(of: text) else {
                    throw HeedError(
                        .badInput, "the token \(quoted(text)), which goes around texts, is not in the vocabulary",
                        in: path, advice: "Check the special tokens and languages in \(settings.place)")
                }
                specials[text] = [(id, text)]
                return .special(text, typeID: type)
            }
        }
        let before = try marks(layout.before, 0)
        func after(_ type: Int32) throws -> [TemplatePostProcessor.Piece] {
            guard let last = layout.lastType else { return try marks(layout.after, type) }
            return try marks(layout.after.dropLast(), type) + marks(layout.after.suffix(1), last)
        }
        let single = try before + [.text(0, typeID: 0)] + after(0)
        let middle = try marks(layout.between ?? layout.after + layout.before, 0)
        let pair =
            try before + [.text(0, typeID: 0)] + middle + [.text(1, typeID: layout.pairType)]
            + after(layout.pairType)
        return TemplatePostProcessor(single: single, pair: pair, specials: specials)
    }

    /// NLLB: byte-pair encoding in fairseq's order; languages and the mask follow the vocabulary.
    private func nllb(_ file: SentencePieceFile) throws -> Tokenizer {
        var layout = PieceFamily()
        fairseq(&layout)
        var texts: [String] = []
        var seen: Set<ExactText> = []
        for text in layout.head.map(\.text) + file.pieces.map({ String(decoding: $0.text, as: UTF8.self) })
        where seen.insert(ExactText(text)).inserted { texts.append(text) }
        let vocabulary = try Vocabulary(texts, in: path)
        let model = try BPEModel(
            vocabulary: vocabulary, merges: vocabulary.impliedMerges(),
            options: BPEModel.Options(
                unknownToken: text(.unknown, "<unk>"), fusesUnknown: true), isByteLevel: false, in: path)
        // Without ids in a file the languages come first, then the mask.
        let rolesInOrder = layout.roles.filter { $0.0 != .mask || settings.names(.mask) }
        var added = try settings.addedTokens(vocabulary, family: rolesInOrder)
        func append(_ token: AddedToken) {
            guard !added.contains(where: { $0.isSpelled(token.content) }) else { return }
            var token = token
            token.id = max(TokenID(vocabulary.idLimit), (added.map(\.id).max() ?? 0) + 1)
            added.append(token)
        }
        if !added.contains(where: { LanguageCodes.nllb.contains($0.content) }) {
            for code in LanguageCodes.nllb { append(AddedToken(code, id: TokenizerSettings.noID)) }
        }
        append(AddedToken(text(.mask, "<mask>"), id: TokenizerSettings.noID, stripsLeft: true, isNormalized: true))
        let language = try language("eng_Latn")
        let end = text(.end, "</s>")
        let isLegacy = try settings.flag("legacy_behaviour") ?? false
        layout.before = isLegacy ? [] : [language]
        layout.after = isLegacy ? [end, language] : [end]
        layout.between = []
        return Tokenizer(
            model: model, normalizer: try normalizer(file, [], joinsSpaces: true),
            preTokenizer: MetaspacePreTokenizer(), postProcessor: try template(layout, vocabulary, added),
            decoding: .stage(MetaspaceDecoder()), addedTokens: added,
            recognisesSpecialTokens: settings.recognisesSpecialTokens)
    }
}

extension SentencePieceFile {
    /// The id of the unknown piece.
    var unknownID: Int { pieces.firstIndex { $0.role == .unknown } ?? 0 }
}

extension Vocabulary {
    /// The merges that a vocabulary in the order of learning implies: all ways to join two of its texts to a third, in
    /// the order of the third, shorter left parts first.
    func impliedMerges() -> [(left: TokenID, right: TokenID, result: TokenID)] {
        var merges: [(left: TokenID, right: TokenID, result: TokenID)] = []
        for id in 0..<TokenID(idLimit) {
            guard let text = bytes(of: id), text.count > 1 else { continue }
            var at = scalarLength(text, 0)
            while at < text.count {
                if let left = self.id(of: UnsafeBufferPointer(rebasing: text[..<at])),
                    let right = self.id(of: UnsafeBufferPointer(rebasing: text[at...]))
                {
                    merges.append((left, right, id))
                }
                at += scalarLength(text, at)
            }
        }
        return merges
    }
}
