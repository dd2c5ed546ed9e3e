import HeedLayers
import HeedSupport
import HeedTensor

/// The shape of a decoder-only model: GPT-2, LLaMA and what lies between are values of it.
///
/// What the blocks are made from is said by `stack`, whose members are members of the configuration too.
@dynamicMemberLookup
public struct DecoderConfiguration: Sendable, Equatable {
    /// V.
    public var vocabulary: Int
    /// The longest sequence.
    public var context: Int
    /// The blocks and the norm behind them.
    public var stack: StackShape
    /// How positions enter the embeddings.
    public var embeddedPositions: EmbeddedPositions = .none
    /// Factor on the embeddings.
    public var embeddingScale: Float = 1
    /// Whether embeddings are normalised before the first block.
    public var embeddingNorm = false
    /// Factor on the states before the output matrix.
    public var logitsScale: Float = 1
    /// c of logits that are bent to c · tanh(z / c); nil: they are not.
    public var logitsCap: Float?
    /// Whether the output matrix is the embedding table.
    public var tied: Bool
    /// Rate of dropout on the embeddings.
    public var embeddingDropout: Float = 0

    /// A shape whose positions enter elsewhere than in the embeddings; tokens see those before them.
    public init(vocabulary: Int, context: Int, stack: StackShape, tied: Bool) {
        self.vocabulary = vocabulary
        self.context = context
        self.stack = stack
        self.tied = tied
        self.stack.mask = .all(.causal)
    }

    /// The members of the stack.
    public subscript<Value>(dynamicMember member: WritableKeyPath<StackShape, Value>) -> Value {
        get { stack[keyPath: member] }
        set { stack[keyPath: member] = newValue }
    }

    /// GPT-2 (Radford et al. 2019) of a width and depth.
    public static func gpt2(
        width: Int, layers: Int, heads: Int, vocabulary: Int = 50_257, context: Int = 1_024
    ) -> DecoderConfiguration {
        var stack = StackShape(layers: layers, width: width, heads: heads, inner: 4 * width)
        stack.activation = .geluTanh
        stack.initial = .normalByDepth(0.02)
        var configuration = DecoderConfiguration(vocabulary: vocabulary, context: context, stack: stack, tied: true)
        configuration.embeddedPositions = .learned()
        return configuration
    }

    /// LLaMA's choices (Touvron et al. 2023): root-mean-square norms, rotary positions, gated SiLU, grouped heads.
    public static func llama(
        width: Int, layers: Int, heads: Int, keyHeads: Int, inner: Int, vocabulary: Int, context: Int,
        theta: Double = 10_000
    ) -> DecoderConfiguration {
        var stack = StackShape(layers: layers, width: width, heads: heads, keyHeads: keyHeads, inner: inner)
        stack.activation = .silu
        stack.gated = true
        stack.norm = .rootMeanSquare
        stack.positions = .all(.rotary(RotaryShape(theta: theta)))
        stack.hasBias = false
        stack.initial = .normalByDepth(0.02)
        return DecoderConfiguration(vocabulary: vocabulary, context: context, stack: stack, tied: false)
    }

    /// Floating-point operations of one token's forward pass, `keys` keys being visible.
    public func operationsPerToken(keys: Double) -> Double {
        stack.operationsPerToken(keys: keys) + 2 * Double(vocabulary * stack.width)
    }
}
