import HeedModels
import HeedSupport
import HeedTensor

/// Measures the loss of any architecture, without smoothing and dropout.
final class LossMeter {
    private let batch: TokenBatch
    private let source: TokenBatch
    private let plan: Plan
    private let losses: [RecordedLoss]

    /// Plans passes over batches of `capacity`.
    ///
    /// - Throws: `HeedError` when memory is refused.
    init(_ model: Model, _ capacity: StepCapacity, precision: Precision, runtime: Runtime) throws {
        batch = TokenBatch(rowCapacity: capacity.tokens, sequenceCapacity: capacity.sequences)
        source = TokenBatch(rowCapacity: capacity.sourceTokens, sequenceCapacity: capacity.sequences)
        let trace = Trace(for: .inference, maximumLength: capacity.length, precision: precision)
        losses = model.architecture.losses(batch, source: source, in: trace)
        plan = try Plan(trace, parameters: model.parameters, kernels: runtime.kernels, team: runtime.team)
    }

    /// The sum of the means over all targets of `batches` batches, in nats, with the weights as they stand.
    func measure(batches: Int, fill: (_ number: Int, TokenBatch, _ source: TokenBatch) throws -> Void) throws -> Double
    {
        var sums = losses.map { _ in 0.0 }
        var counted = losses.map { _ in 0 }
        for number in 0..<batches {
            batch.clear()
            source.clear()
            try fill(number, batch, source)
            plan.forward()
            for (index, loss) in losses.enumerated() {
                loss.readout.add(to: &sums[index])
                counted[index] += loss.counted
            }
        }
        let mean = zip(sums, counted).reduce(0) { $0 + $1.0 / Double(max($1.1, 1)) }
        guard mean.isFinite else {
            throw HeedError(
                .numeric, "the validation loss is not finite", expected: "a finite loss", got: "\(mean)",
                advice: "The model diverged: lower --lr or raise --warmup.")
        }
        return mean
    }
}
