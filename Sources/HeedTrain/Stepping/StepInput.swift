import HeedTensor

/// What a step's micro-batches count, where that is not the mean over their targets.
public struct PreparedStep: Sendable {
    /// The factor on the sum of losses of each micro-batch.
    public var scales: [Float]
    /// The loss that is reported.
    public var loss: Double
}

/// What a pass of training or measuring reads: the tokens whose states predict, with their targets, and the source of
/// each sequence for a model that reads one.
public struct StepInput: Sendable {
    /// The tokens whose states predict.
    public let tokens: TokenBatch
    /// Sequence s belongs to sequence s of `tokens`; empty where the model reads no source.
    public let source: TokenBatch

    /// Room for `capacity`; for a source only where the model reads one.
    public init(_ capacity: StepCapacity, readsSource: Bool) {
        tokens = TokenBatch(rowCapacity: capacity.tokens, sequenceCapacity: capacity.sequences)
        source = TokenBatch(
            rowCapacity: readsSource ? capacity.sourceTokens : 1,
            sequenceCapacity: readsSource ? capacity.sequences : 1)
    }

    /// Leaves nothing in it.
    public func clear() {
        tokens.clear()
        source.clear()
    }
}

/// Fills micro-batches; what it gives depends on step and part only.
public protocol BatchSource {
    /// Looks at the weights before a step; nil where losses are means over all targets of the step.
    func prepare(step: Int) throws -> PreparedStep?

    /// Fills the empty `input` with micro-batch `part` of optimiser step `step` (from 1), targets included.
    func fill(_ input: StepInput, step: Int, part: Int) throws
}

extension BatchSource {
    public func prepare(step: Int) throws -> PreparedStep? { nil }
}

/// How much a micro-batch may hold.
public struct StepCapacity: Sendable, Equatable {
    /// Tokens whose states predict.
    public var tokens: Int
    /// Tokens of the source, for a model that reads one.
    public var sourceTokens: Int
    /// How many sequences.
    public var sequences: Int
    /// The longest sequence on either side.
    public var length: Int

    /// Room for so many tokens and sequences.
    public init(tokens: Int, sourceTokens: Int = 1, sequences: Int, length: Int) {
        self.tokens = tokens
        self.sourceTokens = sourceTokens
        self.sequences = sequences
        self.length = length
    }
}
