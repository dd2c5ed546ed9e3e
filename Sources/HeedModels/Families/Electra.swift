import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// ELECTRA (Clark et al. 2020): BERT over embeddings of their own width, mapped to that of the stream.
///
/// The generator's head predicts masked tokens, the discriminator's tells whether each token was replaced.
struct Electra: EncoderFamily {
    let name = "electra"
    let keys = ConfigurationKeys(
        harmless: Dictionary(
            uniqueKeysWithValues: [
                "summary_type", "summary_use_proj", "summary_activation", "summary_last_dropout", "generator_size",
            ].map { ($0, "of classes that Heed does not have") }))
    let bodyPrefix = "electra."
    let tiedNames = (head: "generator_lm_head.weight", table: "embeddings.word_embeddings.weight")

    func heads(labels: Int) -> KeyValuePairs<String, EncoderHead> {
        [
            "ElectraModel": .none, "ElectraForPreTraining": .replacedTokens, "ElectraForMaskedLM": .maskedLanguage,
            "ElectraForSequenceClassification": .sequenceClassifier(labels: labels),
            "ElectraForTokenClassification": .tokenClassifier(labels: labels),
        ]
    }

    func complete(_ c: inout EncoderConfiguration) {
        c.hasPooler = false
        switch c.head {
        case .sequenceClassifier: (c.classifierHasDense, c.classifierActivation) = (true, .gelu)
        case .replacedTokens: (c.classifierHasDense, c.classifierActivation) = (true, c.activation)
        default: c.classifierHasDense = false
        }
    }

    func encoder(_ reader: ConfigurationReader) throws -> EncoderConfiguration {
        var c = try bertShape(reader, types: 2, padding: 0) { _ in 0 }
        let columns = try reader.integer("embedding_size", in: 1...1 << 20, default: 128)
        c.embeddingWidth = columns == c.width ? nil : columns
        return c
    }

    func document(_ c: EncoderConfiguration) -> JSONObject {
        var document = bertDocument(c)
        document["embedding_size"] = .integer(c.embeddingWidth ?? c.width)
        return document
    }

    func tensors(_ encoder: TransformerEncoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: bodyPrefix, writesPrefix: encoder.configuration.head != .none)
        list.addBertBody(encoder, tiedHead: [tiedNames.head])
        list.add("generator_predictions.dense", encoder.transform)
        list.add("generator_predictions.LayerNorm", encoder.transformNorm)
        list.addPrediction(encoder, bias: "generator_lm_head.bias", decoder: "generator_lm_head")
        guard encoder.configuration.head != .replacedTokens else {
            list.add("discriminator_predictions.dense", encoder.classifierDense)
            list.add("discriminator_predictions.dense_prediction", encoder.classifier)
            return list.tensors
        }
        list.add("classifier.dense", encoder.classifierDense)
        list.add(encoder.classifierDense == nil ? "classifier" : "classifier.out_proj", encoder.classifier)
        return list.tensors
    }
}
