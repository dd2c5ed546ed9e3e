import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

extension DecoderFamily {
    /// Embeddings × √C, an output matrix that is the table, columns of a head apart from the width, gains kept less 1.
    func gemmaShape(
        _ reader: ConfigurationReader, activationKey: String, _ rotary: RotaryDefaults?
    ) throws -> DecoderConfiguration {
        var c = try llamaShape(
            reader, activation: .geluTanh, activationKey: activationKey, tied: true, rotary)
        if !reader.has("head_dim") { c.headWidth = 256 }
        c.projectionBias = try reader.bool("attention_bias", default: false)
        c.outputBias = c.projectionBias
        c.embeddingScale = Float(c.width).squareRoot()
        return c
    }

    /// What Gemma 2 and 3 have beyond it: norms around the halves, a factor on scores from a width of its own, caps.
    func addLaterGemma(_ reader: ConfigurationReader, to c: inout DecoderConfiguration, cap: Double?, logits: Double?)
        throws
    {
        c.placement = .around
        let scalar = try reader.double("query_pre_attn_scalar", in: 1e-3...1e9, default: 256)
        c.scale = .value(Float(1 / scalar.squareRoot()))
        func optional(_ key: String, _ fallback: Double?) throws -> Float? {
            let value = reader.value(key) == nil ? fallback : try reader.optionalDouble(key, in: 1e-3...1e9)
            return value.map { Float($0) }
        }
        c.scoreCap = try optional("attn_logit_softcapping", cap)
        c.logitsCap = try optional("final_logit_softcapping", logits)
    }

    func laterGemmaDocument(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c, activationKey: "hidden_activation")
        document["attention_bias"] = .bool(c.projectionBias)
        document["attn_logit_softcapping"] = c.scoreCap.map { .number(decimal($0)) } ?? .null
        document["final_logit_softcapping"] = c.logitsCap.map { .number(decimal($0)) } ?? .null
        if case .value(let scale) = c.scale {
            let scalar = 1 / (Double(scale) * Double(scale))
            // The scalar is a whole number in every published file.
            document["query_pre_attn_scalar"] =
                Float(1 / scalar.rounded().squareRoot()) == scale ? .integer(Int(scalar.rounded())) : .number(scalar)
        }
        document["sliding_window"] = c.stack.window.map { .integer($0) } ?? .null
        document["layer_types"] = c.stack.layerTypes
        return document
    }
}

/// Gemma (2024).
struct Gemma: DecoderFamily {
    let name = "gemma"
    let className = "GemmaForCausalLM"
    let keys = ConfigurationKeys()
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        // The first files say "gelu" and mean the tanh form; a key of its own came later and counts.
        let key = reader.has("hidden_activation") ? "hidden_activation" : "hidden_act"
        var c = try gemmaShape(reader, activationKey: key, RotaryDefaults())
        _ = reader.value("hidden_act")
        if key == "hidden_act", c.activation == .gelu { c.activation = .geluTanh }
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c, activationKey: "hidden_activation")
        document["hidden_act"] = document["hidden_activation"]
        document["attention_bias"] = .bool(c.projectionBias)
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] { llamaTensors(decoder, shift: 1) }
}

/// Gemma 2 (2024): a window in every other layer, capped scores and logits.
struct Gemma2: DecoderFamily {
    let name = "gemma2"
    let className = "Gemma2ForCausalLM"
    let keys = ConfigurationKeys(harmless: [
        "hidden_act": "hidden_activation counts", "cache_implementation": "how another program computes",
    ])
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try gemmaShape(reader, activationKey: "hidden_activation", RotaryDefaults())
        try addLaterGemma(reader, to: &c, cap: 50, logits: 30)
        let window = try reader.optionalInteger("sliding_window", in: 1...1 << 24) ?? 4096
        c.mask = try reader.masks(layers: c.layers, window: window) { $0 % 2 == 0 }
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject { laterGemmaDocument(c) }
    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] { llamaTensors(decoder, shift: 1) }
}

/// Gemma 3 for text (2025): norms on queries and keys, windows in most layers, which turn with a base of their own.
struct Gemma3: DecoderFamily {
    let name = "gemma3_text"
    let className = "Gemma3ForCausalLM"
    let keys = ConfigurationKeys(
        harmless: [
            "hidden_act": "hidden_activation counts", "cache_implementation": "how another program computes",
            "_sliding_window_pattern": "layer_types count",
        ])
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try gemmaShape(reader, activationKey: "hidden_activation", nil)
        try addLaterGemma(reader, to: &c, cap: nil, logits: nil)
        c.queryKeyNorm = .perHead
        let window = try reader.optionalInteger("sliding_window", in: 1...1 << 24) ?? 4096
        let pattern = try reader.integer("sliding_window_pattern", in: 1...1 << 16, default: 6)
        let windowed = try reader.windowed(layers: c.layers) { ($0 + 1) % pattern != 0 }
        c.mask = .each(windowed.map { $0 ? .causalWindow(window) : .causal })
        let everywhere = try reader.rotary(
            width: c.headWidth, context: c.context, RotaryDefaults(theta: 1e6, layers: "full_attention"))
        let near = try reader.rotary(
            width: c.headWidth, context: c.context,
            RotaryDefaults(thetaKey: "rope_local_base_freq", layers: "sliding_attention", scales: false))
        c.positions = .each(windowed.map { .rotary($0 ? near : everywhere) })
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = laterGemmaDocument(c)
        var parameters = JSONObject()
        for layer in 0..<c.layers {
            guard case .rotary(let rotary)? = c.positions[layer] else { continue }
            let isNear = c.mask[layer] != .causal
            parameters[isNear ? "sliding_attention" : "full_attention"] = .object(rotary.parameters)
            document[isNear ? "rope_local_base_freq" : "rope_theta"] = .number(rotary.theta)
        }
        document["rope_parameters"] = .object(parameters)
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] { llamaTensors(decoder, shift: 1) }
}
