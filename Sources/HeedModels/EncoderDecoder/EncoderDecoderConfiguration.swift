import HeedLayers
import HeedTensor

/// One stack of an encoder-decoder.
public struct StackShape: Sendable, Equatable {
    /// How many blocks.
    public var layers: Int
    /// How many heads.
    public var heads: Int
    /// Columns per head.
    public var headWidth: Int
    /// F of the feed-forward layer.
    public var inner: Int

    /// A stack from its sizes.
    public init(layers: Int, heads: Int, headWidth: Int, inner: Int) {
        self.layers = layers
        self.heads = heads
        self.headWidth = headWidth
        self.inner = inner
    }
}

/// Offsets on scores that depend on distance, one table per stack (Raffel et al. 2020, section 2.1).
public struct RelativeBuckets: Sendable, Equatable {
    /// Rows of the table.
    public var buckets: Int
    /// The distance from which on all share the last bucket.
    public var maximumDistance: Int

    /// Offsets for so many buckets of distances.
    public init(buckets: Int, maximumDistance: Int) {
        self.buckets = buckets
        self.maximumDistance = maximumDistance
    }
}

/// What is added to the logits.
public enum LogitsBias: Sendable, Equatable {
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
    /// C.
    public var width: Int
    /// The stack that reads the source.
    public var encoder: StackShape
    /// The stack that writes the target.
    public var decoder: StackShape
    /// f of the feed-forward layers.
    public var activation: Activation
    /// Whether the feed-forward layers are gated.
    public var gated: Bool = false
    /// Layer norm or root-mean-square norm.
    public var norm: NormKind = .layer
    /// What norms add under the root.
    public var epsilon: Float = 1e-5
    /// Whether norms stand before the halves of a block or behind them.
    public var placement: NormPlacement
    /// Whether each stack ends with one more norm.
    public var finalNorms: Bool
    /// Whether embeddings are normalised before the first block.
    public var embeddingNorm: Bool = false
    /// How positions enter the embeddings.
    public var positions: EmbeddedPositions
    /// Offsets on scores by distance; nil: none.
    public var relativeBuckets: RelativeBuckets?
    /// Turns queries and keys of each stack's attention to itself by their positions (Su et al. 2021); nil: no turning.
    public var rotary: RotaryPositions?
    /// Whether embeddings are multiplied by √C.
    public var scalesEmbedding: Bool
    /// Whether both sides read one table.
    public var sharedTable: Bool
    /// Whether the output matrix is the decoder's table.
    public var tied: Bool
    /// What is added to the logits.
    public var logitsBias: LogitsBias
    /// Factor on the states before the output matrix.
    public var headScale: Float = 1
    /// Whether scores are divided by √headWidth.
    public var scalesScores: Bool = true
    /// Whether maps have offsets.
    public var hasBias: Bool = true
    /// The id that starts every decoder sequence.
    public var start: Int
    /// The id that stands for nothing; its lookups give no gradient unless `trainsPadding`.
    public var padding: Int
    /// Whether lookups of the padding id give gradients all the same.
    public var trainsPadding: Bool = false
    /// Dropout rates: after embeddings and on each half's answer, on attention weights, inside the feed-forward layer.
    public var dropout: Float = 0
    /// Rate on attention weights.
    public var weightDropout: Float = 0
    /// Rate inside the feed-forward layer.
    public var innerDropout: Float = 0
    /// How matrices begin.
    public var initial: Initialisation = .normal(0.02)

    /// How matrices begin.
    public enum Initialisation: Sendable, Equatable {
        /// Normal with one deviation everywhere, embeddings included.
        case normal(Float)
        /// Uniform in ±√(6/(in + out)) (Glorot and Bengio 2010); embeddings normal with 1/√C.
        case glorot
    }

    /// A shape from what every shape must say; the rest has the values of a plain transformer.
    public init(
        sourceVocabulary: Int, vocabulary: Int, context: Int, width: Int, encoder: StackShape, decoder: StackShape,
        activation: Activation, placement: NormPlacement, finalNorms: Bool, positions: EmbeddedPositions,
        scalesEmbedding: Bool, sharedTable: Bool, tied: Bool, logitsBias: LogitsBias, start: Int, padding: Int
    ) {
        self.sourceVocabulary = sourceVocabulary
        self.vocabulary = vocabulary
        self.context = context
        self.width = width
        self.encoder = encoder
        self.decoder = decoder
        self.activation = activation
        self.placement = placement
        self.finalNorms = finalNorms
        self.positions = positions
        self.scalesEmbedding = scalesEmbedding
        self.sharedTable = sharedTable
        self.tied = tied
        self.logitsBias = logitsBias
        self.start = start
        self.padding = padding
    }

    /// The model of Vaswani et al. 2017 with one vocabulary for both sides, as Marian saves it: norms after each half,
    /// ReLU, sinusoids, √C on the embeddings, output matrix tied.
    public static func original(
        width: Int, layers: Int, heads: Int, inner: Int, vocabulary: Int, context: Int = 512, dropout: Float = 0.1,
        padding: Int? = nil
    ) -> EncoderDecoderConfiguration {
        let stack = StackShape(layers: layers, heads: heads, headWidth: width / max(heads, 1), inner: inner)
        var configuration = EncoderDecoderConfiguration(
            sourceVocabulary: vocabulary, vocabulary: vocabulary, context: context, width: width, encoder: stack,
            decoder: stack, activation: .relu, placement: .after,
            finalNorms: false, positions: .sinusoidal(SinusoidalPositions(layout: .halves)), scalesEmbedding: true,
            sharedTable: true, tied: true, logitsBias: .constant, start: padding ?? vocabulary - 1,
            padding: padding ?? vocabulary - 1)
        configuration.dropout = dropout
        configuration.initial = .glorot
        return configuration
    }

    /// Floating-point operations of one source token's way through the encoder, and of one target token's through the
    /// decoder and the output matrix, `keys` keys being visible everywhere.
    public func operations(keys: Double) -> (source: Double, target: Double) {
        let c = Double(width)
        func attention(_ stack: StackShape) -> Double {
            let queries = Double(stack.heads * stack.headWidth)
            return 8 * c * queries + 4 * keys * queries
        }
        func feedForward(_ stack: StackShape) -> Double { 2 * c * Double(stack.inner) * (gated ? 3 : 2) }
        return (
            Double(encoder.layers) * (attention(encoder) + feedForward(encoder)),
            Double(decoder.layers) * (2 * attention(decoder) + feedForward(decoder)) + 2 * c * Double(vocabulary)
        )
    }
}
