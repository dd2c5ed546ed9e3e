import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// OPT (Zhang et al. 2022): GPT-2's shape with ReLU and positions from row 2.
struct OPT: DecoderFamily {
    let name = "opt"
    let className = "OPTForCausalLM"
    let keys = ConfigurationKeys(plain: ["layer_norm_elementwise_affine": [true]])
    let tiedNames = (
        head: ["lm_head.weight"], table: ["model.decoder.embed_tokens.weight", "decoder.embed_tokens.weight"]
    )

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        let width = try reader.integer("hidden_size", in: 1...1 << 20)
        var stack = StackShape(
            layers: try reader.layers("num_hidden_layers"), width: width,
            heads: try reader.heads("num_attention_heads", width: width, "hidden_size"),
            inner: try reader.inner("ffn_dim"))
        stack.activation = try reader.activation("activation_function", default: .relu)
        let isBefore = try reader.bool("do_layer_norm_before", default: true)
        stack.placement = isBefore ? .before : .after
        let removes = try reader.bool("_remove_final_layer_norm", default: false)
        stack.finalNorm = isBefore && !removes
        stack.hasBias = try reader.bool("enable_bias", default: true)
        stack.residualDropout = try reader.rate("dropout", default: 0.1)
        stack.weightDropout = try reader.rate("attention_dropout", default: 0)
        stack.initial = .normal(try reader.deviation("init_std"))
        guard try reader.integer("word_embed_proj_dim", in: 1...1 << 20, default: width) == width else {
            throw HeedError(
                .unsupported, "word_embed_proj_dim differs from hidden_size, which is not implemented", in: reader.file,
                expected: "\(width)")
        }
        var c = DecoderConfiguration(
            vocabulary: try reader.vocabulary(),
            context: try reader.integer("max_position_embeddings", in: 1...1 << 24),
            stack: stack, tied: try reader.bool("tie_word_embeddings", default: true))
        c.embeddedPositions = .learned(first: 2)
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        [
            "_remove_final_layer_norm": .bool(c.placement == .before && !c.finalNorm),
            "activation_function": .string(c.activation.publishedName),
            "attention_dropout": .number(decimal(c.weightDropout)),
            "do_layer_norm_before": .bool(c.placement == .before), "dropout": .number(decimal(c.residualDropout)),
            "enable_bias": .bool(c.hasBias), "ffn_dim": .integer(c.inner), "hidden_size": .integer(c.width),
            "init_std": .number(decimal(c.initial.deviation ?? 0.02)), "max_position_embeddings": .integer(c.context),
            "num_attention_heads": .integer(c.heads), "num_hidden_layers": .integer(c.layers),
            "tie_word_embeddings": .bool(c.tied), "vocab_size": .integer(c.vocabulary),
            "word_embed_proj_dim": .integer(c.width),
        ]
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: "model.", writesPrefix: true)
        list.addBody(
            "decoder.embed_tokens.weight", decoder.embedding.table, aliases: decoder.tiedHead(tiedNames.head))
        list.addBody("decoder.embed_positions.weight", decoder.embedding.positionTable)
        for (layer, block) in decoder.stack.blocks.enumerated() {
            let name = "decoder.layers.\(layer)."
            list.addBody(
                block.attention, query: name + "self_attn.q_proj", key: name + "self_attn.k_proj",
                value: name + "self_attn.v_proj", output: name + "self_attn.out_proj")
            list.addBody(name + "self_attn_layer_norm", block.attentionNorm.norm)
            list.addBody(name + "fc1", block.feedForward.dense?.up)
            list.addBody(name + "fc2", block.feedForward.dense?.down)
            list.addBody(name + "final_layer_norm", block.feedForwardNorm.norm)
        }
        list.addBody("decoder.final_layer_norm", decoder.stack.finalNorm)
        list.addHead("lm_head.weight", decoder)
        return list.tensors
    }
}
