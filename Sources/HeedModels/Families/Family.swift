import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// A family whose folders Heed reads and writes, or `unpublished`.
public struct Family: Sendable, Equatable, CustomStringConvertible {
    /// What the family's files say and what they are called.
    let definition: any ModelFamily

    /// What `model_type` in `config.json` says.
    public var name: String { definition.name }

    public var description: String { name }

    init(_ definition: any ModelFamily) { self.definition = definition }

    public static func == (a: Family, b: Family) -> Bool { a.name == b.name }
}

extension Family {
    /// Every published family: the one list.
    public static let all: [Family] = [
        .gpt2, .llama, .mistral, .qwen2, .qwen3, .gemma, .gemma2, .gemma3, .phi3, .smolLM3, .gptNeoX, .olmo2, .granite,
        .starCoder2, .opt, .bloom, .mixtral, .qwen3Moe, .bert, .roberta, .distilBert, .xlmRoberta, .camembert,
        .mpnet, .electra, .modernBert, .marian, .bart, .t5, .mbart, .m2m100, .pegasus, .mt5,
    ]

    /// GPT-2 (Radford et al. 2019).
    public static let gpt2 = Family(GPT2())
    /// LLaMA (Touvron et al. 2023).
    public static let llama = Family(Llama())
    /// Mistral (Jiang et al. 2023).
    public static let mistral = Family(Mistral())
    /// Qwen 2 and 2.5 (Yang et al. 2024).
    public static let qwen2 = Family(Qwen2())
    /// Qwen 3 (Yang et al. 2025).
    public static let qwen3 = Family(Qwen3())
    /// Gemma (2024).
    public static let gemma = Family(Gemma())
    /// Gemma 2 (2024).
    public static let gemma2 = Family(Gemma2())
    /// Gemma 3 for text (2025).
    public static let gemma3 = Family(Gemma3())
    /// Phi-3 (Abdin et al. 2024).
    public static let phi3 = Family(Phi3())
    /// SmolLM 3 (2025).
    public static let smolLM3 = Family(SmolLM3())
    /// GPT-NeoX (Black et al. 2022) and Pythia.
    public static let gptNeoX = Family(GPTNeoX())
    /// OLMo 2 (2025).
    public static let olmo2 = Family(Olmo2())
    /// Granite (2024).
    public static let granite = Family(Granite())
    /// StarCoder 2 (Lozhkov et al. 2024).
    public static let starCoder2 = Family(StarCoder2())
    /// OPT (Zhang et al. 2022).
    public static let opt = Family(OPT())
    /// BLOOM (2022).
    public static let bloom = Family(Bloom())
    /// Mixtral (Jiang et al. 2024).
    public static let mixtral = Family(Mixtral())
    /// Qwen 3 with a mixture of experts (2025).
    public static let qwen3Moe = Family(Qwen3Moe())
    /// BERT (Devlin et al. 2019).
    public static let bert = Family(Bert())
    /// RoBERTa (Liu et al. 2019).
    public static let roberta = Family(Roberta.original)
    /// XLM-RoBERTa (Conneau et al. 2020).
    public static let xlmRoberta = Family(Roberta.ofManyLanguages)
    /// CamemBERT (Martin et al. 2020).
    public static let camembert = Family(Roberta.french)
    /// DistilBERT (Sanh et al. 2019).
    public static let distilBert = Family(DistilBert())
    /// MPNet (Song et al. 2020).
    public static let mpnet = Family(MPNet())
    /// ELECTRA (Clark et al. 2020).
    public static let electra = Family(Electra())
    /// ModernBERT (Warner et al. 2024).
    public static let modernBert = Family(ModernBert())
    /// The 2017 transformer as published translation models have it (Junczys-Dowmunt et al. 2018).
    public static let marian = Family(Marian())
    /// BART (Lewis et al. 2020).
    public static let bart = Family(Bart())
    /// T5 (Raffel et al. 2020).
    public static let t5 = Family(T5.original)
    /// mBART (Liu et al. 2020).
    public static let mbart = Family(MBart())
    /// M2M-100 (Fan et al. 2020) and NLLB.
    public static let m2m100 = Family(M2M100())
    /// Pegasus (Zhang et al. 2020).
    public static let pegasus = Family(Pegasus())
    /// mT5 (Xue et al. 2021).
    public static let mt5 = Family(T5.ofManyLanguages)
    /// Shapes that no published family has words for: they compute and train, but no folder is written or read.
    public static let unpublished = Family(Unpublished())

    /// The family that `config.json` names in `model_type`.
    ///
    /// - Throws: `HeedError` naming the families there are.
    init(reading reader: ConfigurationReader) throws {
        let name = try reader.string("model_type")
        guard let family = Family.all.first(where: { $0.name == name }) else {
            let names = Family.all.map(\.name)
            throw HeedError(
                .badInput, "the value of model_type is not known", in: reader.file,
                expected: "one of " + names.map { "\"\($0)\"" }.joined(separator: ", "), got: quoted(name),
                advice: nearest(name, among: names).map { "The nearest is \"\($0)\"" })
        }
        self = family
    }

    /// The whole `config.json` of a shape.
    ///
    /// - Throws: `HeedError` (`unsupported`) where reading it would give another shape: the family's files have no words
    ///   for this one.
    func document(_ configuration: Configuration, _ specials: SpecialIds) throws -> JSONObject {
        guard self != .unpublished else { return JSONObject() }
        var document = try definition.document(configuration)
        document["architectures"] = [.string(definition.className(configuration))]
        document["model_type"] = .string(name)
        document["dtype"] = "float32"
        document["bos_token_id"] = specials.begin.map { .integer($0) } ?? .null
        document["eos_token_id"] = specials.endsDocument
        if let padding = specials.padding { document["pad_token_id"] = .integer(padding) }
        let again = try definition.configuration(ConfigurationReader(.object(document), file: "config.json"))
        let differences = again.differences(from: configuration)
        guard differences.isEmpty else { throw definition.unsayable(differences.joined(separator: ", ")) }
        return document
    }
}

extension Configuration {
    /// The names of the choices in which two shapes differ; how a new model begins is no part of a file.
    func differences(from other: Configuration) -> [String] {
        switch (self, other) {
        case (.decoder(let a), .decoder(let b)): memberDifferences(a, b)
        case (.encoder(let a), .encoder(let b)): memberDifferences(a, b)
        case (.encoderDecoder(let a), .encoderDecoder(let b)): memberDifferences(a, b)
        default: ["its kind of transformer"]
        }
    }
}

/// The names of the members in which two values of one type differ, those of stacks one by one.
private func memberDifferences(_ a: Any, _ b: Any) -> [String] {
    zip(Mirror(reflecting: a).children, Mirror(reflecting: b).children).flatMap { mine, other -> [String] in
        guard let name = mine.label, name != "initial" else { return [] }
        if mine.value is StackShape { return memberDifferences(mine.value, other.value) }
        return "\(mine.value)" == "\(other.value)" ? [] : [name]
    }
}

/// The family of shapes that have none.
struct Unpublished: ModelFamily {
    let name = "unpublished"
    let keys = ConfigurationKeys()
    func configuration(_ reader: ConfigurationReader) throws -> Configuration { throw unsayable("it has no family") }
    func document(_ configuration: Configuration) throws -> JSONObject { JSONObject() }
    func className(_ configuration: Configuration) -> String { "unpublished" }
    func tensors(_ architecture: Architecture) -> [CheckpointTensor] { [] }
}
