import HeedLayers
import HeedSupport
import HeedWeights

/// Mixtral (Jiang et al. 2024): Mistral with two of several experts for each token.
struct Mixtral: DecoderFamily {
    let name = "mixtral"
    let className = "MixtralForCausalLM"
    let keys = ConfigurationKeys(plain: ["output_router_logits": [false], "router_jitter_noise": [0.0]])
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try llamaShape(reader, epsilon: 1e-5, RotaryDefaults(theta: 1e6))
        c.mask = .all(
            try reader.optionalInteger("sliding_window", in: 1...1 << 24).map { .causalWindow($0) } ?? .causal)
        let count = try reader.integer("num_local_experts", in: 1...1 << 14, default: 8)
        c.feedForward = .all(
            .experts(
                ExpertShape(
                    count: count,
                    chosen: try reader.integer("num_experts_per_tok", in: 1...count, default: min(2, count)),
                    inner: c.inner, normalises: true)))
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c)
        document["sliding_window"] = c.stack.window.map { .integer($0) } ?? .null
        if case .all(.experts(let experts)) = c.feedForward {
            document["num_local_experts"] = .integer(experts.count)
            document["num_experts_per_tok"] = .integer(experts.chosen)
        }
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] {
        llamaTensors(decoder) { name, experts, list in
            list.addBody(experts, router: name + "block_sparse_moe.gate") { expert in
                let start = "\(name)block_sparse_moe.experts.\(expert)."
                return (start + "w1", start + "w3", start + "w2")
            }
        }
    }
}
