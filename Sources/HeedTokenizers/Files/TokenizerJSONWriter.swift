import HeedSupport

extension Tokenizer {
    /// The tokenizer as a `tokenizer.json` that the Hugging Face library loads to the same ids.
    ///
    /// - Throws: `HeedError` of kind `unsupported` where a stage has no form in that format.
    public func json() throws -> JSON {
        func form(_ what: String, _ json: JSON?) throws -> JSON {
            guard let json else {
                throw HeedError(
                    .unsupported, "the \(what) of this tokenizer (\(kind)) has no form in tokenizer.json",
                    advice: "Keep the file that it was loaded from")
            }
            return json
        }
        let decoder: JSON
        switch decoding {
        case .stage(let stage): decoder = try form("decoder", stage.json())
        case .ids(let whole): decoder = try form("decoder", whole.json())
        case .spaces: decoder = .null
        }
        return [
            "version": "1.0",
            "truncation": truncation.map(Tokenizer.json) ?? .null,
            "padding": padding.map(Tokenizer.json) ?? .null,
            "added_tokens": .array(addedTokens.tokens.sorted { $0.id < $1.id }.map { $0.json() }),
            "normalizer": try normalizer.map { try form("normalizer", $0.json()) } ?? .null,
            "pre_tokenizer": try preTokenizer.map { try form("pre-tokenizer", $0.json()) } ?? .null,
            "post_processor": try postProcessor.map { try form("post-processor", $0.json()) } ?? .null,
            "decoder": decoder,
            "model": try form("model", model.json()),
        ]
    }

    private static func json(_ truncation: Truncation) -> JSON {
        let names: [Truncation.Strategy: JSON] = [
            .longestFirst: "LongestFirst", .onlyFirst: "OnlyFirst", .onlySecond: "OnlySecond",
        ]
        return [
            "direction": truncation.fromLeft ? "Left" : "Right", "max_length": .integer(truncation.maximumLength),
            "strategy": names[truncation.strategy] ?? "LongestFirst", "stride": .integer(truncation.stride),
        ]
    }

    private static func json(_ padding: Padding) -> JSON {
        var strategy: JSON = "BatchLongest"
        if case .fixed(let length) = padding.target { strategy = ["Fixed": .integer(length)] }
        return [
            "strategy": strategy, "direction": padding.onLeft ? "Left" : "Right",
            "pad_to_multiple_of": padding.multiple > 1 ? .integer(padding.multiple) : .null,
            "pad_id": .integer(Int(padding.id)), "pad_type_id": .integer(Int(padding.typeID)),
            "pad_token": .string(padding.token),
        ]
    }

    /// A tokenizer whose tokens are the characters of a text, in the order of their code points.
    ///
    /// As `tokenizer.json` it is BPE without merges. Other characters become `unknownToken`, or nothing without one.
    public static func characters(from text: String, unknownToken: String? = nil) throws -> Tokenizer {
        let scalars = Set(text.unicodeScalars).sorted { $0.value < $1.value }
        var tokens = scalars.map { String($0) }
        if let unknownToken { tokens.insert(unknownToken, at: 0) }
        guard !tokens.isEmpty else {
            throw HeedError(.badInput, "a text without characters gives no vocabulary")
        }
        let model = try BPEModel(
            vocabulary: try Vocabulary(tokens), merges: [], options: .init(unknownToken: unknownToken),
            isByteLevel: false)
        return Tokenizer(
            model: model, decoding: .stage(FuseDecoder()),
            addedTokens: unknownToken.map { [AddedToken($0, id: 0)] } ?? [], kind: "characters")
    }
}
