import HeedLayers
import HeedSupport
import HeedTensor

/// How positions enter a stack.
public enum Positions: Sendable, Equatable {
    /// A learned row per position, added to the embedding.
    case learned
    /// Turned queries and keys; angle of pair i at position p is p · frequency[i].
    case rotary(RotaryPositions)
}

/// The shape of a decoder-only model: GPT-2, LLaMA and what lies between are values of it.
public struct DecoderConfiguration: Sendable, Equatable {
    /// V.
    public var vocabulary: Int
    /// The longest sequence.
    public var context: Int
    /// C.
    public var width: Int
    /// How many blocks.
    public var layers: Int
    /// How many heads the queries have.
    public var heads: Int
    /// How many heads keys and values have; a divisor of `heads`.
    public var keyHeads: Int
    /// Columns per head; usually width / heads.
    public var headWidth: Int
    /// F of the feed-forward layer.
    public var inner: Int
    /// f of the feed-forward layer.
    public var activation: Activation
    /// Whether the feed-forward layer is gated.
    public var gated: Bool
    /// Layer norm or root-mean-square norm.
    public var norm: NormKind
    /// What norms add under the root.
    public var epsilon: Float
    /// How positions enter.
    public var positions: Positions
    /// Whether the maps to queries, keys and values have offsets.
    public var projectionBias: Bool
    /// Whether attention's output map has an offset.
    public var outputBias: Bool
    /// Whether the maps of the feed-forward layer have offsets.
    public var feedForwardBias: Bool
    /// Whether the output matrix is the embedding table.
    public var tied: Bool
    /// Whether scores are divided by √headWidth.
    public var scalesScores: Bool = true
    /// Whether scores of layer i are also divided by i + 1.
    public var scalesByLayer: Bool = false
    /// Dropout rates: after the embedding, on attention weights, on each half's answer.
    public var embeddingDropout: Float = 0
    /// Rate on attention weights.
    public var weightDropout: Float = 0
    /// Rate on each half's answer.
    public var residualDropout: Float = 0
    /// The standard deviation of a new model's matrices; those that write to the stream have 1/√(2·layers) of it.
    public var initialDeviation: Float = 0.02

    /// GPT-2 (Radford et al. 2019) of a width and depth.
    public static func gpt2(
        width: Int, layers: Int, heads: Int, vocabulary: Int = 50_257, context: Int = 1_024
    ) -> DecoderConfiguration {
        DecoderConfiguration(
            vocabulary: vocabulary, context: context, width: width, layers: layers, heads: heads, keyHeads: heads,
            headWidth: width / max(heads, 1), inner: 4 * width, activation: .geluTanh, gated: false, norm: .layer,
            epsilon: 1e-5, positions: .learned, projectionBias: true, outputBias: true, feedForwardBias: true,
            tied: true)
    }

    /// LLaMA's choices (Touvron et al. 2023): root-mean-square norms, rotary positions, gated SiLU, grouped heads.
    public static func llama(
        width: Int, layers: Int, heads: Int, keyHeads: Int, inner: Int, vocabulary: Int, context: Int,
        theta: Double = 10_000
    ) -> DecoderConfiguration {
        let headWidth = width / max(heads, 1)
        return DecoderConfiguration(
            vocabulary: vocabulary, context: context, width: width, layers: layers, heads: heads, keyHeads: keyHeads,
            headWidth: headWidth, inner: inner, activation: .silu, gated: true, norm: .rootMeanSquare, epsilon: 1e-5,
            positions: .rotary(
                RotaryPositions(frequencies: rotaryFrequencies(width: headWidth, theta: theta))),
            projectionBias: false, outputBias: false, feedForwardBias: false, tied: false)
    }

    /// Returns θ^(−2i/width) for each pair i (Su et al. 2021, section 3.3).
    public static func rotaryFrequencies(width: Int, theta: Double) -> [Double] {
        (0..<(width / 2)).map {
            ExactMathematics.exp(-2 * Double($0) / Double(width) * ExactMathematics.log(theta))
        }
    }

    /// Floating-point operations of one token's forward pass, `keys` keys being visible.
    public func operationsPerToken(keys: Double) -> Double {
        let queries = Double(heads * headWidth)
        let both = Double(2 * keyHeads * headWidth)
        let perLayer =
            2 * Double(width) * (queries + both) + 2 * queries * Double(width)
            + 2 * Double(width * inner) * (gated ? 3 : 2) + 4 * keys * queries
        return Double(layers) * perLayer + 2 * Double(vocabulary * width)
    }
}
