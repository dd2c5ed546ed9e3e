import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// BLOOM (BigScience 2022): scores that fall with the distance in place of positions, embeddings normalised.
struct Bloom: DecoderFamily {
    let name = "bloom"
    let className = "BloomForCausalLM"
    let keys = ConfigurationKeys(
        harmless: [
            "n_inner": "always 4 times the width", "offset_alibi": "shifts all scores alike",
            "attention_softmax_in_fp32": "how another program computes",
            "bias_dropout_fusion": "how another program computes",
            "masked_softmax_fusion": "how another program computes", "unk_token_id": "of the tokenizer",
            "skip_bias_add": "how another program computes", "skip_bias_add_qkv": "how another program computes",
        ], plain: ["apply_residual_connection_post_layernorm": [false]])
    let tiedNames = (
        head: ["lm_head.weight"], table: ["transformer.word_embeddings.weight", "word_embeddings.weight"]
    )

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        func either(_ key: String, _ other: String, in range: ClosedRange<Int>) throws -> Int {
            let fallback = try reader.optionalInteger(other, in: range)
            return try reader.optionalInteger(key, in: range) ?? fallback ?? reader.integer(key, in: range)
        }
        let width = try either("hidden_size", "n_embed", in: 1...1 << 20)
        let heads = try either("n_head", "num_attention_heads", in: 1...1 << 14)
        guard width % heads == 0 else {
            throw reader.contradiction(
                "n_head", "does not divide hidden_size", expected: "a divisor of \(width)", got: "\(heads)")
        }
        var stack = StackShape(
            layers: try either("n_layer", "num_hidden_layers", in: 1...4096), width: width, heads: heads,
            inner: 4 * width)
        stack.activation = .geluTanh
        stack.epsilon = try reader.epsilon("layer_norm_epsilon", default: 1e-5)
        stack.positions = .all(.slopes)
        stack.residualDropout = try reader.rate("hidden_dropout", default: 0)
        stack.weightDropout = try reader.rate("attention_dropout", default: 0)
        stack.initial = .normalByDepth(try reader.deviation("initializer_range"))
        var c = DecoderConfiguration(
            vocabulary: try reader.vocabulary(),
            context: try reader.integer("seq_length", in: 1...1 << 24, default: 2048), stack: stack,
            tied: try reader.bool("tie_word_embeddings", default: true))
        c.embeddingNorm = true
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        [
            "apply_residual_connection_post_layernorm": false,
            "attention_dropout": .number(decimal(c.weightDropout)),
            "hidden_dropout": .number(decimal(c.residualDropout)), "hidden_size": .integer(c.width),
            "initializer_range": .number(decimal(c.initial.deviation ?? 0.02)),
            "layer_norm_epsilon": .number(decimal(c.epsilon)), "n_head": .integer(c.heads),
            "n_layer": .integer(c.layers), "seq_length": .integer(c.context), "tie_word_embeddings": .bool(c.tied),
            "vocab_size": .integer(c.vocabulary),
        ]
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: "transformer.", writesPrefix: true)
        list.addBody("word_embeddings.weight", decoder.embedding.table, aliases: decoder.tiedHead(tiedNames.head))
        list.addBody("word_embeddings_layernorm", decoder.embedding.norm)
        for (layer, block) in decoder.stack.blocks.enumerated() {
            let name = "h.\(layer)."
            list.addBody(name + "input_layernorm", block.attentionNorm.norm)
            list.addBody(
                block.attention, headsOfAll: name + "self_attention.query_key_value",
                output: name + "self_attention.dense")
            list.addBody(name + "post_attention_layernorm", block.feedForwardNorm.norm)
            list.addBody(name + "mlp.dense_h_to_4h", block.feedForward.dense?.up)
            list.addBody(name + "mlp.dense_4h_to_h", block.feedForward.dense?.down)
        }
        list.addBody("ln_f", decoder.stack.finalNorm)
        list.addHead("lm_head.weight", decoder)
        return list.tensors
    }
}
