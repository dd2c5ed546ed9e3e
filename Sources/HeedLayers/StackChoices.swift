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
    /// Scores fall with the distance, in each head at a slope of its own (ALiBi, Press et al. 2022).
    case slopes
}

/// Which keys of its own sequence a token sees.
public enum AttentionMask: Sendable, Equatable {
    /// All.
    case full
    /// Those up to its own.
    case causal
    /// The last so many up to its own, itself among them.
    case causalWindow(Int)
    /// So many before its own and as many behind it.
    case window(Int)

    /// Whether a token sees none behind it.
    var isCausal: Bool {
        switch self {
        case .causal, .causalWindow: true
        case .full, .window: false
        }
    }
}

/// Whether queries and keys are normalised before they meet (Henry et al. 2020).
public enum QueryKeyNorm: Sendable, Equatable {
    /// They are not.
    case absent
    /// Each head by itself, with one gain for all: Qwen 3, Gemma 3.
    case perHead
    /// All heads of a token together: OLMo 2.
    case whole
}

/// Feed-forward layers of which each token meets a few (Shazeer et al. 2017).
public struct ExpertShape: Sendable, Equatable {
    /// How many there are.
    public var count: Int
    /// How many a token meets.
    public var chosen: Int
    /// F of each.
    public var inner: Int
    /// Whether the weights of a token's experts sum to 1.
    public var normalises: Bool

    /// `chosen` of `count` layers of `inner` columns.
    public init(count: Int, chosen: Int, inner: Int, normalises: Bool) {
        self.count = count
        self.chosen = chosen
        self.inner = inner
        self.normalises = normalises
    }
}

/// What a block's feed-forward half is.
public enum FeedForwardKind: Sendable, Equatable {
    /// One layer for all tokens.
    case dense
    /// A mixture of experts, each gated.
    case experts(ExpertShape)
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
