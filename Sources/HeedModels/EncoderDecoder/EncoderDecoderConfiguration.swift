import HeedLayers
import HeedTensor

/// What is added to the logits.
public enum LogitsBias: Sendable, Equatable {
    /// Nothing.
    case none
    /// A constant of the file that no training moves (Marian's and BART's `final_logits_bias`).
    case constant
    /// `b` of `logits = states · Wᵀ + b`.
    case learned
}

/// The shape of an encoder-decoder: the 2017 transformer, Marian, BART and T5 are values of it.
public struct EncoderDecoderConfiguration: Sendable, Equatable {
    /// Ids that the encoder reads.
    public var sourceVocabulary: Int
    /// Ids that the decoder reads and writes, V.
    public var vocabulary: Int
    /// The longest sequence on either side.
    public var context: Int
    /// The stack that reads the source.
    public var encoder: StackShape
    /// The stack that writes the target.
    public var decoder: StackShape
    /// How positions enter the embeddings.
    public var embeddedPositions: EmbeddedPositions = .none
    /// Whether positions count only ids that are no padding, which has none (M2M-100).
    public var skipsPadding = false
    /// Whether embeddings are normalised before the first block.
    public var embeddingNorm = false
    /// Whether embeddings are multiplied by √C.
    public var scalesEmbedding = false
    /// Whether both sides read one table.
    public var sharedTable = true
    /// Whether the output matrix is the decoder's table.
    public var tied = true
    /// What is added to the logits.
    public var logitsBias: LogitsBias = .none
    /// Factor on the states before the output matrix.
    public var headScale: Float = 1
    /// The id that starts every decoder sequence.
    public var start: Int
    /// Whether a target that is learned begins with its own last id instead, which names its language (mBART).
    public var startsWithLast = false
    /// The id that stands for nothing; its lookups give no gradient unless `trainsPadding`.
    public var padding: Int
    /// Whether lookups of the padding id give gradients all the same.
    public var trainsPadding = false
    /// Rate of dropout on the embeddings.
    public var embeddingDropout: Float = 0

    /// One vocabulary and one table for both sides and the output; the rest has the values of a plain transformer.
    ///
    /// The encoder's tokens see each other, the decoder's those before them.
    public init(
        vocabulary: Int, context: Int, encoder: StackShape, decoder: StackShape, start: Int, padding: Int
    ) {
        sourceVocabulary = vocabulary
        self.vocabulary = vocabulary
        self.context = context
        self.encoder = encoder
        self.decoder = decoder
        self.start = start
        self.padding = padding
        self.encoder.mask = .all(.full)
        self.decoder.mask = .all(.causal)
    }

    /// C.
    public var width: Int { decoder.width }

    /// Changes both stacks alike.
    public mutating func both(_ change: (inout StackShape) -> Void) {
        change(&encoder)
        change(&decoder)
    }

    /// The model of Vaswani et al. 2017 with one vocabulary for both sides, as Marian saves it: norms after each half,
    /// ReLU, sinusoids, √C on the embeddings, output matrix tied.
    public static func original(
        width: Int, layers: Int, heads: Int, inner: Int, vocabulary: Int, context: Int = 512, dropout: Float = 0.1,
        padding: Int? = nil
    ) -> EncoderDecoderConfiguration {
        var stack = StackShape(layers: layers, width: width, heads: heads, inner: inner)
        stack.activation = .relu
        stack.placement = .after
        stack.finalNorm = false
        stack.residualDropout = dropout
        stack.initial = .glorot
        let nothing = padding ?? vocabulary - 1
        var configuration = EncoderDecoderConfiguration(
            vocabulary: vocabulary, context: context, encoder: stack, decoder: stack, start: nothing, padding: nothing)
        configuration.embeddedPositions = .sinusoidal(SinusoidalPositions(layout: .halves))
        configuration.scalesEmbedding = true
        configuration.logitsBias = .constant
        configuration.embeddingDropout = dropout
        return configuration
    }

    /// Sets one dropout rate everywhere.
    mutating func drop(_ rate: Float) {
        embeddingDropout = rate
        both {
            $0.drop(rate)
            $0.innerDropout = rate
        }
    }

    /// Floating-point operations of one source token's way through the encoder, and of one target token's through the
    /// decoder and the output matrix, `keys` keys being visible everywhere.
    public func operations(keys: Double) -> (source: Double, target: Double) {
        (
            encoder.operationsPerToken(keys: keys),
            decoder.operationsPerToken(keys: keys, memory: true) + 2 * Double(width) * Double(vocabulary)
        )
    }
}
