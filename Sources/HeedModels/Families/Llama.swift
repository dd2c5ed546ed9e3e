import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

// LLaMA (Touvron et al. 2023) as `transformers` stores it: rotary pairs (i, i + width/2), one tensor per projection.

extension DecoderConfiguration {
    /// Reads LLaMA's keys.
    ///
    /// - Throws: `HeedError` naming the key that is missing, of another type, out of range or in contradiction.
    init(llama reader: ConfigurationReader) throws {
        let width = try reader.integer("hidden_size", in: 1...1 << 20)
        let heads = try reader.integer("num_attention_heads", in: 1...1 << 14)
        let keyHeads = try reader.optionalInteger("num_key_value_heads", in: 1...1 << 14) ?? heads
        guard heads % keyHeads == 0 else {
            throw reader.contradiction(
                "num_key_value_heads", "does not divide num_attention_heads", expected: "a divisor of \(heads)",
                got: "\(keyHeads)")
        }
        let headWidth: Int
        if let given = try reader.optionalInteger("head_dim", in: 2...1 << 14) {
            headWidth = given
        } else {
            guard width % heads == 0 else {
                throw reader.contradiction(
                    "num_attention_heads", "does not divide hidden_size", expected: "a divisor of \(width)",
                    got: "\(heads)")
            }
            headWidth = width / heads
        }
        guard headWidth % 2 == 0 else {
            throw reader.contradiction("head_dim", "is odd, but rotary positions turn pairs", got: "\(headWidth)")
        }
        self = .llama(
            width: width, layers: try reader.integer("num_hidden_layers", in: 1...4096), heads: heads,
            keyHeads: keyHeads, inner: try reader.integer("intermediate_size", in: 1...1 << 24),
            vocabulary: try reader.integer("vocab_size", in: 1...1 << 26),
            context: try reader.integer("max_position_embeddings", in: 1...1 << 24))
        self.headWidth = headWidth
        activation = try reader.choice("hidden_act", DecoderConfiguration.activations, default: .silu)
        epsilon = Float(try reader.double("rms_norm_eps", in: 0...1, default: 1e-6))
        tied = try reader.bool("tie_word_embeddings", default: false)
        projectionBias = try reader.bool("attention_bias", default: false)
        outputBias = projectionBias
        feedForwardBias = try reader.bool("mlp_bias", default: false)
        weightDropout = Float(try reader.double("attention_dropout", in: 0...0.999, default: 0))
        initialDeviation = Float(try reader.double("initializer_range", in: 0...10, default: 0.02))
        positions = .rotary(
            RotaryPositions(frequencies: try DecoderConfiguration.frequencies(reader, width: headWidth)))
    }

    /// `rope_parameters` of newer files, `rope_theta` and `rope_scaling` of older ones.
    private static func frequencies(_ reader: ConfigurationReader, width: Int) throws -> [Double] {
        var inner = reader
        for key in ["rope_parameters", "rope_scaling"] where reader.has(key) {
            guard let value = reader.object[key], value.objectValue != nil else {
                throw reader.contradiction(key, "is not an object")
            }
            inner = try ConfigurationReader(value, file: reader.file)
            break
        }
        let theta = try (inner.has("rope_theta") ? inner : reader).double(
            "rope_theta", in: 1...1e12, default: 10_000)
        let plain = rotaryFrequencies(width: width, theta: theta)
        let kind = try inner.optionalString("rope_type") ?? inner.optionalString("type") ?? "default"
        switch kind {
        case "default": return plain
        case "linear":
            let factor = try inner.double("factor", in: 1...1e6)
            return plain.map { $0 / factor }
        case "llama3":
            // Low frequencies are slowed down, high ones kept, those between blended (Dubey et al. 2024).
            let factor = try inner.double("factor", in: 1...1e6)
            let low = try inner.double("low_freq_factor", in: 1e-6...1e6)
            let high = try inner.double("high_freq_factor", in: 1e-6...1e6)
            let original = Double(try inner.integer("original_max_position_embeddings", in: 1...1 << 30))
            guard high > low else {
                throw inner.contradiction("high_freq_factor", "is not above low_freq_factor", got: "\(high)")
            }
            return plain.map { frequency in
                let wavelength = 2 * Double.pi / frequency
                if wavelength < original / high { return frequency }
                if wavelength > original / low { return frequency / factor }
                let blend = (original / wavelength - low) / (high - low)
                return (1 - blend) * frequency / factor + blend * frequency
            }
        default:
            throw HeedError(
                .unsupported, "rope_type \(quoted(kind)) is not known", in: reader.file,
                expected: "default, linear or llama3")
        }
    }

    func llamaDocument() -> JSONObject {
        var theta = 10_000.0
        if case .rotary(let rotary) = positions, rotary.frequencies.count > 1 {
            // θ from the first step down: frequency[1] = θ^(−2/width).
            theta = ExactMathematics.exp(
                -ExactMathematics.log(rotary.frequencies[1]) * Double(headWidth) / 2
            ).rounded()
        }
        return [
            "attention_bias": .bool(projectionBias), "attention_dropout": .number(Double(weightDropout)),
            "head_dim": .integer(headWidth), "hidden_act": .string(DecoderConfiguration.activationName(activation)),
            "hidden_size": .integer(width), "initializer_range": .number(decimal(initialDeviation)),
            "intermediate_size": .integer(inner), "max_position_embeddings": .integer(context),
            "mlp_bias": .bool(feedForwardBias), "num_attention_heads": .integer(heads),
            "num_hidden_layers": .integer(layers), "num_key_value_heads": .integer(keyHeads),
            "rms_norm_eps": .number(decimal(epsilon)), "rope_theta": .number(theta),
            "rope_parameters": ["rope_theta": .number(theta), "rope_type": "default"],
            "tie_word_embeddings": .bool(tied), "vocab_size": .integer(vocabulary),
        ]
    }
}

extension Decoder {
    func llamaTensors() -> [CheckpointTensor] {
        var tensors: [CheckpointTensor] = []
        func add(_ name: String, _ parameter: Parameter?, rows: Range<Int>? = nil) {
            guard let parameter else { return }
            tensors.append(CheckpointTensor(name, parameter, rows: rows))
        }
        func add(_ name: String, _ linear: Linear, rows: Range<Int>? = nil) {
            add(name + ".weight", linear.weight, rows: rows)
            add(name + ".bias", linear.bias, rows: rows)
        }
        add("model.embed_tokens.weight", table)
        for (layer, block) in blocks.enumerated() {
            let name = "model.layers.\(layer)."
            let shape = block.attention.shape
            let queries = shape.heads * shape.width
            let keys = shape.keyHeads * shape.width
            let projection = block.attention.projection
            add(name + "self_attn.q_proj", projection, rows: 0..<queries)
            add(name + "self_attn.k_proj", projection, rows: queries..<queries + keys)
            add(name + "self_attn.v_proj", projection, rows: queries + keys..<queries + 2 * keys)
            add(name + "self_attn.o_proj", block.attention.output)
            let inner = configuration.inner
            add(name + "mlp.gate_proj", block.feedForward.up, rows: 0..<inner)
            add(name + "mlp.up_proj", block.feedForward.up, rows: inner..<2 * inner)
            add(name + "mlp.down_proj", block.feedForward.down)
            add(name + "input_layernorm.weight", block.attentionNorm.gain)
            add(name + "post_attention_layernorm.weight", block.feedForwardNorm.gain)
        }
        add("model.norm.weight", finalNorm.gain)
        if head != table { add("lm_head.weight", head) }
        return tensors
    }
}
