import HeedTensor

/// Where a half of a block normalises; f is attention or the feed-forward layer.
public enum NormPlacement: Sendable, Equatable {
    /// `x + f(norm(x))`: GPT-2, LLaMA, T5.
    case before
    /// `norm(x + f(x))`: the original transformer, BERT.
    case after
    /// `x + norm(f(x))`: OLMo 2.
    case answer
    /// `x + norm₂(f(norm₁(x)))`: Gemma 2 and 3.
    case around
}

/// What the halves of a block read.
public enum HalfOrder: Sendable, Equatable {
    /// Each the stream with the answer of the half before: nearly every model.
    case inTurn
    /// All the stream that came in, so that their answers are added to it at once: GPT-NeoX.
    case sideBySide
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

/// How positions enter the scores of a layer's attention to its own sequence.
public enum AttentionPositions: Sendable, Equatable {
    /// Not at all: they enter with the embeddings, or only through the mask.
    case absent
    /// Queries and keys are turned by their positions (Su et al. 2021).
    case rotary(RotaryShape)
    /// Learned offsets by distance.
    case relative(RelativeBuckets)
}

/// Which keys of its own sequence a token sees.
public enum AttentionMask: Sendable, Equatable {
    /// All.
    case full
    /// Those up to its own.
    case causal
}

/// The factor on the scores q · k.
public enum ScoreScale: Sendable, Equatable {
    /// 1/√(columns per head).
    case inverseRoot
    /// A number.
    case value(Float)
}

/// How the matrices of a new stack begin.
public enum Initialisation: Sendable, Equatable {
    /// Normal with one deviation everywhere, embeddings included.
    case normal(Float)
    /// The same, but matrices that write to the stream have 1/√(2 · layers) of it, so that the stream's variance does
    /// not grow with depth (Radford et al. 2019, section 2.3).
    case normalByDepth(Float)
    /// Uniform in ±√(6/(in + out)) (Glorot and Bengio 2010); embeddings normal with 1/√C.
    case glorot

    /// The standard deviation, where one number says it.
    public var deviation: Float? {
        switch self {
        case .normal(let deviation), .normalByDepth(let deviation): deviation
        case .glorot: nil
        }
    }
}

/// Everything that the blocks of one stack are made from: all published blocks are values of this.
public struct StackShape: Sendable, Equatable {
    /// How many blocks.
    public var layers: Int
    /// C, the columns of the stream.
    public var width: Int
    /// How many heads the queries have.
    public var heads: Int
    /// How many heads keys and values have; a divisor of `heads`.
    public var keyHeads: Int
    /// Columns per head; usually width / heads.
    public var headWidth: Int
    /// F of the feed-forward layer.
    public var inner: Int
    /// f of the feed-forward layer.
    public var activation: Activation = .gelu
    /// Whether the feed-forward layer is gated.
    public var gated = false
    /// Layer norm or root-mean-square norm.
    public var norm: NormKind = .layer
    /// What norms add under the root.
    public var epsilon: Float = 1e-5
    /// Where norms stand.
    public var placement: NormPlacement = .before
    /// Whether attention and the feed-forward layer follow each other or read the same.
    public var order: HalfOrder = .inTurn
    /// Whether the stack ends with one more norm.
    public var finalNorm = true
    /// Whether the last norm's rows are dropped from too, as in T5.
    public var dropsFinalNorm = false
    /// Which keys a token sees.
    public var mask: PerLayer<AttentionMask> = .all(.full)
    /// How positions enter the scores.
    public var positions: PerLayer<AttentionPositions> = .all(.absent)
    /// Whether the maps to queries, keys and values have offsets.
    public var projectionBias = true
    /// Whether attention's output map has an offset.
    public var outputBias = true
    /// Whether the maps of the feed-forward layer have offsets.
    public var feedForwardBias = true
    /// The factor on scores.
    public var scale: ScoreScale = .inverseRoot
    /// Whether scores of layer i are also divided by i + 1.
    public var scalesByLayer = false
    /// Rate on each half's answer.
    public var residualDropout: Float = 0
    /// Rate on attention weights.
    public var weightDropout: Float = 0
    /// Rate inside the feed-forward layer.
    public var innerDropout: Float = 0
    /// How matrices begin.
    public var initial: Initialisation = .normal(0.02)

    /// A stack from its sizes; keys have as many heads as queries, and heads span the width, unless given.
    public init(layers: Int, width: Int, heads: Int, keyHeads: Int? = nil, headWidth: Int? = nil, inner: Int) {
        self.layers = layers
        self.width = width
        self.heads = heads
        self.keyHeads = keyHeads ?? heads
        self.headWidth = headWidth ?? width / max(heads, 1)
        self.inner = inner
    }

    /// Whether any map of a block has an offset; setting it says so of all.
    public var hasBias: Bool {
        get { projectionBias || outputBias || feedForwardBias }
        set {
            projectionBias = newValue
            outputBias = newValue
            feedForwardBias = newValue
        }
    }

    /// Sets the rates of dropout on answers and attention weights.
    public mutating func drop(_ rate: Float) {
        residualDropout = rate
        weightDropout = rate
    }

    /// Floating-point operations of one token's way through the blocks, `keys` keys being visible; with `memory`, also
    /// to as many keys of a memory.
    public func operationsPerToken(keys: Double, memory: Bool = false) -> Double {
        let queries = Double(heads * headWidth)
        let both = Double(2 * keyHeads * headWidth)
        let attention = 2 * Double(width) * (queries + both) + 2 * queries * Double(width) + 4 * keys * queries
        let feedForward = 2 * Double(width * inner) * (gated ? 3 : 2)
        return Double(layers) * (attention * (memory ? 2 : 1) + feedForward)
    }
}

extension StackShape {
    /// How a table of embeddings before the stack begins.
    public var initialTable: Initialiser {
        switch initial {
        case .normal(let deviation), .normalByDepth(let deviation): .normal(deviation)
        case .glorot: .normal(1 / Float(max(width, 1)).squareRoot())
        }
    }

    /// How a matrix [rows, columns] begins that reads the stream, or (`writes`) that writes to it.
    func initialMatrix(in columns: Int, out rows: Int, writes: Bool = false) -> Initialiser {
        switch initial {
        case .normal(let deviation): .normal(deviation)
        case .normalByDepth(let deviation):
            .normal(writes ? deviation / Float(2 * max(layers, 1)).squareRoot() : deviation)
        case .glorot: .uniform((6 / Float(columns + rows)).squareRoot())
        }
    }

    /// What the attention of `layer` sees and how it scores.
    func attentionShape(layer: Int, causal: Bool) -> AttentionShape {
        var factor: Float
        switch scale {
        case .inverseRoot: factor = 1 / Float(headWidth).squareRoot()
        case .value(let value): factor = value
        }
        if scalesByLayer { factor /= Float(layer + 1) }
        return AttentionShape(heads: heads, keyHeads: keyHeads, width: headWidth, scale: factor, causal: causal)
    }

    /// The offsets by distance that some layer wants, where one does.
    var relativeBuckets: RelativeBuckets? {
        for case .relative(let buckets) in positions.distinct { return buckets }
        return nil
    }
}
