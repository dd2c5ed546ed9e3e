import HeedModels
import HeedSupport
import HeedTensor

/// What the steps of a run share.
public struct StepOptions: Sendable, Equatable {
    /// Sequences of a micro-batch.
    public var batch = 12
    /// Tokens of a sequence.
    public var context = 64
    /// Micro-batches of an optimiser step.
    public var accumulate = 1
    public var beta1 = 0.9
    public var beta2 = 0.95
    public var epsilon = 1e-8
    public var weightDecay = 0.1
    /// The largest gradient norm; nil: no clipping.
    public var clip: Double? = 1
    /// nil: the model's own rates.
    public var dropout: Float?
    public var labelSmoothing: Float = 0
    public var precision = Precision.float32
    public var seed: UInt64 = 1

    public init() {}
}

/// Fills micro-batches; what it gives depends on step and part only.
public protocol BatchSource {
    /// Clears `batch` and fills it with micro-batch `part` of optimiser step `step` (from 1), targets included.
    func fill(_ batch: TokenBatch, step: Int, part: Int) throws
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

/// Loss → gradients → update for a decoder, one optimiser step at a time.
///
/// A step's bits depend on the weights, its data, the seed and its number: not on threads nor on how it is cut into
/// micro-batches. Nothing is allocated after the first step.
public final class TrainingStep {
    public let model: Model
    public let update: AdamWUpdate
    /// What the plan holds, for reports.
    public let plan: Plan
    private let options: StepOptions
    private let batch: TokenBatch
    private let trace: Trace
    private let readout: LossReadout
    private let gradients: ParameterBuffer

    /// Plans the step.
    ///
    /// - Throws: `HeedError` when memory is refused.
    public init(_ model: Model, _ options: StepOptions, runtime: Runtime) throws {
        self.model = model
        self.options = options
        gradients = try ParameterBuffer(model.parameters.layout)
        batch = TokenBatch(rowCapacity: options.batch * options.context, sequenceCapacity: options.batch)
        trace = Trace(for: .training, maximumLength: options.context, precision: options.precision)
        let whole = try model.decoder
        let decoder = options.dropout.map { whole.withDropout($0) } ?? whole
        let states = decoder(batch, in: trace)
        readout = decoder.loss(states, targets: batch, smoothing: options.labelSmoothing)
        plan = try Plan(
            trace, parameters: model.parameters, gradients: gradients, kernels: runtime.kernels, team: runtime.team)
        update = try AdamWUpdate(
            model.parameters, gradients: gradients, decay: Float(options.weightDecay), runtime: runtime)
    }

    /// Makes optimiser step `step` (from 1) at learning rate `rate`.
    ///
    /// - Throws: `HeedError` (`numeric`) when loss or gradient is not finite: the weights are as before the step, and
    ///   the message names the step and the first tensor.
    public func run(step: Int, rate: Double, from source: some BatchSource) throws -> StepResult {
        // The normaliser must be known before the first gradient.
        var counted = 0
        if options.accumulate > 1 {
            for part in 0..<options.accumulate {
                try source.fill(batch, step: step, part: part)
                counted += countedTargets
            }
        }
        var loss = 0.0
        var tokens = 0
        for part in 0..<options.accumulate {
            try source.fill(batch, step: step, part: part)
            if options.accumulate == 1 { counted = countedTargets }
            guard counted > 0 else {
                throw HeedError(
                    .badInput, "no target of step \(step) counts", advice: "Look at the labels of the data.")
            }
            trace.lossScale.value = 1 / Float(counted)
            trace.randomState.set(seed: options.seed, step: step, rowBase: tokens)
            plan.forward()
            plan.backward()
            readout.add(to: &loss)
            tokens += batch.rows.current
        }
        plan.finishGradients()
        let norm = update.gradientNorm()
        guard norm.isFinite, loss.isFinite else { throw diverged(step, loss) }
        let factor = options.clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1
        update.apply(
            step: step, rate: rate, beta1: options.beta1, beta2: options.beta2, epsilon: options.epsilon, clip: factor)
        return StepResult(loss: loss / Double(counted), gradientNorm: norm, tokens: tokens)
    }

    private var countedTargets: Int {
        var count = 0
        for row in 0..<batch.rows.current where batch.targets[row] != TokenBatch.ignored { count += 1 }
        return count
    }

    private func diverged(_ step: Int, _ loss: Double) -> HeedError {
        let place = gradients.firstNonFinite()
        let name = place.map { found in
            model.checkpoint.first { $0.parameter == found.parameter }?.name ?? found.parameter.name
        }
        return HeedError(
            .numeric,
            "step \(step) gave numbers that are not finite"
                + (name.map { ", first in the gradient of \($0)" } ?? ""),
            expected: "a finite loss and gradient", got: "loss \(loss / Double(max(countedTargets, 1)))",
            advice: "The weights are those of the step before. Lower --lr, raise --warmup or set --clip, and resume.")
    }
}
