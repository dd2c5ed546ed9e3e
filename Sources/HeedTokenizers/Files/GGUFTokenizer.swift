import HeedSupport

extension Tokenizer {
    /// What the metadata of a GGUF file say about its tokenizer: the values of `tokenizer.ggml.*`.
    public struct GGUFValues: Sendable {
        /// `model`: `llama` (SentencePiece BPE), `gpt2` (byte-level BPE), `bert` or `t5`.
        public var model: String
        /// `pre`: the name of the pattern of byte-level BPE.
        public var pattern: String?
        /// `tokens`, in the order of ids.
        public var tokens: [String]
        /// `scores`.
        public var scores: [Float]
        /// `token_type`: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
        public var types: [Int]
        /// `merges`, as `left right`.
        public var merges: [String]
        /// `bos_token_id`, `eos_token_id`, `unknown_token_id`.
        public var beginID: Int?
        /// `eos_token_id`.
        public var endID: Int?
        /// `unknown_token_id`.
        public var unknownID: Int?
        /// `add_bos_token`, `add_eos_token`, `add_space_prefix`.
        public var addsBegin: Bool?
        /// `add_eos_token`.
        public var addsEnd: Bool?
        /// `add_space_prefix`.
        public var addsSpacePrefix: Bool?

        /// A tokenizer of these tokens, everything else as where the file says nothing.
        public init(model: String, tokens: [String]) {
            self.model = model
            self.tokens = tokens
            scores = []
            types = []
            merges = []
        }
    }

    /// The tokenizer that the metadata of a GGUF file describe.
    ///
    /// - Throws: `HeedError` naming `place` for kinds that are not known and for broken values.
    public init(gguf values: GGUFValues, in place: String) throws {
        guard !values.tokens.isEmpty else {
            throw HeedError(.badInput, "the file's tokenizer has no tokens", in: place)
        }
        for (name, count) in [("scores", values.scores.count), ("token_type", values.types.count)]
        where count != 0 && count != values.tokens.count {
            throw HeedError(
                .badInput, "tokenizer.ggml.\(name) has \(grouped(count)) entries", in: place,
                expected: "\(grouped(values.tokens.count)), one per token")
        }
        switch values.model {
        case "llama": self = try Tokenizer.pieces(values, place)
        case "gpt2": self = try Tokenizer.byteLevel(values, place)
        default:
            throw HeedError(
                .unsupported, "the tokenizer \(quoted(values.model)) of a GGUF file is not known", in: place,
                expected: "llama or gpt2", advice: "Give the tokenizer of the original model with --tokenizer")
        }
    }

    private static func pieces(_ values: GGUFValues, _ place: String) throws -> Tokenizer {
        var file = SentencePieceFile()
        file.algorithm = .bpe
        for (id, token) in values.tokens.enumerated() {
            let score = values.scores.isEmpty ? -Float(id) : values.scores[id]
            let role =
                values.types.isEmpty ? .normal : SentencePieceFile.Piece.Role(rawValue: values.types[id]) ?? .normal
            file.pieces.append(.init(text: Array(token.utf8), score: score, role: role))
        }
        file.hasByteFallback = file.pieces.contains { $0.role == .byte }
        file.normalization.removesExtraWhitespaces = false
        file.normalization.addsDummyPrefix = values.addsSpacePrefix ?? true
        file.beginID = values.beginID ?? 1
        file.endID = values.endID ?? 2
        let bare = try Tokenizer(sentencePiece: file, in: place)
        return bare.marked(values, begin: values.addsBegin ?? true, end: values.addsEnd ?? false)
    }

    private static func byteLevel(_ values: GGUFValues, _ place: String) throws -> Tokenizer {
        let vocabulary = try Vocabulary(values.tokens, in: place)
        var merges = MergeCollector(vocabulary: vocabulary, place: place)
        for line in values.merges {
            var line = line
            try line.withUTF8 { try merges.add(line: $0) }
        }
        let stage: any PreTokenizerStage
        switch values.pattern ?? "gpt-2" {
        case "gpt-2", "default", "gpt2": stage = ByteLevelPreTokenizer()
        case "llama-bpe", "llama3", "llama-v3":
            stage = SequencePreTokenizer([
                SplitPreTokenizer(try Pattern(expression: KnownPatterns.cl100k), .isolated),
                ByteLevelPreTokenizer(usesPattern: false),
            ])
        case "qwen2":
            let pattern = KnownPatterns.cl100k.replacing("\\p{N}{1,3}", "\\p{N}")
            stage = SequencePreTokenizer([
                SplitPreTokenizer(try Pattern(expression: pattern), .isolated),
                ByteLevelPreTokenizer(usesPattern: false),
            ])
        case let name:
            throw HeedError(
                .unsupported, "the pattern \(quoted(name)) of a GGUF file is not known", in: place,
                expected: "gpt-2, llama-bpe or qwen2")
        }
        let special = values.types.indices.filter { values.types[$0] == 3 || values.types[$0] == 4 }.map {
            AddedToken(values.tokens[$0], id: TokenID($0), isSpecial: values.types[$0] == 3)
        }
        let bare = Tokenizer(
            model: try BPEModel(
                vocabulary: vocabulary, merges: merges.merges, options: .init(), isByteLevel: true, in: place),
            preTokenizer: stage, decoding: .stage(ByteLevelDecoder()), addedTokens: special)
        return bare.marked(values, begin: values.addsBegin ?? false, end: values.addsEnd ?? false)
    }

    /// The same tokenizer with begin and end marks around texts.
    private func marked(_ values: GGUFValues, begin: Bool, end: Bool) -> Tokenizer {
        var specials: [String: [(id: TokenID, text: String)]] = [:]
        func mark(_ id: Int?, _ isWanted: Bool) -> [TemplatePostProcessor.Piece] {
            guard isWanted, let id, values.tokens.indices.contains(id) else { return [] }
            specials[values.tokens[id]] = [(TokenID(id), values.tokens[id])]
            return [.special(values.tokens[id], typeID: 0)]
        }
        let before = mark(values.beginID, begin)
        let after = mark(values.endID, end)
        if before.isEmpty, after.isEmpty { return self }
        return Tokenizer(
            model: model, normalizer: normalizer, preTokenizer: preTokenizer,
            postProcessor: TemplatePostProcessor(
                single: before + [.text(0, typeID: 0)] + after,
                pair: before + [.text(0, typeID: 0)] + after + before + [.text(1, typeID: 0)] + after,
                specials: specials), decoding: decoding, addedTokens: addedTokens.tokens, truncation: truncation,
            padding: padding, recognisesSpecialTokens: recognisesSpecialTokens, kind: kind)
    }
}
