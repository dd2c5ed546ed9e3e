import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// ModernBERT (Warner et al. 2024): norms before the halves, rotary positions, gated layers, and in most layers a window
/// on both sides, which turns with a base of its own.
struct ModernBert: EncoderFamily {
    let name = "modernbert"
    let keys = ConfigurationKeys(
        harmless: [
            "deterministic_flash_attn": "how another program computes",
            "reference_compile": "how another program computes",
            "repad_logits_with_grad": "how another program computes", "sparse_prediction": "which logits are shown",
            "sparse_pred_ignore_index": "which logits are shown", "layer_norm_eps": "norm_eps counts",
            "bad_words_ids": "of generation", "classifier_dropout": "about a head that is not there",
        ], plain: ["classifier_pooling": ["cls"], "decoder_bias": [true], "rope_scaling": []])
    let bodyPrefix = "model."
    let tiedNames = (head: "decoder.weight", table: "embeddings.tok_embeddings.weight")

    func heads(labels: Int) -> KeyValuePairs<String, EncoderHead> {
        [
            "ModernBertModel": .none, "ModernBertForMaskedLM": .maskedLanguage,
            "ModernBertForSequenceClassification": .sequenceClassifier(labels: labels),
            "ModernBertForTokenClassification": .tokenClassifier(labels: labels),
        ]
    }

    func complete(_ c: inout EncoderConfiguration) {
        c.hasPooler = false
        c.classifierHasDense = false
        c.classifierTransforms = c.labels != nil
    }

    func encoder(_ reader: ConfigurationReader) throws -> EncoderConfiguration {
        let width = try reader.integer("hidden_size", in: 1...1 << 20)
        let vocabulary = try reader.vocabulary()
        let context = try reader.integer("max_position_embeddings", in: 1...1 << 24, default: 8192)
        var stack = StackShape(
            layers: try reader.layers("num_hidden_layers"), width: width,
            heads: try reader.heads("num_attention_heads", width: width, "hidden_size"),
            inner: try reader.inner("intermediate_size"))
        stack.activation = try reader.activation("hidden_activation", default: .gelu)
        stack.gated = true
        stack.epsilon = try reader.epsilon("norm_eps", default: 1e-5)
        stack.normOffset = try reader.bool("norm_bias", default: false)
        stack.firstNorm = false
        stack.projectionBias = try reader.bool("attention_bias", default: false)
        stack.outputBias = stack.projectionBias
        stack.feedForwardBias = try reader.bool("mlp_bias", default: false)
        stack.weightDropout = try reader.rate("attention_dropout", default: 0)
        stack.innerDropout = try reader.rate("mlp_dropout", default: 0)
        stack.initial = .normal(try reader.deviation("initializer_range"))
        let step = try reader.integer("global_attn_every_n_layers", in: 1...1 << 16, default: 3)
        let windowed = try reader.windowed(layers: stack.layers) { $0 % step != 0 }
        let reach = try reader.integer("local_attention", in: 1...1 << 24, default: 128) / 2
        stack.mask = .each(windowed.map { $0 ? .window(reach) : .full })
        let everywhere = try reader.rotary(
            width: stack.headWidth, context: context,
            RotaryDefaults(theta: 160_000, thetaKey: "global_rope_theta", layers: "full_attention"))
        let near = try reader.rotary(
            width: stack.headWidth, context: context,
            RotaryDefaults(thetaKey: "local_rope_theta", layers: "sliding_attention"))
        stack.positions = .each(windowed.map { .rotary($0 ? near : everywhere) })
        let (head, names) = try head(reader)
        var c = EncoderConfiguration(
            vocabulary: vocabulary, context: context, stack: stack, types: 0,
            padding: try reader.optionalInteger("pad_token_id", in: 0...vocabulary - 1) ?? 0, head: head,
            hasPooler: false)
        c.placement = .before
        c.finalNorm = true
        c.embeddedPositions = .none
        c.labelNames = names
        c.tied = try reader.bool("tie_word_embeddings", default: true)
        c.headBias = try reader.bool("classifier_bias", default: false)
        c.embeddingDropout = try reader.rate("embedding_dropout", default: 0)
        c.classifierDropout = try reader.rate("classifier_dropout", default: 0)
        let activation = try reader.activation("classifier_activation", default: .gelu)
        guard activation == stack.activation || head == .none else {
            throw HeedError(
                .unsupported, "classifier_activation differs from hidden_activation, which is not implemented",
                in: reader.file)
        }
        complete(&c)
        return c
    }

    func document(_ c: EncoderConfiguration) -> JSONObject {
        var document: JSONObject = [
            "attention_bias": .bool(c.projectionBias), "attention_dropout": .number(decimal(c.weightDropout)),
            "classifier_activation": .string(c.activation.publishedName), "classifier_bias": .bool(c.headBias),
            "classifier_dropout": .number(decimal(c.classifierDropout)), "classifier_pooling": "cls",
            "decoder_bias": true, "embedding_dropout": .number(decimal(c.embeddingDropout)),
            "hidden_activation": .string(c.activation.publishedName), "hidden_size": .integer(c.width),
            "initializer_range": .number(decimal(c.initial.deviation ?? 0.02)),
            "intermediate_size": .integer(c.inner), "layer_types": c.stack.layerTypes,
            "max_position_embeddings": .integer(c.context), "mlp_bias": .bool(c.feedForwardBias),
            "mlp_dropout": .number(decimal(c.innerDropout)), "norm_bias": .bool(c.normOffset),
            "norm_eps": .number(decimal(c.epsilon)), "num_attention_heads": .integer(c.heads),
            "num_hidden_layers": .integer(c.layers), "pad_token_id": .integer(c.padding),
            "tie_word_embeddings": .bool(c.tied), "vocab_size": .integer(c.vocabulary),
        ]
        var parameters = JSONObject()
        for layer in 0..<c.layers {
            guard case .rotary(let rotary)? = c.positions[layer] else { continue }
            if case .window(let reach)? = c.mask[layer] {
                parameters["sliding_attention"] = .object(rotary.parameters)
                document["local_attention"] = .integer(2 * reach)
                document["local_rope_theta"] = .number(rotary.theta)
            } else {
                parameters["full_attention"] = .object(rotary.parameters)
                document["global_rope_theta"] = .number(rotary.theta)
            }
        }
        document["rope_parameters"] = .object(parameters)
        c.writeLabels(to: &document)
        return document
    }

    func tensors(_ encoder: TransformerEncoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: bodyPrefix, writesPrefix: encoder.configuration.head != .none)
        list.addBody(
            "embeddings.tok_embeddings.weight", encoder.embedding.table,
            aliases: encoder.configuration.tied ? [tiedNames.head] : [])
        list.addBody("embeddings.norm", encoder.embedding.norm)
        for (layer, block) in encoder.stack.blocks.enumerated() {
            let name = "layers.\(layer)."
            list.addBody(name + "attn_norm", block.attentionNorm.norm)
            list.addBody(name + "attn.Wqkv", block.attention.ownProjection)
            list.addBody(name + "attn.Wo", block.attention.output)
            list.addBody(name + "mlp_norm", block.feedForwardNorm.norm)
            list.addBody(name + "mlp.Wi", block.feedForward.dense?.up)
            list.addBody(name + "mlp.Wo", block.feedForward.dense?.down)
        }
        list.addBody("final_norm", encoder.stack.finalNorm)
        list.add("head.dense", encoder.transform)
        list.add("head.norm", encoder.transformNorm)
        list.addPrediction(encoder, bias: "decoder.bias", decoder: "decoder")
        list.add("classifier", encoder.classifier)
        return list.tensors
    }
}
