import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// GPT-NeoX (Black et al. 2022) and Pythia: both halves read the same, a share of each head turns.
struct GPTNeoX: DecoderFamily {
    let name = "gpt_neox"
    let className = "GPTNeoXForCausalLM"
    let keys = ConfigurationKeys()
    let tiedNames = (head: ["embed_out.weight"], table: ["gpt_neox.embed_in.weight", "embed_in.weight"])

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        let width = try reader.integer("hidden_size", in: 1...1 << 20)
        let context = try reader.integer("max_position_embeddings", in: 1...1 << 24)
        var stack = StackShape(
            layers: try reader.layers("num_hidden_layers"), width: width,
            heads: try reader.heads("num_attention_heads", width: width, "hidden_size"),
            inner: try reader.inner("intermediate_size"))
        stack.activation = try reader.activation("hidden_act", default: .gelu)
        stack.epsilon = try reader.epsilon("layer_norm_eps", default: 1e-5)
        stack.order = try reader.bool("use_parallel_residual", default: true) ? .sideBySide : .inTurn
        stack.positions = .all(
            .rotary(
                try reader.rotary(
                    width: stack.headWidth, context: context,
                    RotaryDefaults(part: 0.25, thetaKey: "rotary_emb_base", partKey: "rotary_pct"))))
        stack.projectionBias = try reader.bool("attention_bias", default: true)
        stack.outputBias = stack.projectionBias
        stack.residualDropout = try reader.rate("hidden_dropout", default: 0)
        stack.weightDropout = try reader.rate("attention_dropout", default: 0)
        stack.initial = .normalByDepth(try reader.deviation("initializer_range"))
        var c = DecoderConfiguration(
            vocabulary: try reader.vocabulary(), context: context, stack: stack,
            tied: try reader.bool("tie_word_embeddings", default: false))
        c.embeddingDropout = stack.residualDropout
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document: JSONObject = [
            "attention_bias": .bool(c.projectionBias), "attention_dropout": .number(decimal(c.weightDropout)),
            "hidden_act": .string(c.activation.publishedName), "hidden_dropout": .number(decimal(c.residualDropout)),
            "hidden_size": .integer(c.width), "initializer_range": .number(decimal(c.initial.deviation ?? 0.02)),
            "intermediate_size": .integer(c.inner), "layer_norm_eps": .number(decimal(c.epsilon)),
            "max_position_embeddings": .integer(c.context), "num_attention_heads": .integer(c.heads),
            "num_hidden_layers": .integer(c.layers), "tie_word_embeddings": .bool(c.tied),
            "use_parallel_residual": .bool(c.order == .sideBySide), "vocab_size": .integer(c.vocabulary),
        ]
        if let rotary = c.stack.rotary.first {
            document["rope_parameters"] = .object(rotary.parameters)
            document["rotary_emb_base"] = .number(rotary.theta)
            document["rotary_pct"] = .number(rotary.part)
        }
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: "gpt_neox.", writesPrefix: true)
        list.addBody("embed_in.weight", decoder.embedding.table, aliases: decoder.tiedHead(tiedNames.head))
        for (layer, block) in decoder.stack.blocks.enumerated() {
            let name = "layers.\(layer)."
            list.addBody(name + "input_layernorm", block.attentionNorm.norm)
            list.addBody(name + "post_attention_layernorm", block.feedForwardNorm.norm)
            list.addBody(
                block.attention, headsOfAll: name + "attention.query_key_value", output: name + "attention.dense")
            list.addBody(name + "mlp.dense_h_to_4h", block.feedForward.dense?.up)
            list.addBody(name + "mlp.dense_4h_to_h", block.feedForward.dense?.down)
        }
        list.addBody("final_layer_norm", decoder.stack.finalNorm)
        list.addHead("embed_out.weight", decoder)
        return list.tensors
    }
}
