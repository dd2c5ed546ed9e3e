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

    /// Writes `tokenizer.json` into a folder, made where it is missing, and the classic files of the kind where there
    /// are such: `vocab.json` and `merges.txt`, or `vocab.txt`.
    ///
    /// - Throws: `HeedError` of kind `io` where the folder cannot be written, `unsupported` as `json()` does.
    public func save(to folder: String) throws {
        let json = try json()
        try createDirectory(folder)
        try writeAtomically(path: joinPath(folder, "tokenizer.json"), bytes: json.serialisedBytes(pretty: true))
        if let model = model as? BPEModel, model.isByteLevel, let vocab = json["model"]?["vocab"] {
            var lines = "#version: 0.2\n"
            for merge in json["model"]?["merges"]?.arrayValue ?? [] {
                // A merge that needs the long form has a space in it and no place in merges.txt.
                guard let line = merge.stringValue else { return }
                lines += line + "\n"
            }
            try writeAtomically(path: joinPath(folder, "vocab.json"), bytes: vocab.serialisedBytes())
            try writeAtomically(path: joinPath(folder, "merges.txt"), text: lines)
        }
        if let model = model as? WordPieceModel, model.vocabulary.count == model.vocabulary.idLimit {
            var lines = ""
            for id in 0..<model.vocabulary.idLimit { lines += (model.vocabulary.text(of: TokenID(id)) ?? "") + "\n" }
            try writeAtomically(path: joinPath(folder, "vocab.txt"), text: lines)
        }
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
