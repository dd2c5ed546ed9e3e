import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

// GPT-2 as published (Radford et al. 2019) and as `transformers` stores it: matrices of blocks are [in, out].

extension DecoderConfiguration {
    /// Names of functions in configurations.
    static let activations: KeyValuePairs<String, Activation> = [
        "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "gelu_fast": .geluTanh, "gelu": .gelu,
        "quick_gelu": .quickGelu, "relu": .relu, "silu": .silu, "swish": .silu, "tanh": .tanh, "relu2": .reluSquared,
    ]

    /// The published name of an activation.
    static func activationName(_ activation: Activation) -> String {
        activations.first { $0.value == activation }?.key ?? activation.rawValue
    }

    /// Reads GPT-2's keys.
    ///
    /// - Throws: `HeedError` naming the key that is missing, of another type, out of range or in contradiction.
    init(gpt2 reader: ConfigurationReader) throws {
        let width = try reader.integer("n_embd", in: 1...1 << 20)
        let heads = try reader.integer("n_head", in: 1...1 << 14)
        guard width % heads == 0 else {
            throw reader.contradiction(
                "n_head", "does not divide n_embd", expected: "a divisor of \(width)", got: "\(heads)")
        }
        self = .gpt2(
            width: width, layers: try reader.integer("n_layer", in: 1...4096), heads: heads,
            vocabulary: try reader.integer("vocab_size", in: 1...1 << 26),
            context: try reader.integer("n_positions", in: 1...1 << 24))
        inner = try reader.optionalInteger("n_inner", in: 1...1 << 24) ?? 4 * width
        activation = try reader.choice(
            "activation_function", DecoderConfiguration.activations, default: .geluTanh)
        epsilon = Float(try reader.double("layer_norm_epsilon", in: 0...1, default: 1e-5))
        tied = try reader.bool("tie_word_embeddings", default: true)
        scalesScores = try reader.bool("scale_attn_weights", default: true)
        scalesByLayer = try reader.bool("scale_attn_by_inverse_layer_idx", default: false)
        embeddingDropout = Float(try reader.double("embd_pdrop", in: 0...0.999, default: 0.1))
        weightDropout = Float(try reader.double("attn_pdrop", in: 0...0.999, default: 0.1))
        residualDropout = Float(try reader.double("resid_pdrop", in: 0...0.999, default: 0.1))
        initialDeviation = Float(try reader.double("initializer_range", in: 0...10, default: 0.02))
    }

    func gpt2Document() -> JSONObject {
        [
            "activation_function": .string(DecoderConfiguration.activationName(activation)),
            "attn_pdrop": .number(Double(weightDropout)), "embd_pdrop": .number(Double(embeddingDropout)),
            "resid_pdrop": .number(Double(residualDropout)),
            "initializer_range": .number(decimal(initialDeviation)),
            "layer_norm_epsilon": .number(decimal(epsilon)), "n_embd": .integer(width), "n_head": .integer(heads),
            "n_inner": inner == 4 * width ? .null : .integer(inner), "n_layer": .integer(layers),
            "n_positions": .integer(context), "scale_attn_by_inverse_layer_idx": .bool(scalesByLayer),
            "scale_attn_weights": .bool(scalesScores), "tie_word_embeddings": .bool(tied),
            "vocab_size": .integer(vocabulary),
        ]
    }
}

/// The shortest decimal of a float, as a double: 1e-5 and not 9.99999974e-06.
func decimal(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }

extension Decoder {
    func gpt2Tensors() -> [CheckpointTensor] {
        var tensors: [CheckpointTensor] = []
        func add(_ name: String, _ parameter: Parameter?, transposed: Bool = false) {
            guard let parameter else { return }
            tensors.append(
                CheckpointTensor("transformer." + name, parameter, transposed: transposed, aliases: [name]))
        }
        func add(_ name: String, _ norm: Norm) {
            add(name + ".weight", norm.gain)
            add(name + ".bias", norm.offset)
        }
        func add(_ name: String, _ linear: Linear) {
            add(name + ".weight", linear.weight, transposed: true)
            add(name + ".bias", linear.bias)
        }
        add("wte.weight", table)
        add("wpe.weight", positionTable)
        for (layer, block) in blocks.enumerated() {
            add("h.\(layer).ln_1", block.attentionNorm)
            add("h.\(layer).attn.c_attn", block.attention.projection)
            add("h.\(layer).attn.c_proj", block.attention.output)
            add("h.\(layer).ln_2", block.feedForwardNorm)
            add("h.\(layer).mlp.c_fc", block.feedForward.up)
            add("h.\(layer).mlp.c_proj", block.feedForward.down)
        }
        add("ln_f", finalNorm)
        if head != table { tensors.append(CheckpointTensor("lm_head.weight", head)) }
        return tensors
    }
}
