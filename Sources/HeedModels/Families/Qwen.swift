import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

extension DecoderFamily {
    /// What the models called Qwen share: windows from a layer on, where they are switched on.
    func qwenMasks(_ reader: ConfigurationReader, layers: Int) throws -> PerLayer<AttentionMask> {
        let isOn = try reader.bool("use_sliding_window", default: false)
        let given = try reader.optionalInteger("sliding_window", in: 1...1 << 24) ?? 4096
        let first = try reader.integer("max_window_layers", in: 0...1 << 16, default: 28)
        return try reader.masks(layers: layers, window: isOn ? given : nil) { isOn && $0 >= first }
    }

    func qwenDocument(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c)
        document["use_sliding_window"] = .bool(c.stack.window != nil)
        document["sliding_window"] = c.stack.window.map { .integer($0) } ?? .null
        document["layer_types"] = c.stack.layerTypes
        return document
    }
}

/// Qwen 2 and 2.5 (Yang et al. 2024): LLaMA with offsets on queries, keys and values.
struct Qwen2: DecoderFamily {
    let name = "qwen2"
    let className = "Qwen2ForCausalLM"
    let keys = ConfigurationKeys(harmless: ["use_mrope": "about pictures"])
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try llamaShape(reader)
        c.projectionBias = true
        c.mask = try qwenMasks(reader, layers: c.layers)
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject { qwenDocument(c) }
    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] { llamaTensors(decoder) }
}

/// Qwen 3 (Yang et al. 2025): LLaMA with norms on the heads of queries and keys.
struct Qwen3: DecoderFamily {
    let name = "qwen3"
    let className = "Qwen3ForCausalLM"
    let keys = ConfigurationKeys()
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try llamaShape(reader)
        if !reader.has("head_dim") { c.headWidth = 128 }
        c.projectionBias = try reader.bool("attention_bias", default: false)
        c.outputBias = c.projectionBias
        c.queryKeyNorm = .perHead
        c.mask = try qwenMasks(reader, layers: c.layers)
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = qwenDocument(c)
        document["attention_bias"] = .bool(c.projectionBias)
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] { llamaTensors(decoder) }
}

/// Qwen 3 with a mixture of experts in some layers.
struct Qwen3Moe: DecoderFamily {
    let name = "qwen3_moe"
    let className = "Qwen3MoeForCausalLM"
    let keys = ConfigurationKeys(
        harmless: ["max_window_layers": "all layers see the window", "layer_types": "all layers see the same"],
        plain: ["output_router_logits": [false]])
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try llamaShape(reader)
        c.projectionBias = try reader.bool("attention_bias", default: false)
        c.outputBias = c.projectionBias
        c.queryKeyNorm = .perHead
        let isOn = try reader.bool("use_sliding_window", default: false)
        let window = try reader.optionalInteger("sliding_window", in: 1...1 << 24) ?? 4096
        c.mask = .all(isOn ? .causalWindow(window) : .causal)
        let older = try reader.optionalInteger("num_experts", in: 1...1 << 14)
        let count = try reader.optionalInteger("num_local_experts", in: 1...1 << 14) ?? older ?? 128
        let experts = ExpertShape(
            count: count, chosen: try reader.integer("num_experts_per_tok", in: 1...count, default: min(8, count)),
            inner: try reader.integer("moe_intermediate_size", in: 1...1 << 24, default: 768),
            normalises: try reader.bool("norm_topk_prob", default: false))
        let step = try reader.integer("decoder_sparse_step", in: 1...1 << 14, default: 1)
        let dense = try reader.optionalIntegers("mlp_only_layers", in: 0...1 << 14) ?? []
        c.feedForward = .each(
            (0..<c.layers).map { !dense.contains($0) && ($0 + 1) % step == 0 ? .experts(experts) : .dense })
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c)
        document["attention_bias"] = .bool(c.projectionBias)
        document["use_sliding_window"] = .bool(c.stack.window != nil)
        document["sliding_window"] = c.stack.window.map { .integer($0) } ?? .null
        document["decoder_sparse_step"] = 1
        document["mlp_only_layers"] = .array(
            (0..<c.layers).filter { c.feedForward[$0] == .dense }.map { .integer($0) })
        for case .experts(let experts) in c.feedForward.distinct {
            document["num_experts"] = .integer(experts.count)
            document["num_experts_per_tok"] = .integer(experts.chosen)
            document["moe_intermediate_size"] = .integer(experts.inner)
            document["norm_topk_prob"] = .bool(experts.normalises)
        }
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] {
        llamaTensors(decoder) { name, experts, list in
            list.addBody(experts, router: name + "mlp.gate") { expert in
                let start = "\(name)mlp.experts.\(expert)."
                return (start + "gate_proj", start + "up_proj", start + "down_proj")
            }
        }
    }
}
