import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// RoBERTa (Liu et al. 2019) as `transformers` stores it: BERT whose positions count from the padding id + 1. XLM-RoBERTa
/// (Conneau et al. 2020) is the same under names of its own.
struct Roberta: EncoderFamily {
    let name: String
    private let prefix: String
    private let types: Int
    private let epsilon: Double
    let keys = ConfigurationKeys()
    let bodyPrefix = "roberta."
    let tiedNames = (head: "lm_head.decoder.weight", table: "embeddings.word_embeddings.weight")

    static let original = Roberta(name: "roberta", prefix: "Roberta", types: 1)
    static let ofManyLanguages = Roberta(name: "xlm-roberta", prefix: "XLMRoberta", types: 2)
    static let french = Roberta(name: "camembert", prefix: "Camembert", types: 2)

    private init(name: String, prefix: String, types: Int) {
        self.name = name
        self.prefix = prefix
        self.types = types
        epsilon = 1e-12
    }

    func heads(labels: Int) -> KeyValuePairs<String, EncoderHead> {
        [
            prefix + "Model": .none, prefix + "ForMaskedLM": .maskedLanguage,
            prefix + "ForSequenceClassification": .sequenceClassifier(labels: labels),
            prefix + "ForTokenClassification": .tokenClassifier(labels: labels),
        ]
    }

    func complete(_ c: inout EncoderConfiguration) {
        c.hasPooler = c.head == .none
        if case .sequenceClassifier = c.head { c.classifierHasDense = true } else { c.classifierHasDense = false }
    }

    func encoder(_ reader: ConfigurationReader) throws -> EncoderConfiguration {
        try bertShape(reader, types: types, epsilon: epsilon, padding: 1) { $0 + 1 }
    }

    func document(_ c: EncoderConfiguration) -> JSONObject { bertDocument(c) }

    func tensors(_ encoder: TransformerEncoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: bodyPrefix, writesPrefix: encoder.configuration.head != .none)
        list.addBertBody(encoder, tiedHead: [tiedNames.head])
        list.add("lm_head.dense", encoder.transform)
        list.add("lm_head.layer_norm", encoder.transformNorm)
        list.addPrediction(encoder, bias: "lm_head.bias", decoder: "lm_head.decoder")
        list.add("classifier.dense", encoder.classifierDense)
        list.add(encoder.classifierDense == nil ? "classifier" : "classifier.out_proj", encoder.classifier)
        return list.tensors
    }
}
