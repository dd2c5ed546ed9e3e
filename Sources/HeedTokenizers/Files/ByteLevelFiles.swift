import HeedSupport

extension Tokenizer {
    /// Reads byte-level BPE from `vocab.json` and `merges.txt`, or GPT-2's `encoder.json` and `vocab.bpe`.
    ///
    /// The files beside them say the rest: special and added tokens, and the class, which decides the pattern and what
    /// goes around a text (RoBERTa's `<s>` and `</s>`; begin and end as `add_bos_token` and `add_eos_token` say).
    /// - Throws: `HeedError` naming the file and what is wrong with it.
    public init(vocabulary path: String, merges mergesPath: String) throws {
        let settings = try TokenizerSettings(folder: parentPath(path))
        try settings.checkThatAllCount()
        try self.init(vocabulary: path, merges: mergesPath, settings, try TokenizerFamily(settings) ?? .gpt2)
    }

    init(
        vocabulary path: String, merges mergesPath: String, _ settings: TokenizerSettings, _ family: TokenizerFamily
    ) throws {
        let vocabulary = try Tokenizer.vocabulary(path: path)
        let model = try BPEModel(
            vocabulary: vocabulary, merges: try Tokenizer.merges(path: mergesPath, vocabulary),
            options: BPEModel.Options(), isByteLevel: true, in: path)
        let addsSpace = try settings.flag("add_prefix_space") ?? false
        func byteLevel(usesPattern: Bool) -> ByteLevelPreTokenizer {
            ByteLevelPreTokenizer(addsPrefixSpace: addsSpace, usesPattern: usesPattern)
        }
        var preTokenizer: any PreTokenizerStage = byteLevel(usesPattern: true)
        if family == .qwen2 {
            let pattern = try Pattern(expression: KnownPatterns.qwen2)
            preTokenizer = SequencePreTokenizer([SplitPreTokenizer(pattern, .isolated), byteLevel(usesPattern: false)])
        }
        let added = try settings.addedTokens(vocabulary, family: Tokenizer.byteLevelRoles(family))
        self.init(
            model: model,
            normalizer: family == .qwen2 || family == .gptNeoX ? UnicodeNormalizer(.nfc) : nil,
            preTokenizer: preTokenizer,
            postProcessor: try Tokenizer.byteLevelTemplate(family, settings, vocabulary, added, addsSpace: addsSpace),
            decoding: .stage(ByteLevelDecoder()), addedTokens: added,
            recognisesSpecialTokens: settings.recognisesSpecialTokens)
    }

    /// The vocabulary of a `vocab.json`: an object of text to id.
    static func vocabulary(path: String) throws -> Vocabulary {
        let document = try JSONDocument(path: path)
        return try document.read { root in
            guard root.kind == .object else {
                throw HeedError(.badInput, "the file holds no JSON object", in: path, expected: "text to id")
            }
            return try ModelReader(place: path, isByteLevel: true).vocabulary(members: root)
        }
    }

    private static func merges(
        path: String, _ vocabulary: Vocabulary
    ) throws -> [(left: TokenID, right: TokenID, result: TokenID)] {
        var merges = MergeCollector(vocabulary: vocabulary, place: path)
        let text = try readFile(path)
        try text.withUnsafeBufferPointer { text in
            try forEachLine(text) { line, number in
                // The first line names the version.
                if line.isEmpty || (number == 1 && line.starts(with: Array("#version".utf8))) { return }
                try merges.add(line: line)
            }
        }
        return merges.merges
    }

    /// The special tokens that a class brings.
    private static func byteLevelRoles(_ family: TokenizerFamily) -> [(TokenRole, AddedToken)] {
        let end = "<|endoftext|>"
        let texts: [(TokenRole, String)] =
            switch family {
            case .roberta:
                [
                    (.begin, "<s>"), (.end, "</s>"), (.unknown, "<unk>"), (.separator, "</s>"), (.padding, "<pad>"),
                    (.classifier, "<s>"), (.mask, "<mask>"),
                ]
            case .qwen2: [(.end, end), (.unknown, end), (.padding, end)]
            case .gptNeoX: [(.begin, end), (.end, end), (.unknown, end), (.padding, "<|padding|>")]
            default: [(.begin, end), (.end, end), (.unknown, end)]
            }
        // The mask takes the space before it along, as a word would.
        return texts.map { ($0, AddedToken($1, id: TokenizerSettings.noID, stripsLeft: $0 == .mask)) }
    }

    private static func byteLevelTemplate(
        _ family: TokenizerFamily, _ settings: TokenizerSettings, _ vocabulary: Vocabulary, _ added: [AddedToken],
        addsSpace: Bool
    ) throws -> (any PostProcessorStage)? {
        func id(_ text: String) throws -> (id: TokenID, text: String) {
            guard let id = added.first(where: { $0.isSpelled(text) })?.id ?? vocabulary.id(of: text) else {
                throw HeedError(
                    .badInput, "the token \(quoted(text)), which goes around texts, is not in the vocabulary",
                    in: settings.place)
            }
            return (id, text)
        }
        if family == .roberta {
            let separator = try id(settings.text(.separator, default: "</s>"))
            let start = try id(settings.text(.classifier, default: "<s>"))
            return BracketPostProcessor(
                style: .roberta, separator: (separator.text, separator.id), start: (start.text, start.id),
                trimsTokens: try settings.flag("trim_offsets") ?? true, addsPrefixSpace: addsSpace,
                trim: whiteSpaceCounter(vocabulary: vocabulary, added: added))
        }
        func mark(_ role: TokenRole, _ key: String) throws -> [(id: TokenID, text: String)] {
            guard try settings.flag(key) == true else { return [] }
            let fallback = byteLevelRoles(family).first { $0.0 == role }?.1
            guard let token = settings.token(role, default: fallback) else { return [] }
            return [try id(token.content)]
        }
        let template = TemplatePostProcessor(
            before: try mark(.begin, "add_bos_token"), after: try mark(.end, "add_eos_token"), repeats: true,
            pairType: 1)
        if let template { return template }
        return ByteLevelPostProcessor(
            trimsOffsets: false, addsPrefixSpace: addsSpace, usesPattern: true, trim: { _ in (0, 0) })
    }
}
