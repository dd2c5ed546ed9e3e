import HeedProcessor
import HeedSupport
import HeedTensor

/// What the steps of a run share.
public struct StepOptions: Sendable, Equatable {
    /// Sequences of a micro-batch.
    public var batch = 16
    /// Tokens of a sequence.
    public var context = 64
    /// Micro-batches of an optimiser step.
    public var accumulate = 1
    /// The rule that turns gradients into changes.
    public var optimiser = Optimiser.adamW
    /// The optimiser's memory of gradients.
    public var beta1 = 0.9
    /// The optimiser's memory of squared gradients.
    public var beta2 = 0.95
    /// The optimiser's ε.
    public var epsilon = 1e-8
    /// Decay per step and learning rate, of matrices and embeddings.
    public var weightDecay = 0.1
    /// The largest gradient norm; nil: no clipping.
    public var clip: Double? = 1
    /// nil: the model's own rates.
    public var dropout: Float?
    /// The share of the target that is spread over the vocabulary.
    public var labelSmoothing: Float = 0
    /// c of `c · log²Z`, which is added to the loss that is minimised (Chowdhery et al. 2022, "PaLM", section 5).
    public var logitPenalty: Float = 0
    /// How much of the running mean of the weights stays in a step; nil: there is none.
    public var average: Double?
    /// Operand format of matrix products.
    public var precision = Precision.float32
    /// Whether a step also reports the norm of each layer's gradient.
    public var reportsLayers = false
    /// What dropout masks come from.
    public var seed: UInt64 = 1
    /// Into how many parts a step is cut whose gradients are added in a fixed tree, so that ranks may share them: a power
    /// of two. The bits depend on it, and not on the number of ranks.
    public var shards = 1

    /// The usual way.
    public init() {}

    /// Cuts a step into micro-batches that shards can share: the same sequences, in micro-batches that are no larger.
    ///
    /// - Throws: `HeedError` (`usage`) when the sequences of a step do not divide.
    public mutating func cutIntoShards() throws {
        guard shards > 1, accumulate % shards != 0 else { return }
        let sequences = batch * accumulate
        try requireOption(
            "shards", sequences % shards == 0, expected: "a divisor of `batch` × `accumulate` (\(sequences))",
            got: "\(shards)")
        let each = sequences / shards
        let parts = (1...each).first { each % $0 == 0 && each / $0 <= batch } ?? each
        (batch, accumulate) = (each / parts, shards * parts)
    }

    /// Refuses shards that do not divide a step, and `ranks` that cannot share them.
    func requireShards(for ranks: Int) throws {
        let isPower = { (number: Int) in number > 0 && number & (number - 1) == 0 }
        try requireOption(
            "shards", isPower(shards) && accumulate % shards == 0,
            expected: "a power of two that divides the micro-batches of a step (\(accumulate))", got: "\(shards)")
        try requireOption(
            "ranks", isPower(ranks) && ranks <= shards,
            expected: "a power of two of at most `shards` (\(shards))", got: "\(ranks)")
    }

    /// What a micro-batch of `batch` sequences of `context` tokens holds.
    var capacity: StepCapacity {
        StepCapacity(tokens: batch * context, sourceTokens: batch * context, sequences: batch, length: context)
    }
}
