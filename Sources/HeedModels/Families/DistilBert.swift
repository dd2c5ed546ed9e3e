import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// DistilBERT (Sanh et al. 2019): BERT without kinds of tokens and without a pooler.
struct DistilBert: EncoderFamily {
    let name = "distilbert"
    let keys = ConfigurationKeys(
        harmless: ["sinusoidal_pos_embds": "how learned positions began", "output_past": "of an older program"])
    let bodyPrefix = "distilbert."
    let tiedNames = (head: "vocab_projector.weight", table: "embeddings.word_embeddings.weight")

    func heads(labels: Int) -> KeyValuePairs<String, EncoderHead> {
        [
            "DistilBertModel": .none, "DistilBertForMaskedLM": .maskedLanguage,
            "DistilBertForSequenceClassification": .sequenceClassifier(labels: labels),
            "DistilBertForTokenClassification": .tokenClassifier(labels: labels),
        ]
    }

    func complete(_ c: inout EncoderConfiguration) {
        c.hasPooler = false
        if case .sequenceClassifier = c.head { c.classifierHasDense = true } else { c.classifierHasDense = false }
        c.classifierActivation = .relu
    }

    func encoder(_ reader: ConfigurationReader) throws -> EncoderConfiguration {
        let width = try reader.integer("dim", in: 1...1 << 20)
        let vocabulary = try reader.vocabulary()
        var stack = StackShape(
            layers: try reader.layers("n_layers"), width: width,
            heads: try reader.heads("n_heads", width: width, "dim"),
            inner: try reader.inner("hidden_dim"))
        stack.activation = try reader.activation("activation", default: .gelu)
        stack.epsilon = 1e-12
        stack.residualDropout = try reader.rate("dropout", default: 0.1)
        stack.weightDropout = try reader.rate("attention_dropout", default: 0.1)
        stack.initial = .normal(try reader.deviation("initializer_range"))
        let (head, names) = try head(reader)
        var c = EncoderConfiguration(
            vocabulary: vocabulary,
            context: try reader.integer("max_position_embeddings", in: 1...1 << 24, default: 512), stack: stack,
            types: 0, padding: try reader.optionalInteger("pad_token_id", in: 0...vocabulary - 1) ?? 0, head: head,
            hasPooler: false)
        c.labelNames = names
        c.tied = try reader.bool("tie_word_embeddings", default: true)
        c.embeddingDropout = stack.residualDropout
        c.classifierDropout = try reader.rate("seq_classif_dropout", default: 0.2)
        complete(&c)
        return c
    }

    func document(_ c: EncoderConfiguration) -> JSONObject {
        var document: JSONObject = [
            "activation": .string(c.activation.publishedName), "attention_dropout": .number(decimal(c.weightDropout)),
            "dim": .integer(c.width), "dropout": .number(decimal(c.residualDropout)), "hidden_dim": .integer(c.inner),
            "initializer_range": .number(decimal(c.initial.deviation ?? 0.02)),
            "max_position_embeddings": .integer(c.context), "n_heads": .integer(c.heads),
            "n_layers": .integer(c.layers), "pad_token_id": .integer(c.padding),
            "seq_classif_dropout": .number(decimal(c.classifierDropout)), "tie_word_embeddings": .bool(c.tied),
            "vocab_size": .integer(c.vocabulary),
        ]
        c.writeLabels(to: &document)
        return document
    }

    func tensors(_ encoder: TransformerEncoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: bodyPrefix, writesPrefix: encoder.configuration.head != .none)
        list.addBody(
            "embeddings.word_embeddings.weight", encoder.embedding.table,
            aliases: encoder.configuration.tied ? [tiedNames.head] : [])
        list.addBody("embeddings.position_embeddings.weight", encoder.embedding.positionTable)
        list.addBody("embeddings.LayerNorm", encoder.embedding.norm)
        for (layer, block) in encoder.stack.blocks.enumerated() {
            let name = "transformer.layer.\(layer)."
            list.addBody(
                block.attention, query: name + "attention.q_lin", key: name + "attention.k_lin",
                value: name + "attention.v_lin", output: name + "attention.out_lin")
            list.addBody(name + "sa_layer_norm", block.attentionNorm.norm)
            list.addBody(name + "ffn.lin1", block.feedForward.dense?.up)
            list.addBody(name + "ffn.lin2", block.feedForward.dense?.down)
            list.addBody(name + "output_layer_norm", block.feedForwardNorm.norm)
        }
        list.add("vocab_transform", encoder.transform)
        list.add("vocab_layer_norm", encoder.transformNorm)
        list.addPrediction(encoder, bias: "vocab_projector.bias", decoder: "vocab_projector")
        list.add("pre_classifier", encoder.classifierDense)
        list.add("classifier", encoder.classifier)
        return list.tensors
    }
}
