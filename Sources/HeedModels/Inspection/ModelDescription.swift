import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// What a model folder holds, read from its headers only: no weight is loaded.
public struct ModelDescription: Sendable {
    /// The folder; for a preset, its name.
    public let folder: String
    /// The family.
    public let family: Family
    /// The shape.
    public let configuration: Configuration
    /// Ids with a meaning for generation.
    public let specials: SpecialIds
    /// The tensors as the files have them.
    public let tensors: [StoredTensor]
    /// What a user should know: sentences without a full stop.
    public let warnings: [String]
    /// The learned numbers by part of the model, in the order of a token's way.
    public let parts: [(name: String, count: Int)]
    /// What splits text into ids, where the folder has it.
    public let tokenizer: String?

    /// Reads a folder's configuration and headers and holds them against each other.
    ///
    /// - Throws: `HeedError` naming file and key or tensor.
    public init(folder: String) throws {
        let folder = try locateModel(folder)
        var model = try ModelFolder(folder)
        family = model.family
        configuration = model.configuration
        let shape = configuration
        let (architecture, layout) = ParameterLayout.declare { shape.declare(in: $0) }
        try model.check(family.definition.tensors(architecture))
        self.folder = folder
        specials = model.specials
        tensors = model.source.tensors
        warnings = model.warnings
        parts = ModelDescription.parts(of: layout)
        tokenizer = try ModelDescription.tokenizerKind(folder)
    }

    /// Describes a shape known by name, of which there are no files.
    public init(_ preset: Preset) {
        folder = preset.name
        family = preset.family
        configuration = preset.configuration
        specials = SpecialIds()
        tensors = []
        warnings = []
        parts = ModelDescription.parts(of: ParameterLayout.declare { preset.configuration.declare(in: $0) }.layout)
        tokenizer = nil
    }

    /// The number of learned numbers.
    public var parameterCount: Int { parts.reduce(0) { $0 + $1.count } }

    /// The bytes of all tensors in the files.
    public var byteCount: Int { tensors.reduce(0) { $0 + $1.byteRange.count } }

    /// The bytes of the weights in memory when the model runs: matrices in the types that products read as they stand in
    /// the files, everything else in 32-bit floats.
    public var loadedByteCount: Int {
        guard !tensors.isEmpty else { return 4 * parameterCount }
        return tensors.reduce(0) { sum, tensor in
            // What a file has as the transpose says that it is fp32, and lies there in its own type.
            let isStored = tensor.shape.count == 2 && (tensor.type == .f32 || tensor.type.rowForm != nil)
            return sum + (isStored ? tensor.byteRange.count : 4 * tensor.count)
        }
    }

    /// The learned numbers of a layout by part of the model.
    public static func parts(of layout: ParameterLayout) -> [(name: String, count: Int)] {
        let kinds: [(name: String, belongs: (String) -> Bool)] = [
            ("token embeddings", { ["embedding.tokens", "embedding.source", "embedding.target"].contains($0) }),
            ("position embeddings", { $0.hasSuffix("mbedding.positions") || $0.hasSuffix(".relative") }),
            ("attention", { $0.contains(".attention.") }),
            ("attention to the source", { $0.contains(".crossAttention.") }),
            ("token types", { $0 == "embedding.types" }),
            ("feed-forward", { $0.contains(".feedForward.") }),
            ("norms", { $0.contains("Norm.") || $0.contains(".norm.") }),
            ("output matrix", { $0 == "head" || $0 == "headBias" }),
            ("heads", { name in EncoderConfiguration.headParts.contains { name.hasPrefix($0 + ".") } }),
        ]
        var counts = [Int](repeating: 0, count: kinds.count)
        var others = 0
        for parameter in layout.parameters where layout.isTrained(parameter) {
            if let kind = kinds.firstIndex(where: { $0.belongs(parameter.name) }) {
                counts[kind] += parameter.count
            } else {
                others += parameter.count
            }
        }
        var parts = zip(kinds, counts).map { (name: $0.name, count: $1) }
        parts.append((name: "others", count: others))
        return parts.filter { $0.count > 0 }
    }

    private static func tokenizerKind(_ folder: String) throws -> String? {
        if !isDirectory(folder) {
            guard folder.hasSuffix(".gguf") else { return nil }
            let model = try GGUFPreamble(MappedFile(path: folder)).metadata.string("tokenizer.ggml.model") ?? "none"
            return model == "none" ? nil : "\(model) (inside the file)"
        }
        func has(_ name: String) -> Bool { fileExists(joinPath(folder, name)) }
        if has("tokenizer.json") {
            let document = try JSONDocument(path: joinPath(folder, "tokenizer.json"))
            return document.read { "\($0["model"]?["type"]?.string ?? "unknown kind") (tokenizer.json)" }
        }
        if has("vocab.json"), has("merges.txt") { return "byte-level BPE (vocab.json and merges.txt)" }
        if has("encoder.json"), has("vocab.bpe") { return "byte-level BPE (encoder.json and vocab.bpe)" }
        if has("vocab.txt") { return "WordPiece (vocab.txt)" }
        if has("tokenizer.model") { return "SentencePiece (tokenizer.model)" }
        return nil
    }
}

extension ModelDescription {
    /// The description for programs.
    public var json: JSON {
        var parts = JSONObject()
        for (name, count) in self.parts { parts[name] = .integer(count) }
        return [
            "folder": .string(folder), "family": .string(family.name),
            "shape": .object(configuration.shapeDocument), "parameters": .integer(parameterCount),
            "parameters_by_part": .object(parts), "bytes": .integer(byteCount),
            "tensors": .array(
                tensors.map {
                    [
                        "name": .string($0.name), "type": .string($0.type.rawValue),
                        "shape": .array($0.shape.map { .integer($0) }), "file": .string(lastPathComponent($0.file)),
                    ]
                }),
            "tokenizer": tokenizer.map { .string($0) } ?? .null,
            "begin_id": specials.begin.map { .integer($0) } ?? .null,
            "end_ids": .array(specials.ends.map { .integer($0) }),
            "padding_id": specials.padding.map { .integer($0) } ?? .null,
        ]
    }
}

extension Configuration {
    /// The sizes and choices by name, for reports.
    public var shapeDocument: JSONObject {
        switch self {
        case .decoder(let configuration): configuration.shapeDocument
        case .encoder(let configuration): configuration.shapeDocument
        case .encoderDecoder(let configuration): configuration.shapeDocument
        }
    }
}

extension EncoderConfiguration {
    /// Scopes of what stands on the states.
    static let headParts = ["pooler", "transform", "nextSentence", "classifierDense", "classifier"]

    /// The sizes and choices by name, for reports.
    public var shapeDocument: JSONObject {
        let head: String =
            switch head {
            case .none: "none"
            case .maskedLanguage: "masked language"
            case .pretraining: "masked language and next sentence"
            case .sequenceClassifier(let labels): "one of \(labels) classes per sequence"
            case .tokenClassifier(let labels): "one of \(labels) classes per token"
            case .replacedTokens: "whether each token was replaced"
            }
        return [
            "vocabulary": .integer(vocabulary), "context": .integer(context), "width": .integer(stack.width),
            "layers": .integer(stack.layers), "heads": .integer(stack.heads),
            "feed_forward_width": .integer(stack.inner), "activation": .string(stack.activation.rawValue),
            "token_types": .integer(types),
            "pooler": .bool(hasPooler), "head": .string(head),
        ]
    }
}

extension EncoderDecoderConfiguration {
    /// The sizes and choices by name, for reports.
    public var shapeDocument: JSONObject {
        func document(_ stack: StackShape) -> JSON {
            [
                "layers": .integer(stack.layers), "heads": .integer(stack.heads),
                "head_width": .integer(stack.headWidth), "feed_forward_width": .integer(stack.inner),
            ]
        }
        return [
            "vocabulary": .integer(vocabulary), "source_vocabulary": .integer(sourceVocabulary),
            "context": .integer(context), "width": .integer(width), "encoder": document(encoder),
            "decoder": document(decoder), "activation": .string(decoder.activation.rawValue),
            "gated": .bool(decoder.gated), "norm": .string(decoder.norm.word),
            "norm_placement": .string(decoder.placement.word),
            "positions": .string(decoder.positionWord(embeddedPositions)), "tied_output": .bool(tied),
        ]
    }
}

extension DecoderConfiguration {
    /// The sizes and choices by name, for reports.
    public var shapeDocument: JSONObject {
        [
            "vocabulary": .integer(vocabulary), "context": .integer(context), "width": .integer(stack.width),
            "layers": .integer(stack.layers), "heads": .integer(stack.heads), "key_heads": .integer(stack.keyHeads),
            "head_width": .integer(stack.headWidth), "feed_forward_width": .integer(stack.inner),
            "activation": .string(stack.activation.rawValue), "gated": .bool(stack.gated),
            "norm": .string(stack.norm.word), "positions": .string(stack.positionWord(embeddedPositions)),
            "tied_output": .bool(tied),
        ]
    }
}

extension NormKind {
    fileprivate var word: String { self == .layer ? "layer" : "root-mean-square" }
}

extension NormPlacement {
    fileprivate var word: String {
        switch self {
        case .before: "before"
        case .after: "after"
        case .answer: "on the answer"
        case .around: "before and on the answer"
        }
    }
}

extension StackShape {
    /// How positions enter, in words.
    fileprivate func positionWord(_ embedded: EmbeddedPositions) -> String {
        var words: [String] =
            switch embedded {
            case .none: []
            case .learned: ["learned"]
            case .sinusoidal: ["sinusoidal"]
            case .stored: ["stored"]
            }
        for choice in positions.distinct {
            switch choice {
            case .absent: if positions.distinct.count > 1 { words.append("none in some layers") }
            case .rotary: words.append("rotary")
            case .relative: words.append("relative")
            case .slopes: words.append("slopes by distance")
            }
        }
        return words.isEmpty ? "none" : words.joined(separator: ", ")
    }
}
