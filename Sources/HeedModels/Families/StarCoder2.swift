import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// StarCoder 2 (Lozhkov et al. 2024): LLaMA with layer norms, offsets everywhere and a plain feed-forward layer.
struct StarCoder2: DecoderFamily {
    let name = "starcoder2"
    let className = "Starcoder2ForCausalLM"
    let keys = ConfigurationKeys(
        harmless: ["norm_type": "which norms the class has anyway", "mlp_type": "which layers the class has anyway"])
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try llamaShape(reader, activation: .geluTanh, tied: true)
        c.gated = false
        c.norm = .layer
        c.epsilon = try reader.epsilon("norm_epsilon", default: 1e-5)
        c.hasBias = try reader.bool("use_bias", default: true)
        c.residualDropout = try reader.rate("residual_dropout", default: 0)
        c.embeddingDropout = try reader.rate("embedding_dropout", default: 0)
        c.mask = .all(
            try reader.optionalInteger("sliding_window", in: 1...1 << 24).map { .causalWindow($0) } ?? .causal)
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c)
        document["rms_norm_eps"] = nil
        document["norm_epsilon"] = .number(decimal(c.epsilon))
        document["use_bias"] = .bool(c.hasBias)
        document["residual_dropout"] = .number(decimal(c.residualDropout))
        document["embedding_dropout"] = .number(decimal(c.embeddingDropout))
        document["sliding_window"] = c.stack.window.map { .integer($0) } ?? .null
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: "model.", writesPrefix: true)
        list.addBody("embed_tokens.weight", decoder.embedding.table, aliases: decoder.tiedHead(tiedNames.head))
        for (layer, block) in decoder.stack.blocks.enumerated() {
            let name = "layers.\(layer)."
            list.addBody(
                block.attention, query: name + "self_attn.q_proj", key: name + "self_attn.k_proj",
                value: name + "self_attn.v_proj", output: name + "self_attn.o_proj")
            list.addBody(name + "mlp.c_fc", block.feedForward.dense?.up)
            list.addBody(name + "mlp.c_proj", block.feedForward.dense?.down)
            list.addBody(name + "input_layernorm", block.attentionNorm.norm)
            list.addBody(name + "post_attention_layernorm", block.feedForwardNorm.norm)
        }
        list.addBody("norm", decoder.stack.finalNorm)
        list.addHead("lm_head.weight", decoder)
        return list.tensors
    }
}
