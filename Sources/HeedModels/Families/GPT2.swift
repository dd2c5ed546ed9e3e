import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// GPT-2 as published (Radford et al. 2019) and as `transformers` stores it: matrices of blocks are [in, out].
struct GPT2: DecoderFamily {
    let name = "gpt2"
    let className = "GPT2LMHeadModel"
    let keys = ConfigurationKeys(
        harmless: [
            "n_ctx": "an older name of n_positions",
            "reorder_and_upcast_attn": "how precisely another program computes",
        ])
    let tiedNames = (head: ["lm_head.weight"], table: ["transformer.wte.weight", "wte.weight"])

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        let width = try reader.integer("n_embd", in: 1...1 << 20)
        var c = DecoderConfiguration.gpt2(
            width: width, layers: try reader.layers("n_layer"),
            heads: try reader.heads("n_head", width: width, "n_embd"), vocabulary: try reader.vocabulary(),
            context: try reader.integer("n_positions", in: 1...1 << 24))
        c.inner = try reader.optionalInteger("n_inner", in: 1...1 << 24) ?? 4 * width
        c.activation = try reader.activation("activation_function", default: .geluTanh)
        c.epsilon = try reader.epsilon("layer_norm_epsilon", default: 1e-5)
        c.tied = try reader.bool("tie_word_embeddings", default: true)
        c.scale = try reader.bool("scale_attn_weights", default: true) ? .inverseRoot : .value(1)
        c.scalesByLayer = try reader.bool("scale_attn_by_inverse_layer_idx", default: false)
        c.embeddingDropout = try reader.rate("embd_pdrop", default: 0.1)
        c.weightDropout = try reader.rate("attn_pdrop", default: 0.1)
        c.residualDropout = try reader.rate("resid_pdrop", default: 0.1)
        c.initial = .normalByDepth(try reader.deviation("initializer_range"))
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        [
            "activation_function": .string(c.activation.publishedName),
            "attn_pdrop": .number(decimal(c.weightDropout)), "embd_pdrop": .number(decimal(c.embeddingDropout)),
            "resid_pdrop": .number(decimal(c.residualDropout)),
            "initializer_range": .number(decimal(c.initial.deviation ?? 0.02)),
            "layer_norm_epsilon": .number(decimal(c.epsilon)), "n_embd": .integer(c.width),
            "n_head": .integer(c.heads), "n_inner": c.inner == 4 * c.width ? .null : .integer(c.inner),
            "n_layer": .integer(c.layers), "n_positions": .integer(c.context),
            "scale_attn_by_inverse_layer_idx": .bool(c.scalesByLayer),
            "scale_attn_weights": .bool(c.scale == .inverseRoot), "tie_word_embeddings": .bool(c.tied),
            "vocab_size": .integer(c.vocabulary),
        ]
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: "transformer.", writesPrefix: true)
        list.addBody("wte.weight", decoder.embedding.table, aliases: decoder.tiedHead(tiedNames.head))
        list.addBody("wpe.weight", decoder.embedding.positionTable)
        for (layer, block) in decoder.stack.blocks.enumerated() {
            let name = "h.\(layer)."
            list.addBody(name + "ln_1", block.attentionNorm.norm)
            list.addBody(name + "attn.c_attn", block.attention.ownProjection, transposed: true)
            list.addBody(name + "attn.c_proj", block.attention.output, transposed: true)
            list.addBody(name + "ln_2", block.feedForwardNorm.norm)
            list.addBody(name + "mlp.c_fc", block.feedForward.dense?.up, transposed: true)
            list.addBody(name + "mlp.c_proj", block.feedForward.dense?.down, transposed: true)
        }
        list.addBody("ln_f", decoder.stack.finalNorm)
        list.addHead("lm_head.weight", decoder)
        return list.tensors
    }
}
