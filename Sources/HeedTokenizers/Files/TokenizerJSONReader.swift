import HeedSupport

extension Tokenizer {
    /// Reads a `tokenizer.json` of the Hugging Face library.
    ///
    /// - Throws: `HeedError` naming the file and what is wrong in it.
    /// Cost: some milliseconds per megabyte; vocabulary and merges are read where they lie.
    public init(json path: String) throws {
        let document = try JSONDocument(path: path)
        self = try document.read { try Tokenizer.read($0, place: path) }
    }

    /// Reads the text of a `tokenizer.json`; errors name `place`.
    public init(json bytes: [UInt8], in place: String) throws {
        let document = try JSONDocument(bytes, in: place)
        self = try document.read { try Tokenizer.read($0, place: place) }
    }

    private static func read(_ root: JSONView, place: String) throws -> Tokenizer {
        guard root.kind == .object else {
            throw HeedError(.badInput, "the file holds no JSON object", in: place, expected: "a tokenizer.json")
        }
        let reader = StageReader(place: place)
        var parts: [String: JSON] = [:]
        var modelView: JSONView?
        try root.forEachMember { key, value in
            let name = key.string ?? ""
            if name == "model" { modelView = value } else { parts[name] = try value.value(in: place) }
        }
        func part(_ name: String) -> JSON? {
            guard let json = parts[name], !json.isNull else { return nil }
            return json
        }
        guard let modelView, modelView.kind == .object else {
            throw HeedError(
                .badInput, "the file has no model", in: place, expected: "an object \"model\"",
                advice: "Check that this is a tokenizer.json and not a tokenizer_config.json")
        }
        let normalizer = try part("normalizer").map { try reader.normalizer($0) }
        let preTokenizer = try part("pre_tokenizer").map { try reader.preTokenizer($0) }
        let isByteLevel = spellsBytes(preTokenizer) || normalizer.map(spellsBytes) ?? false
        let modelReader = ModelReader(place: place, isByteLevel: isByteLevel && !(normalizer.map(spellsBytes) ?? false))
        let model = try modelReader.model(modelView)
        let added = try readAddedTokens(part("added_tokens"), model: model, reader: reader)
        let trim = whiteSpaceCounter(vocabulary: model.vocabulary, added: added)
        let postProcessor = try part("post_processor").map { try reader.postProcessor($0, trim: trim) }
        let decoding: Decoding = try part("decoder").map { .stage(try reader.decoder($0)) } ?? .spaces
        var tokenizer = Tokenizer(
            model: model, normalizer: normalizer, preTokenizer: preTokenizer, postProcessor: postProcessor,
            decoding: decoding, addedTokens: added)
        tokenizer.truncation = try readTruncation(part("truncation"), reader)
        tokenizer.padding = try readPadding(part("padding"), reader)
        return tokenizer
    }

    private static func spellsBytes(_ stage: (any PreTokenizerStage)?) -> Bool {
        if let sequence = stage as? SequencePreTokenizer { return sequence.stages.contains { spellsBytes($0) } }
        return stage is ByteLevelPreTokenizer
    }

    private static func spellsBytes(_ stage: any NormalizerStage) -> Bool {
        if let sequence = stage as? SequenceNormalizer { return sequence.stages.contains { spellsBytes($0) } }
        return stage is ByteLevelNormalizer
    }

    private static func readAddedTokens(
        _ json: JSON?, model: any TokenModel, reader: StageReader
    ) throws -> [AddedToken] {
        guard let json else { return [] }
        guard let list = json.arrayValue else {
            throw HeedError(
                .badInput, "\"added_tokens\" is \(json.kindName)", in: reader.place, expected: "an array")
        }
        var contents: Set<ExactText> = []
        return try list.map { entry in
            let content = try reader.string(entry, "content")
            guard contents.insert(ExactText(content)).inserted else {
                throw HeedError(.badInput, "the added token \(quoted(content)) occurs twice", in: reader.place)
            }
            return AddedToken(
                content, id: try reader.id(entry["id"], "the added token \(quoted(content))"),
                isSpecial: try reader.bool(entry, "special", default: false),
                isSingleWord: try reader.bool(entry, "single_word", default: false),
                stripsLeft: try reader.bool(entry, "lstrip", default: false),
                stripsRight: try reader.bool(entry, "rstrip", default: false),
                isNormalized: try reader.bool(entry, "normalized", default: true))
        }
    }

    /// Counts the white space at the ends of a token's text, `Ġ` included.
    static func whiteSpaceCounter(
        vocabulary: Vocabulary, added: [AddedToken]
    ) -> @Sendable (TokenID) -> (leading: Int, trailing: Int) {
        let contents = Dictionary(added.map { ($0.id, $0.content) }, uniquingKeysWith: { $1 })
        let space = ByteAlphabet.scalars[0x20]
        return { id in
            guard let text = contents[id] ?? vocabulary.text(of: id) else { return (0, 0) }
            func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar == space || scalar.isWhiteSpace }
            let scalars = text.unicodeScalars
            return (scalars.prefix(while: isSpace).count, scalars.reversed().prefix(while: isSpace).count)
        }
    }

    private static func readTruncation(_ json: JSON?, _ reader: StageReader) throws -> Truncation? {
        guard let json else { return nil }
        let name = try reader.string(json, "strategy", default: "LongestFirst")
        let strategies: [String: Truncation.Strategy] = [
            "LongestFirst": .longestFirst, "OnlyFirst": .onlyFirst, "OnlySecond": .onlySecond,
        ]
        guard let strategy = strategies[name] else {
            throw reader.unknown("truncation strategy", name, strategies.keys.sorted())
        }
        return Truncation(
            maximumLength: try reader.integer(json, "max_length"), strategy: strategy,
            stride: try reader.integer(json, "stride", default: 0),
            fromLeft: try reader.string(json, "direction", default: "Right") == "Left")
    }

    private static func readPadding(_ json: JSON?, _ reader: StageReader) throws -> Padding? {
        guard let json else { return nil }
        var target = Padding.Target.longest
        if let fixed = json["strategy"]?["Fixed"] {
            guard let length = fixed.intValue, length >= 0, length <= 1 << 24 else {
                throw HeedError(.badInput, "the padding length is \(fixed.serialised())", in: reader.place)
            }
            target = .fixed(length)
        }
        return Padding(
            target: target, id: try reader.id(json["pad_id"] ?? 0, "the padding token"),
            token: try reader.string(json, "pad_token", default: "[PAD]"),
            typeID: Int32(try reader.integer(json, "pad_type_id", default: 0)),
            onLeft: try reader.string(json, "direction", default: "Right") == "Left",
            multiple: try reader.integer(json, "pad_to_multiple_of", default: 0))
    }
}
