import HeedSupport
import HeedTensor
import HeedWeights

/// The published families whose folders Heed reads and writes.
public enum Family: String, Sendable, CaseIterable {
    case gpt2, llama, bert, roberta, marian, bart, t5
    /// Shapes that no published family has words for: they compute and train, but no folder is written or read.
    case unpublished

    /// What `config.json` calls the class of such a model.
    func architecture(_ configuration: Configuration) -> String {
        switch self {
        case .gpt2: return "GPT2LMHeadModel"
        case .llama: return "LlamaForCausalLM"
        case .bert, .roberta:
            if case .encoder(let configuration) = configuration { return configuration.architecture(self) }
            return "BertModel"
        case .marian: return "MarianMTModel"
        case .bart: return "BartForConditionalGeneration"
        case .t5: return "T5ForConditionalGeneration"
        case .unpublished: return "unpublished"
        }
    }
}

/// Ids with a meaning for generation, from `config.json` and `generation_config.json`.
public struct SpecialIds: Sendable, Equatable {
    /// The id that starts a text, where there is one.
    public var begin: Int?
    /// The ids that end a text.
    public var ends: [Int] = []
    /// The id that stands for nothing, where there is one.
    public var padding: Int?

    /// The ids that a model treats specially.
    public init(begin: Int? = nil, ends: [Int] = [], padding: Int? = nil) {
        self.begin = begin
        self.ends = ends
        self.padding = padding
    }
}

/// A model with its numbers: what a folder in the Hugging Face layout holds, tokenizer aside.
public final class Model: Sendable {
    /// The family whose names and files the model has.
    public let family: Family
    /// The layers.
    public let architecture: Architecture
    /// Every number, read from the files when it is first asked for.
    public let weights: Weights
    /// Published names.
    public let checkpoint: [CheckpointTensor]
    /// The ids that start, end and fill texts.
    public let specials: SpecialIds
    /// `config.json` as it is written.
    public let document: JSONObject

    /// A new model; its numbers begin as declared, from `seed`.
    ///
    /// - Throws: `HeedError` when memory is refused.
    public convenience init(
        _ configuration: DecoderConfiguration, family: Family, specials: SpecialIds = SpecialIds(), seed: UInt64
    ) throws {
        try self.init(.decoder(configuration), family: family, specials: specials, seed: seed)
    }

    /// A new model; its numbers begin as declared, from `seed`.
    ///
    /// - Throws: `HeedError` when memory is refused or the family has no such configuration.
    public convenience init(
        _ configuration: Configuration, family: Family, specials: SpecialIds = SpecialIds(), seed: UInt64
    ) throws {
        let document = try family.document(configuration, specials)
        try self.init(family, configuration, document, specials)
        try weights.all().initialise(seed: seed)
    }

    private init(
        _ family: Family, _ configuration: Configuration, _ document: JSONObject, _ specials: SpecialIds,
        from source: (any TensorSource)? = nil
    ) throws {
        self.family = family
        self.document = document
        self.specials = specials
        let (architecture, layout) = ParameterLayout.declare { configuration.declare(in: $0) }
        self.architecture = architecture
        checkpoint = family.checkpoint(architecture)
        // Files are held against the configuration before any memory is asked for.
        if let source { try checkpoint.check(source) }
        weights = try Weights(layout, from: source.map { [checkpoint] in CheckpointSource($0, checkpoint) })
    }

    /// Reads a folder with `config.json` and safetensors.
    ///
    /// - Throws: `HeedError` naming file and key or tensor: missing, malformed, of another shape, not finite.
    public static func load(folder: String) throws -> Model {
        let reader = try openConfiguration(folder: folder)
        let family = try Family(reading: reader)
        let configuration = try family.configuration(reader)
        let source = try openWeights(folder: folder)
        let specials = try SpecialIds(reader, folder: folder, vocabulary: configuration.vocabulary)
        return try Model(family, configuration, reader.object, specials, from: source)
    }

    /// Writes `config.json`, `generation_config.json` and `model.safetensors` into `folder`, each by rename.
    ///
    /// `transformers` loads the folder as `GPT2LMHeadModel` or `LlamaForCausalLM`. The weights come last, so that a
    /// folder that has them is whole.
    public func save(folder: String) throws {
        try createDirectory(folder)
        try saveConfiguration(folder: folder)
        try writeWeights(path: joinPath(folder, "model.safetensors"))
    }

    /// Writes `generation_config.json` and `config.json` alone.
    public func saveConfiguration(folder: String) throws {
        guard family != .unpublished else {
            throw HeedError(
                .unsupported, "the model has a shape that no published family has words for", in: folder,
                advice: "Choose a family that has, to save it.")
        }
        var generation = specials.document()
        if case .encoderDecoder(let layers) = architecture {
            generation["decoder_start_token_id"] = .integer(layers.configuration.start)
        }
        try writeAtomically(
            path: joinPath(folder, "generation_config.json"),
            text: JSON.object(generation).serialised(pretty: true) + "\n")
        try writeAtomically(
            path: joinPath(folder, "config.json"), text: JSON.object(document).serialised(pretty: true) + "\n")
    }

    /// Writes the weights alone.
    public func writeWeights(path: String) throws {
        let numbers = try weights.all()
        try writeSafetensors(path: path, checkpoint.map { $0.write(from: numbers) })
    }
}

extension Family {
    /// The family that `config.json` names in `model_type`.
    init(reading reader: ConfigurationReader) throws {
        self = try reader.choice(
            "model_type",
            [
                "gpt2": Family.gpt2, "llama": .llama, "bert": .bert, "roberta": .roberta, "marian": .marian,
                "bart": .bart, "t5": .t5,
            ])
    }

    func configuration(_ reader: ConfigurationReader) throws -> Configuration {
        switch self {
        case .gpt2: .decoder(try DecoderConfiguration(gpt2: reader))
        case .llama: .decoder(try DecoderConfiguration(llama: reader))
        case .bert, .roberta: .encoder(try EncoderConfiguration(bertOrRoberta: reader, self))
        case .marian, .bart:
            .encoderDecoder(try EncoderDecoderConfiguration(marianOrBart: reader, self))
        case .t5: .encoderDecoder(try EncoderDecoderConfiguration(t5: reader))
        case .unpublished: throw unsayable("a family of its own")
        }
    }

    func document(_ configuration: Configuration, _ specials: SpecialIds) throws -> JSONObject {
        var document: JSONObject
        switch (self, configuration) {
        case (.gpt2, .decoder(let configuration)): document = configuration.gpt2Document()
        case (.llama, .decoder(let configuration)): document = configuration.llamaDocument()
        case (.bert, .encoder(let configuration)), (.roberta, .encoder(let configuration)):
            if let objection = configuration.objection(asBertOrRoberta: self) { throw unsayable(objection) }
            document = configuration.bertOrRobertaDocument()
        case (.marian, .encoderDecoder(let configuration)), (.bart, .encoderDecoder(let configuration)):
            if let objection = configuration.objection(asMarianOrBart: self) { throw unsayable(objection) }
            document = configuration.marianOrBartDocument(self)
        case (.t5, .encoderDecoder(let configuration)):
            if let objection = configuration.objectionAsT5 { throw unsayable(objection) }
            document = configuration.t5Document()
        case (.unpublished, _): return JSONObject()
        default: throw unsayable("its kind of transformer")
        }
        document["architectures"] = [.string(architecture(configuration))]
        document["model_type"] = .string(rawValue)
        document["dtype"] = "float32"
        document["bos_token_id"] = specials.begin.map { .integer($0) } ?? .null
        document["eos_token_id"] = specials.endsDocument
        document["pad_token_id"] = specials.padding.map { .integer($0) } ?? .null
        return document
    }

    func checkpoint(_ architecture: Architecture) -> [CheckpointTensor] {
        switch (self, architecture) {
        case (.gpt2, .decoder(let decoder)): decoder.gpt2Tensors()
        case (.llama, .decoder(let decoder)): decoder.llamaTensors()
        case (.bert, .encoder(let model)), (.roberta, .encoder(let model)): model.bertOrRobertaTensors(self)
        case (.marian, .encoderDecoder(let model)), (.bart, .encoderDecoder(let model)): model.marianOrBartTensors()
        case (.t5, .encoderDecoder(let model)): model.t5Tensors()
        case (.unpublished, _): []
        default: []  // no such pair passes `document` or `configuration`
        }
    }

    private func unsayable(_ what: String) -> HeedError {
        HeedError(
            .unsupported, "the \(rawValue) files have no words for this configuration: \(what)",
            advice: "Choose another family or change the configuration.")
    }
}

extension SpecialIds {
    /// `generation_config.json` goes before `config.json`, as in transformers.
    init(_ reader: ConfigurationReader, folder: String, vocabulary: Int) throws {
        var readers = [reader]
        let path = joinPath(folder, "generation_config.json")
        if fileExists(path) { readers.insert(try ConfigurationReader(path: path), at: 0) }
        let range = 0...max(vocabulary - 1, 0)
        self.init()
        for reader in readers {
            if begin == nil { begin = try reader.optionalInteger("bos_token_id", in: range) }
            if padding == nil { padding = try reader.optionalInteger("pad_token_id", in: -1...max(vocabulary - 1, 0)) }
            if ends.isEmpty, reader.has("eos_token_id") {
                if reader.object["eos_token_id"]?.arrayValue != nil {
                    ends = try reader.optionalIntegers("eos_token_id", in: range) ?? []
                } else {
                    ends = [try reader.integer("eos_token_id", in: range)]
                }
            }
        }
        if padding == -1 { padding = nil }
    }

    var endsDocument: JSON {
        ends.isEmpty ? .null : ends.count == 1 ? .integer(ends[0]) : .array(ends.map { .integer($0) })
    }

    func document() -> JSONObject {
        var document = JSONObject()
        document["_from_model_config"] = true
        if let begin { document["bos_token_id"] = .integer(begin) }
        if !ends.isEmpty { document["eos_token_id"] = endsDocument }
        if let padding { document["pad_token_id"] = .integer(padding) }
        return document
    }
}
