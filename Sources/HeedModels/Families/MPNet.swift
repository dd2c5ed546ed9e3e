import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// MPNet (Song et al. 2020): BERT with offsets on the scores by distance, and without kinds of tokens.
struct MPNet: EncoderFamily {
    let name = "mpnet"
    let keys = ConfigurationKeys(harmless: ["type_vocab_size": "the class has no kinds of tokens"])
    let bodyPrefix = "mpnet."
    let tiedNames = (head: "lm_head.decoder.weight", table: "embeddings.word_embeddings.weight")

    func heads(labels: Int) -> KeyValuePairs<String, EncoderHead> {
        [
            "MPNetModel": .none, "MPNetForMaskedLM": .maskedLanguage,
            "MPNetForSequenceClassification": .sequenceClassifier(labels: labels),
            "MPNetForTokenClassification": .tokenClassifier(labels: labels),
        ]
    }

    func complete(_ c: inout EncoderConfiguration) {
        c.hasPooler = c.head == .none
        if case .sequenceClassifier = c.head { c.classifierHasDense = true } else { c.classifierHasDense = false }
        c.types = 0
    }

    func encoder(_ reader: ConfigurationReader) throws -> EncoderConfiguration {
        // Positions count from row 2, whatever the padding id.
        var c = try bertShape(reader, types: 1, padding: 1) { _ in 2 }
        let buckets = try reader.integer("relative_attention_num_buckets", in: 2...1 << 12, default: 32)
        c.positions = .all(.relative(RelativeBuckets(buckets: buckets, maximumDistance: 128)))
        return c
    }

    func document(_ c: EncoderConfiguration) -> JSONObject {
        var document = bertDocument(c)
        document["type_vocab_size"] = nil
        if case .all(.relative(let buckets)) = c.positions {
            document["relative_attention_num_buckets"] = .integer(buckets.buckets)
        }
        return document
    }

    func tensors(_ encoder: TransformerEncoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: bodyPrefix, writesPrefix: encoder.configuration.head != .none)
        list.addBody(
            "embeddings.word_embeddings.weight", encoder.embedding.table,
            aliases: encoder.configuration.tied ? [tiedNames.head] : [])
        list.addBody("embeddings.position_embeddings.weight", encoder.embedding.positionTable)
        list.addBody("embeddings.LayerNorm", encoder.embedding.norm)
        list.addBody("encoder.relative_attention_bias.weight", encoder.stack.relativeTable)
        for (layer, block) in encoder.stack.blocks.enumerated() {
            let name = "encoder.layer.\(layer)."
            list.addBody(
                block.attention, query: name + "attention.attn.q", key: name + "attention.attn.k",
                value: name + "attention.attn.v", output: name + "attention.attn.o")
            list.addBody(name + "attention.LayerNorm", block.attentionNorm.norm)
            list.addBody(name + "intermediate.dense", block.feedForward.dense?.up)
            list.addBody(name + "output.dense", block.feedForward.dense?.down)
            list.addBody(name + "output.LayerNorm", block.feedForwardNorm.norm)
        }
        list.addBody("pooler.dense", encoder.pooler)
        list.add("lm_head.dense", encoder.transform)
        list.add("lm_head.layer_norm", encoder.transformNorm)
        list.addPrediction(encoder, bias: "lm_head.bias", decoder: "lm_head.decoder")
        list.add("classifier.dense", encoder.classifierDense)
        list.add(encoder.classifierDense == nil ? "classifier" : "classifier.out_proj", encoder.classifier)
        return list.tensors
    }
}
