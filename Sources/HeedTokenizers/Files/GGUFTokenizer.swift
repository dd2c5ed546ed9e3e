import HeedSupport

/// What the metadata of a GGUF file say about its tokenizer: the values of `tokenizer.ggml.*`.
struct GGUFTokenizerReader {
    private let metadata: GGUFMetadata
    private let place: String
    private let tokens: [[UInt8]]
    private let types: [Int]
    private let scores: [Float]

    private enum Kind: Int {
        case normal = 1
        case unknown, control, userDefined, unused, byte
    }

    init(_ file: MappedFile) throws {
        metadata = try GGUFPreamble(file).metadata
        place = file.path
        // Tokens without a text get one that no text gives.
        tokens = try (metadata.byteStrings("tokenizer.ggml.tokens") ?? []).enumerated().map { id, token in
            token.isEmpty ? Array("[EMPTY_\(id)]".utf8) : token
        }
        types = try metadata.integers("tokenizer.ggml.token_type") ?? []
        scores = try (metadata.numbers("tokenizer.ggml.scores") ?? []).map { Float($0) }
    }

    /// The tokenizer.
    ///
    /// - Throws: `HeedError` naming the file for kinds and patterns that are not known, and for broken values.
    func tokenizer() throws -> Tokenizer {
        let model = try metadata.string("tokenizer.ggml.model") ?? "none"
        guard model != "none", model != "no_vocab" else {
            throw HeedError(
                .missing, "the file holds no tokenizer", in: place,
                advice: "Give the tokenizer of the original model with `tokenizer`")
        }
        guard !tokens.isEmpty else { throw HeedError(.badInput, "the file's tokenizer has no tokens", in: place) }
        for (name, count) in [("scores", scores.count), ("token_type", types.count)]
        where count != 0 && count != tokens.count {
            throw HeedError(
                .badInput, "tokenizer.ggml.\(name) has \(grouped(count)) entries", in: place,
                expected: "\(grouped(tokens.count)), one per token")
        }
        switch model {
        case "llama": return try pieces(.bpe)
        case "t5": return try pieces(.unigram)
        case "gpt2": return try byteLevel()
        case "bert": return try wordPieces()
        default:
            throw HeedError(
                .unsupported, "the tokenizer \(quoted(model)) of a GGUF file is not known", in: place,
                expected: "llama, gpt2, bert or t5", advice: "Give the tokenizer of the original model with `tokenizer`"
            )
        }
    }

    private func kind(_ id: Int) -> Kind { types.isEmpty ? .normal : Kind(rawValue: types[id]) ?? .normal }

    private func text(_ id: Int) -> String { String(decoding: tokens[id], as: UTF8.self) }

    private func flag(_ name: String, default fallback: Bool) throws -> Bool {
        try metadata.bool("tokenizer.ggml.\(name)") ?? fallback
    }

    /// The id under one of some names, which must be in the vocabulary.
    private func id(_ names: String..., default fallback: Int? = nil) throws -> Int? {
        for name in names {
            // Converters write the largest number of 32 bits, or −1, for none.
            guard let id = try metadata.integer("tokenizer.ggml.\(name)", in: .min ... .max), id >= 0,
                id != Int(UInt32.max)
            else {
                continue
            }
            guard tokens.indices.contains(id) else {
                throw HeedError(
                    .badInput, "tokenizer.ggml.\(name) is \(id)", in: place,
                    expected: "an id below \(grouped(tokens.count))")
            }
            return id
        }
        return fallback.flatMap { tokens.indices.contains($0) ? $0 : nil }
    }

    /// Control tokens steer the model, user-defined ones are text; both are found before anything else.
    private func addedTokens() -> [AddedToken] {
        tokens.indices.compactMap { id in
            switch kind(id) {
            case .control: AddedToken(text(id), id: TokenID(id))
            case .userDefined: AddedToken(text(id), id: TokenID(id), isSpecial: false)
            default: nil
            }
        }
    }

    private func mark(_ id: Int?, _ isWanted: Bool) -> [(id: TokenID, text: String)] {
        guard isWanted, let id, tokens.indices.contains(id) else { return [] }
        return [(TokenID(id), text(id))]
    }

    // MARK: kinds

    /// The file's pieces as a SentencePiece model, or nil for kinds that are none.
    func pieceFile() throws -> SentencePieceFile? {
        switch try metadata.string("tokenizer.ggml.model") {
        case "llama": try pieceFile(.bpe)
        case "t5": try pieceFile(.unigram)
        default: nil
        }
    }

    private func pieceFile(_ algorithm: SentencePieceFile.Algorithm) throws -> SentencePieceFile {
        var file = SentencePieceFile()
        file.algorithm = algorithm
        let isBPE = algorithm == .bpe
        let unknown = try id("unknown_token_id", default: isBPE ? 0 : 2)
        for id in tokens.indices {
            var role = SentencePieceFile.Piece.Role(rawValue: kind(id).rawValue) ?? .normal
            // The unknown token is told by its id; some files give it another type, or the type to others too.
            if id == unknown { role = .unknown } else if role == .unknown { role = .control }
            if role == .byte, SentencePieceFile.byte(of: tokens[id]) == nil { role = .normal }
            file.pieces.append(.init(text: tokens[id], score: scores.isEmpty ? -Float(id) : scores[id], role: role))
        }
        file.hasByteFallback = file.pieces.contains { $0.role == .byte }
        file.normalization.removesExtraWhitespaces = try flag("remove_extra_whitespaces", default: false)
        file.normalization.addsDummyPrefix = try flag("add_space_prefix", default: true)
        file.normalization.charactersMap = try (metadata.integers("tokenizer.ggml.precompiled_charsmap") ?? [])
            .map { UInt8(truncatingIfNeeded: $0) }
        file.beginID = try id("bos_token_id", default: isBPE ? 1 : nil) ?? -1
        file.endID = try id("eos_token_id", default: isBPE ? 2 : 1) ?? -1
        return file
    }

    /// SentencePiece's BPE or unigram.
    private func pieces(_ algorithm: SentencePieceFile.Algorithm) throws -> Tokenizer {
        let file = try pieceFile(algorithm)
        let parts = try SentencePieceTokenizer(file, in: place)
        let isBPE = algorithm == .bpe
        return Tokenizer(
            model: parts.model, normalizer: parts.normalizer,
            postProcessor: TemplatePostProcessor(
                before: mark(file.beginID, try flag("add_bos_token", default: isBPE)),
                after: mark(file.endID, try flag("add_eos_token", default: !isBPE)), repeats: true),
            decoding: .stage(PlainPieceReader.decoder(file)), addedTokens: addedTokens().filter(\.isSpecial),
            kind: "GGUF pieces (SentencePiece \(algorithm))")
    }

    private func byteLevel() throws -> Tokenizer {
        let name = try metadata.string("tokenizer.ggml.pre") ?? "default"
        guard let pattern = GGUFPattern.named(name) else {
            throw HeedError(
                .unsupported, "the pattern \(quoted(name)) of a GGUF file is not known", in: place,
                expected: "one of \(GGUFPattern.names.joined(separator: ", "))",
                advice: "Give the tokenizer of the original model with `tokenizer`")
        }
        var builder = Vocabulary.Builder(capacity: tokens.count, in: place)
        for (id, token) in tokens.enumerated() {
            try token.withUnsafeBufferPointer { try builder.add($0, id: id) }
        }
        let vocabulary = builder.build()
        var merges = MergeCollector(vocabulary: vocabulary, place: place)
        try metadata.forEachByteString("tokenizer.ggml.merges") {
            try $0.withMemoryRebound(to: UInt8.self) { try merges.add(line: $0) }
        }
        let begin = try id("bos_token_id", "cls_token_id")
        let addsBegin = try flag("add_bos_token", default: pattern.addsBegin)
        // RoBERTa's separator is its end.
        let addsSeparator = try flag("add_sep_token", default: false)
        let end = try addsSeparator ? id("seperator_token_id", "eos_token_id") : id("eos_token_id")
        let addsEnd = try flag("add_eos_token", default: false) || addsSeparator
        return Tokenizer(
            model: try BPEModel(
                vocabulary: vocabulary, merges: merges.merges,
                options: .init(ignoresMerges: pattern.ignoresMerges), isByteLevel: true, in: place),
            normalizer: pattern.composes ? UnicodeNormalizer(.nfc) : nil, preTokenizer: try pattern.stage(),
            postProcessor: TemplatePostProcessor(
                before: mark(begin, addsBegin), after: mark(end, addsEnd), repeats: true),
            decoding: .stage(ByteLevelDecoder()), addedTokens: addedTokens())
    }

    /// BERT's, whose words begin with U+2581 and whose other parts have no mark.
    private func wordPieces() throws -> Tokenizer {
        let space = SentencePieceFile.spaceSymbol
        let marksWords = tokens.contains { $0.starts(with: space) }
        var builder = Vocabulary.Builder(capacity: tokens.count, in: place)
        for (id, token) in tokens.enumerated() {
            var text = token
            if marksWords, kind(id) == .normal {
                if token.starts(with: space) {
                    text = Array(token.dropFirst(3))
                } else if !(token.first == 0x5B && token.last == 0x5D) {
                    text = Array("##".utf8) + token
                }
            }
            try text.withUnsafeBufferPointer { try builder.add($0, id: id) }
        }
        let vocabulary = builder.build()
        func text(_ id: Int?) -> (text: String, id: TokenID)? {
            guard let id, let text = vocabulary.text(of: TokenID(id)) else { return nil }
            return (text, TokenID(id))
        }
        let unknown = text(try id("unknown_token_id", default: 100))?.text ?? "[UNK]"
        let start = text(try id("cls_token_id", "bos_token_id", default: 101))
        let separator = text(try id("seperator_token_id", "separator_token_id", "eos_token_id", default: 102))
        let isLower = try metadata.bool("tokenizer.ggml.normalizer.lowercase") ?? (vocabulary.id(of: "A") == nil)
        var postProcessor: TemplatePostProcessor?
        if let start, let separator, try flag("add_bos_token", default: true) {
            postProcessor = Tokenizer.bertTemplate(start: start, separator: separator)
        }
        return Tokenizer(
            model: try WordPieceModel(vocabulary: vocabulary, unknownToken: unknown, in: place),
            normalizer: BertNormalizer(makesLowercase: isLower), preTokenizer: ClassPreTokenizer(.bert),
            postProcessor: postProcessor, decoding: .stage(WordPieceDecoder()),
            addedTokens: addedTokens().map { AddedToken(vocabulary.text(of: $0.id) ?? $0.content, id: $0.id) },
            kind: "WordPiece")
    }
}
