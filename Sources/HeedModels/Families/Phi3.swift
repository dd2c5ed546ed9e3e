import HeedLayers
import HeedSupport
import HeedWeights

/// Phi-3 (Abdin et al. 2024): LLaMA with queries, keys and values in one tensor, and gate and up in another.
struct Phi3: DecoderFamily {
    let name = "phi3"
    let className = "Phi3ForCausalLM"
    let keys = ConfigurationKeys()
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try llamaShape(reader, epsilon: 1e-5)
        c.mask = .all(
            try reader.optionalInteger("sliding_window", in: 1...1 << 24).map { .causalWindow($0) } ?? .causal)
        c.embeddingDropout = try reader.rate("embd_pdrop", default: 0)
        c.residualDropout = try reader.rate("resid_pdrop", default: 0)
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c)
        document["sliding_window"] = c.stack.window.map { .integer($0) } ?? .null
        document["embd_pdrop"] = .number(decimal(c.embeddingDropout))
        document["resid_pdrop"] = .number(decimal(c.residualDropout))
        document["original_max_position_embeddings"] = .integer(c.context)
        if let rotary = c.stack.rotary.first {
            document["partial_rotary_factor"] = .number(rotary.part)
            if case .long(let long) = rotary.scaling {
                document["original_max_position_embeddings"] = .integer(long.original)
            }
        }
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: "model.", writesPrefix: true)
        list.addBody("embed_tokens.weight", decoder.embedding.table, aliases: decoder.tiedHead(tiedNames.head))
        for (layer, block) in decoder.stack.blocks.enumerated() {
            let name = "layers.\(layer)."
            list.addBody(name + "self_attn.qkv_proj", block.attention.ownProjection)
            list.addBody(name + "self_attn.o_proj", block.attention.output)
            list.addBody(name + "mlp.gate_up_proj", block.feedForward.dense?.up)
            list.addBody(name + "mlp.down_proj", block.feedForward.dense?.down)
            list.addBody(name + "input_layernorm", block.attentionNorm.norm)
            list.addBody(name + "post_attention_layernorm", block.feedForwardNorm.norm)
        }
        list.addBody("norm", decoder.stack.finalNorm)
        list.addHead("lm_head.weight", decoder)
        return list.tensors
    }
}
