import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// Measures the loss of any architecture, without smoothing and dropout.
final class LossMeter {
    private let batch: TokenBatch
    private let source: TokenBatch
    private let pass: Pass<[RecordedLoss]>

    /// Plans passes over batches of `capacity`.
    ///
    /// - Throws: `HeedError` when memory is refused.
    init(_ model: Model, _ capacity: StepCapacity, precision: Precision, runtime: Runtime) throws {
        let batch = TokenBatch(rowCapacity: capacity.tokens, sequenceCapacity: capacity.sequences)
        let source = TokenBatch(rowCapacity: capacity.sourceTokens, sequenceCapacity: capacity.sequences)
        (self.batch, self.source) = (batch, source)
        pass = try runtime.pass(
            model.weights, for: .inference, maximumLength: capacity.length, precision: precision
        ) { trace in model.architecture.losses(batch, source: source, in: trace) }
    }

    /// The sum of the means over all targets of `batches` batches, in nats, with the weights as they stand.
    func measure(batches: Int, fill: (_ number: Int, TokenBatch, _ source: TokenBatch) throws -> Void) throws -> Double
    {
        let losses = pass.outputs
        var sums = losses.map { _ in 0.0 }
        var counted = losses.map { _ in 0 }
        for number in 0..<batches {
            batch.clear()
            source.clear()
            try fill(number, batch, source)
            pass.forward()
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
