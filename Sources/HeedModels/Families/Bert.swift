import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// BERT (Devlin et al. 2019) as `transformers` stores it.
struct Bert: EncoderFamily {
    let name = "bert"
    let keys = ConfigurationKeys(
        harmless: Dictionary(
            uniqueKeysWithValues: [
                "directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
                "pooler_size_per_head", "pooler_type",
            ].map { ($0, "of the program that made the first BERT") }))
    let bodyPrefix = "bert."
    let tiedNames = (head: "cls.predictions.decoder.weight", table: "embeddings.word_embeddings.weight")

    func heads(labels: Int) -> KeyValuePairs<String, EncoderHead> {
        [
            "BertModel": .none, "BertForPreTraining": .pretraining, "BertForMaskedLM": .maskedLanguage,
            "BertForSequenceClassification": .sequenceClassifier(labels: labels),
            "BertForTokenClassification": .tokenClassifier(labels: labels),
        ]
    }

    func complete(_ c: inout EncoderConfiguration) {
        c.classifierHasDense = false
        c.hasPooler = c.head.readsFirstState
    }

    func encoder(_ reader: ConfigurationReader) throws -> EncoderConfiguration {
        try bertShape(reader, types: 2, padding: 0) { _ in 0 }
    }

    func document(_ c: EncoderConfiguration) -> JSONObject { bertDocument(c) }

    /// Names of the body begin with the family's name unless the body stands alone; files of either kind are read.
    func tensors(_ encoder: TransformerEncoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: bodyPrefix, writesPrefix: encoder.configuration.head != .none)
        list.addBertBody(encoder, tiedHead: [tiedNames.head])
        list.add("cls.predictions.transform.dense", encoder.transform)
        list.add("cls.predictions.transform.LayerNorm", encoder.transformNorm)
        list.addPrediction(encoder, bias: "cls.predictions.bias", decoder: "cls.predictions.decoder")
        list.add("cls.seq_relationship", encoder.nextSentence)
        list.add("classifier", encoder.classifier)
        return list.tensors
    }
}
