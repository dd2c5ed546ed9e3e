import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// Measures the losses of any architecture, without smoothing and dropout.
final class LossMeter {
    private let input: StepInput
    private let pass: Pass<[RecordedLoss]>

    /// Plans passes over batches of `capacity`.
    ///
    /// - Throws: `HeedError` when memory is refused.
    init(_ model: Model, _ capacity: StepCapacity, precision: Precision, runtime: Runtime) throws {
        let input = StepInput(capacity, readsSource: model.architecture.readsSource)
        self.input = input
        pass = try runtime.pass(
            model.weights, for: .inference, maximumLength: capacity.length, precision: precision
        ) { trace in model.architecture.losses(input.tokens, source: input.source, in: trace) }
    }

    /// What each loss comes to over all targets of `batches` batches, with the weights as they stand.
    ///
    /// - Parameter shouldStop: asked between batches; on true the rest is left out and nil returned.
    /// - Throws: `HeedError` (`numeric`) when a loss is not finite.
    func measure(
        batches: Int, shouldStop: () -> Bool = { false }, fill: (_ number: Int, StepInput) throws -> Void
    ) throws -> [MeasuredLoss]? {
        let losses = pass.outputs
        var sums = losses.map { _ in 0.0 }
        var counted = losses.map { _ in 0 }
        for number in 0..<batches {
            if shouldStop() { return nil }
            input.clear()
            try fill(number, input)
            pass.forward()
            for (index, loss) in losses.enumerated() {
                loss.readout.add(to: &sums[index])
                counted[index] += loss.counted
            }
        }
        return try zip(sums, counted).map { try MeasuredLoss(finite: $0, tokens: $1) }
    }
}

extension [MeasuredLoss] {
    /// The sum of the means, as training minimises it.
    var total: Double { reduce(0) { $0 + $1.mean } }
}
