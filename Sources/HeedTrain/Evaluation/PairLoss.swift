import HeedModels
import HeedProcessor
import HeedTensor

/// Measures the loss of an encoder-decoder on sentence pairs, without smoothing and dropout.
public final class PairLoss {
    private let meter: LossMeter
    private let text: ParallelText
    private let start: Int32

    /// Plans passes over the batches of `text`, which should be in sequential order.
    ///
    /// - Throws: `HeedError` when the model reads no source or memory is refused.
    public init(_ model: Model, _ text: ParallelText, precision: Precision = .float32, runtime: Runtime) throws {
        start = Int32(try model.encoderDecoder.configuration.start)
        self.text = text
        meter = try LossMeter(model, text.capacity, precision: precision, runtime: runtime)
    }

    /// The mean over all target ids, in nats, with the weights as they stand.
    public func measure() throws -> Double {
        let batches = text.batches(ofEpoch: 0)
        let losses = try meter.measure(batches: batches.count) { number, input in
            for index in batches[number] { try text.pairs[index].append(to: input, start: start) }
        }
        return losses?.total ?? 0
    }
}
