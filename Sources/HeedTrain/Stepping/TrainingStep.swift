import HeedModels
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
    /// AdamW's memory of gradients.
    public var beta1 = 0.9
    /// AdamW's memory of squared gradients.
    public var beta2 = 0.95
    /// AdamW's ε.
    public var epsilon = 1e-8
    /// Decay per step and learning rate, of matrices and embeddings.
    public var weightDecay = 0.1
    /// The largest gradient norm; nil: no clipping.
    public var clip: Double? = 1
    /// nil: the model's own rates.
    public var dropout: Float?
    /// The share of the target that is spread over the vocabulary.
    public var labelSmoothing: Float = 0
    /// Operand format of matrix products.
    public var precision = Precision.float32
    /// What dropout masks come from.
    public var seed: UInt64 = 1

    /// The usual way.
    public init() {}
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
    /// Fills the empty `input` with micro-batch `part` of optimiser step `step` (from 1), targets included.
    func fill(_ input: StepInput, step: Int, part: Int) throws
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

/// What a step did.
public struct StepResult: Sendable, Equatable {
    /// Mean loss over the counted targets, in nats, before the update.
    public let loss: Double
    /// Gradient norm before clipping.
    public let gradientNorm: Double
    /// Tokens read.
    public let tokens: Int
}

/// Loss → gradients → update, one optimiser step at a time, for any architecture.
///
/// A step's bits depend on the weights, its data, the seed and its number: not on threads nor on how it is cut into
/// micro-batches. Nothing is allocated after the first step.
public final class TrainingStep {
    /// The model that learns.
    public let model: Model
    /// AdamW with its moments.
    public let update: AdamWUpdate
    /// The pass of a micro-batch, for reports.
    public let pass: Pass<[RecordedLoss]>
    private let options: StepOptions
    private let input: StepInput
    private let readsSource: Bool
    private var losses: [RecordedLoss] { pass.outputs }
    /// Counted targets and sums by loss, of the step that runs.
    private var counted: [Int]
    private var sums: [Double]

    /// Plans the step; a micro-batch holds `options.batch` sequences of `options.context` tokens unless `capacity` says
    /// otherwise.
    ///
    /// - Throws: `HeedError` when memory is refused.
    public init(_ model: Model, _ options: StepOptions, capacity: StepCapacity? = nil, runtime: Runtime) throws {
        self.model = model
        self.options = options
        let numbers = try model.weights.change()
        let tokens = options.batch * options.context
        let capacity =
            capacity
            ?? StepCapacity(tokens: tokens, sourceTokens: tokens, sequences: options.batch, length: options.context)
        let architecture = model.architecture.withDropout(options.dropout)
        readsSource = architecture.readsSource
        let input = StepInput(capacity, readsSource: readsSource)
        self.input = input
        pass = try runtime.pass(
            model.weights, for: .training, maximumLength: capacity.length, precision: options.precision
        ) { trace in
            architecture.losses(input.tokens, source: input.source, in: trace, smoothing: options.labelSmoothing)
        }
        counted = pass.outputs.map { _ in 0 }
        sums = pass.outputs.map { _ in 0 }
        guard let gradients = pass.gradients else { throw HeedError(.unsupported, "the pass has no gradients") }
        update = try AdamWUpdate(numbers, gradients: gradients, decay: Float(options.weightDecay), runtime: runtime)
    }

    /// Makes optimiser step `step` (from 1) at learning rate `rate`.
    ///
    /// - Throws: `HeedError` (`numeric`) when loss or gradient is not finite: the weights are as before the step, and
    ///   the message names the step and the first tensor.
    public func run(step: Int, rate: Double, from source: some BatchSource) throws -> StepResult {
        // The normalisers must be known before the first gradient.
        for index in losses.indices { counted[index] = 0 }
        if options.accumulate > 1 {
            for part in 0..<options.accumulate {
                try fill(from: source, step: step, part: part)
                for (index, loss) in losses.enumerated() { counted[index] += loss.counted }
            }
        }
        for index in losses.indices { sums[index] = 0 }
        var tokens = 0
        for part in 0..<options.accumulate {
            try fill(from: source, step: step, part: part)
            for (index, loss) in losses.enumerated() {
                if options.accumulate == 1 { counted[index] = loss.counted }
                // A loss that no target counts for is zero; masked-language training has no second sentences.
                loss.scale.value = 1 / Float(max(counted[index], 1))
            }
            guard counted.contains(where: { $0 > 0 }) else {
                throw HeedError(
                    .badInput, "no target of step \(step) counts", advice: "Look at the labels of the data.")
            }
            pass.trace.randomState.set(seed: options.seed, step: step, rowBase: tokens)
            pass.forward()
            pass.backward()
            for (index, loss) in losses.enumerated() { loss.readout.add(to: &sums[index]) }
            tokens += input.tokens.rows.current
        }
        pass.finishGradients()
        let norm = update.gradientNorm()
        var loss = 0.0
        for index in losses.indices { loss += sums[index] / Double(max(counted[index], 1)) }
        guard norm.isFinite, loss.isFinite else { throw diverged(step, loss) }
        let factor = options.clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1
        update.apply(
            step: step, rate: rate, beta1: options.beta1, beta2: options.beta2, epsilon: options.epsilon, clip: factor)
        return StepResult(loss: loss, gradientNorm: norm, tokens: tokens)
    }

    private func fill(from source: some BatchSource, step: Int, part: Int) throws {
        input.clear()
        try source.fill(input, step: step, part: part)
        guard !readsSource || input.source.sequences.current == input.tokens.sequences.current else {
            throw HeedError(
                .usage, "these data have no source side", expected: "sentence pairs for a model that translates",
                advice: "Give `source` and `target`, or rows with decoder_input_ids or labels.")
        }
    }

    private func diverged(_ step: Int, _ loss: Double) -> HeedError {
        let place = pass.gradients?.firstNonFinite()
        let name = place.map { found in
            model.checkpoint.first { $0.parameter == found.parameter }?.name ?? found.parameter.name
        }
        return HeedError(
            .numeric,
            "step \(step) gave numbers that are not finite"
                + (name.map { ", first in the gradient of \($0)" } ?? ""),
            expected: "a finite loss and gradient", got: "loss \(loss)",
            advice: "The weights are those of the step before. Lower `peak`, raise `warmup` or set `clip`, and resume.")
    }
}
