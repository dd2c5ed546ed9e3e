import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// LLaMA (Touvron et al. 2023) as `transformers` stores it: rotary pairs (i, i + width/2), one tensor per projection.
struct Llama: DecoderFamily {
    let name = "llama"
    let className = "LlamaForCausalLM"
    let keys = ConfigurationKeys()
    let tiedNames = (head: ["lm_head.weight"], table: ["model.embed_tokens.weight", "embed_tokens.weight"])

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var stack = try reader.stackShape()
        stack.activation = try reader.activation("hidden_act", default: .silu)
        stack.gated = true
        stack.norm = .rootMeanSquare
        stack.epsilon = try reader.epsilon("rms_norm_eps", default: 1e-6)
        stack.positions = .all(.rotary(try reader.rotary(width: stack.headWidth)))
        stack.projectionBias = try reader.bool("attention_bias", default: false)
        stack.outputBias = stack.projectionBias
        stack.feedForwardBias = try reader.bool("mlp_bias", default: false)
        stack.weightDropout = try reader.rate("attention_dropout", default: 0)
        stack.initial = .normalByDepth(try reader.deviation("initializer_range"))
        return DecoderConfiguration(
            vocabulary: try reader.vocabulary(),
            context: try reader.integer("max_position_embeddings", in: 1...1 << 24),
            stack: stack, tied: try reader.bool("tie_word_embeddings", default: false))
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document: JSONObject = [
            "attention_bias": .bool(c.projectionBias), "attention_dropout": .number(decimal(c.weightDropout)),
            "head_dim": .integer(c.headWidth), "hidden_act": .string(c.activation.publishedName),
            "hidden_size": .integer(c.width), "initializer_range": .number(decimal(c.initial.deviation ?? 0.02)),
            "intermediate_size": .integer(c.inner), "max_position_embeddings": .integer(c.context),
            "mlp_bias": .bool(c.feedForwardBias), "num_attention_heads": .integer(c.heads),
            "num_hidden_layers": .integer(c.layers), "num_key_value_heads": .integer(c.keyHeads),
            "rms_norm_eps": .number(decimal(c.epsilon)), "tie_word_embeddings": .bool(c.tied),
            "vocab_size": .integer(c.vocabulary),
        ]
        if case .all(.rotary(let rotary)) = c.positions { rotary.write(to: &document) }
        return document
    }

    func tensors(_ decoder: Decoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: "model.", writesPrefix: true)
        list.addBody("embed_tokens.weight", decoder.embedding.table, aliases: decoder.tiedHead(tiedNames.head))
        for (layer, block) in decoder.stack.blocks.enumerated() {
            let name = "layers.\(layer)."
            list.addBody(
                block.attention, query: name + "self_attn.q_proj", key: name + "self_attn.k_proj",
                value: name + "self_attn.v_proj", output: name + "self_attn.o_proj")
            list.addBody(
                block.feedForward, gate: name + "mlp.gate_proj", up: name + "mlp.up_proj", down: name + "mlp.down_proj")
            list.addBody(name + "input_layernorm", block.attentionNorm.norm)
            list.addBody(name + "post_attention_layernorm", block.feedForwardNorm.norm)
        }
        list.addBody("norm", decoder.stack.finalNorm)
        list.addHead("lm_head.weight", decoder)
        return list.tensors
    }
}
