import HeedModels
import HeedSupport
import HeedTensor

/// Measures the loss of an encoder-decoder on sentence pairs, without smoothing and dropout.
public final class PairLoss {
    private let source: TokenBatch
    private let batch: TokenBatch
    private let plan: Plan
    private let losses: [RecordedLoss]
    private let text: ParallelText
    private let start: Int32

    /// Plans passes over the batches of `text`, which should be in sequential order.
    ///
    /// - Throws: `HeedError` when the model reads no source or memory is refused.
    public init(_ model: Model, _ text: ParallelText, precision: Precision = .float32, runtime: Runtime) throws {
        let layers = try model.encoderDecoder
        self.text = text
        start = Int32(layers.configuration.start)
        let capacity = text.capacity
        batch = TokenBatch(rowCapacity: capacity.tokens, sequenceCapacity: capacity.sequences)
        source = TokenBatch(rowCapacity: capacity.sourceTokens, sequenceCapacity: capacity.sequences)
        let trace = Trace(for: .inference, maximumLength: capacity.length, precision: precision)
        losses = model.architecture.losses(batch, source: source, in: trace)
        plan = try Plan(trace, parameters: model.parameters, kernels: runtime.kernels, team: runtime.team)
    }

    /// The mean over all target ids, in nats, with the weights as they stand.
    public func measure() throws -> Double {
        var sum = 0.0
        var counted = 0
        for indices in text.batches(ofEpoch: 0) {
            batch.clear()
            source.clear()
            for index in indices { try text.pairs[index].append(to: batch, source: source, start: start) }
            plan.forward()
            for loss in losses {
                loss.readout.add(to: &sum)
                counted += loss.counted
            }
        }
        let mean = sum / Double(max(counted, 1))
        guard mean.isFinite else {
            throw HeedError(
                .numeric, "the validation loss is not finite", expected: "a finite loss", got: "\(mean)",
                advice: "The model diverged: lower --lr or raise --warmup.")
        }
        return mean
    }
}
