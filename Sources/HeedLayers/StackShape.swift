import HeedSupport
import HeedTensor

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
    /// Whether layer norms have offsets.
    public var normOffset = true
    /// Whether the first block's attention reads normalised rows too; not where the embedding ends with a norm.
    public var firstNorm = true
    /// Whether the stack ends with one more norm.
    public var finalNorm = true
    /// Whether the last norm's rows are dropped from too, as in T5.
    public var dropsFinalNorm = false
    /// Which keys a token sees.
    public var mask: PerLayer<AttentionMask> = .all(.full)
    /// How positions enter the scores.
    public var positions: PerLayer<AttentionPositions> = .all(.absent)
    /// Whether queries and keys are normalised.
    public var queryKeyNorm: QueryKeyNorm = .absent
    /// What the feed-forward halves are.
    public var feedForward: PerLayer<FeedForwardKind> = .all(.dense)
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
    /// c of scores that are bent to c · tanh(score / c); nil: they are not.
    public var scoreCap: Float?
    /// Factor on each half's answer.
    public var residualScale: Float = 1
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
        let feedForward = (0..<layers).reduce(0.0) { sum, layer in
            switch self.feedForward[layer] ?? .dense {
            case .dense: sum + 2 * Double(width * inner) * (gated ? 3 : 2)
            case .experts(let experts):
                sum + 2 * Double(width) * Double(experts.count + 3 * experts.chosen * experts.inner)
            }
        }
        return Double(layers) * attention * (memory ? 2 : 1) + feedForward
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
    func attentionShape(layer: Int, _ mask: AttentionMask, _ positions: AttentionPositions) -> AttentionShape {
        var factor: Float
        switch scale {
        case .inverseRoot: factor = 1 / Float(headWidth).squareRoot()
        case .value(let value): factor = value
        }
        if scalesByLayer { factor /= Float(layer + 1) }
        var shape = AttentionShape(
            heads: heads, keyHeads: keyHeads, width: headWidth, scale: factor, causal: mask.isCausal)
        switch mask {
        case .full, .causal: break
        case .causalWindow(let keys): shape.window = AttentionWindow(before: max(keys, 1) - 1)
        case .window(let reach): shape.window = AttentionWindow(before: reach, after: reach)
        }
        shape.cap = scoreCap
        if positions == .slopes { shape.slopes = StackShape.slopes(heads: heads) }
        return shape
    }

    /// The slopes of ALiBi: 2^(−8/n), 2^(−16/n), … for the largest power of two n in `heads`, and for the heads beyond
    /// every other one of twice as many.
    static func slopes(heads: Int) -> [Float] {
        var power = 1
        while 2 * power <= heads { power *= 2 }
        func slope(_ index: Int, of count: Int) -> Float {
            Float(ExactMathematics.exp(-8 * Double(index) / Double(count) * ExactMathematics.log(2)))
        }
        let first = (1...power).map { slope($0, of: power) }
        return first + (0..<max(heads - power, 0)).map { slope(2 * $0 + 1, of: 2 * power) }
    }

    /// A norm of the stack's kind in `scope`.
    public func norm(_ scope: ParameterScope) -> Norm {
        Norm(scope, norm, width: width, epsilon: epsilon, offset: norm == .layer && normOffset)
    }

    /// The offsets by distance that some layer wants, where one does.
    var relativeBuckets: RelativeBuckets? {
        for case .relative(let buckets) in positions.distinct { return buckets }
        return nil
    }
}
