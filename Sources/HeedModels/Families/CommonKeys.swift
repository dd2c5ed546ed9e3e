import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

// Keys that several families read and write in the same way.

extension Activation {
    /// Names of functions in configurations.
    static let published: KeyValuePairs<String, Activation> = [
        "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "gelu_fast": .geluTanh, "gelu": .gelu,
        "quick_gelu": .quickGelu, "relu": .relu, "silu": .silu, "swish": .silu, "tanh": .tanh, "relu2": .reluSquared,
    ]

    /// The published name.
    var publishedName: String { Activation.published.first { $0.value == self }?.key ?? rawValue }
}

/// The shortest decimal of a float, as a double: 1e-5 and not 9.99999974e-06.
func decimal(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }

extension ConfigurationReader {
    func vocabulary() throws -> Int { try integer("vocab_size", in: 1...1 << 26) }
    func layers(_ key: String) throws -> Int { try integer(key, in: 1...4096) }
    func inner(_ key: String) throws -> Int { try integer(key, in: 1...1 << 24) }

    /// A rate of dropout.
    func rate(_ key: String, default fallback: Double) throws -> Float {
        Float(try double(key, in: 0...0.999, default: fallback))
    }

    func epsilon(_ key: String, default fallback: Double) throws -> Float {
        Float(try double(key, in: 0...1, default: fallback))
    }

    func deviation(_ key: String, default fallback: Double = 0.02) throws -> Float {
        Float(try double(key, in: 0...10, default: fallback))
    }

    func activation(_ key: String, default fallback: Activation) throws -> Activation {
        try choice(key, Activation.published, default: fallback)
    }

    /// Width, heads and columns per head from keys of any names; heads must divide the width.
    func heads(_ key: String, width: Int, _ widthKey: String) throws -> Int {
        let heads = try integer(key, in: 1...1 << 14)
        guard width % heads == 0 else {
            throw contradiction(
                key, "does not divide \(widthKey)", expected: "a divisor of \(width)", got: "\(heads)")
        }
        return heads
    }

    /// The sizes of a stack under the names that LLaMA gave them: `hidden_size`, `num_attention_heads`,
    /// `num_key_value_heads`, `head_dim`, `intermediate_size`, `num_hidden_layers`.
    func stackShape() throws -> StackShape {
        let width = try integer("hidden_size", in: 1...1 << 20)
        let heads = try integer("num_attention_heads", in: 1...1 << 14)
        let keyHeads = try optionalInteger("num_key_value_heads", in: 1...1 << 14) ?? heads
        guard heads % keyHeads == 0 else {
            throw contradiction(
                "num_key_value_heads", "does not divide num_attention_heads", expected: "a divisor of \(heads)",
                got: "\(keyHeads)")
        }
        let headWidth =
            try optionalInteger("head_dim", in: 1...1 << 14)
            ?? width / self.heads("num_attention_heads", width: width, "hidden_size")
        return StackShape(
            layers: try layers("num_hidden_layers"), width: width, heads: heads, keyHeads: keyHeads,
            headWidth: headWidth, inner: try inner("intermediate_size"))
    }
}
