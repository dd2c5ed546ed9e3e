import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// The loss over a whole text: `−log p` of every token after the first.
public struct MeasuredLoss: Sendable, Equatable {
    /// Nats, summed over the scored tokens.
    public let sum: Double
    /// Scored tokens.
    public let tokens: Int

    /// Mean over the scored tokens, in nats.
    public var mean: Double { tokens > 0 ? sum / Double(tokens) : 0 }
    /// `exp(mean)`.
    public var perplexity: Double { ExactMathematics.exp(mean) }
    /// Bits per byte of a text of `bytes` bytes.
    public func bitsPerByte(_ bytes: Int) -> Double? {
        bytes > 0 ? sum / ExactMathematics.log(2) / Double(bytes) : nil
    }
}

extension MeasuredLoss {
    /// A sum that must be finite.
    ///
    /// - Throws: `HeedError` (`numeric`) when it is not.
    init(finite sum: Double, tokens: Int) throws {
        guard sum.isFinite else {
            throw HeedError(
                .numeric, "the loss is not finite after \(grouped(tokens)) tokens", expected: "a finite loss",
                got: "\(sum)",
                advice:
                    "The weights are damaged, or training diverged: a lower learning rate or a longer warm-up helps.")
        }
        (self.sum, self.tokens) = (sum, tokens)
    }
}

/// Measures the loss of a decoder on text: a plan of forward passes that training and `heed evaluate` share.
///
/// Windows of T inputs begin every `stride` ids; each scores the targets that no earlier window scored, so with
/// stride < T every token but those of the first window has at least T − stride tokens before it. The last window may
/// be shorter; nothing is padded. The numbers are the model's own, read as they stand at each call.
public final class StreamLoss {
    private let batch: TokenBatch
    private let pass: Pass<LossReadout>
    private let context: Int
    private let sequences: Int
    private let scratch: UnsafeMutablePointer<Int32>

    /// - `context`: T, at most the model's.
    /// - `batch`: windows computed together, by default as many as make some 4,096 tokens; changes no bit.
    /// - Throws: `HeedError` when memory is refused.
    public init(
        _ model: Model, context: Int, batch given: Int? = nil, precision: Precision = .float32,
        runtime: Runtime
    ) throws {
        let sequences = given ?? max(1, min(16, 4096 / max(context, 1)))
        self.context = context
        self.sequences = sequences
        let batch = TokenBatch(rowCapacity: sequences * context, sequenceCapacity: sequences)
        self.batch = batch
        let decoder = try model.decoder
        pass = try runtime.pass(
            model.weights, for: .inference, maximumLength: context, precision: precision
        ) { trace in decoder.loss(decoder(batch, in: trace), targets: batch) }
        scratch = .allocate(capacity: context + 1)
        scratch.initialize(repeating: 0, count: context + 1)
    }

    deinit { scratch.deallocate() }

    /// The loss on `streams`, windows beginning every `stride` ids (by default T: no overlap).
    ///
    /// - `shouldStop`: asked between batches; on true the rest is left out and nil returned.
    /// - Throws: `HeedError` (`numeric`) when the loss is not finite.
    public func measure(
        _ streams: [TokenStream], stride: Int? = nil, progress: ((_ done: Int, _ total: Int) -> Void)? = nil,
        shouldStop: () -> Bool = { false }
    ) throws -> MeasuredLoss? {
        var total = Total()
        let all = streams.reduce(0) { $0 + max($1.count - 1, 0) }
        for stream in streams {
            var (start, scored) = (0, 0)
            while scored < stream.count - 1 {
                batch.clear()
                while batch.sequences.current < sequences, scored < stream.count - 1 {
                    let length = min(context, stream.count - 1 - start)
                    try append(stream, from: start, length: length, skipping: scored - start)
                    scored = start + length
                    start += min(stride ?? context, context)
                }
                try run(&total)
                progress?(total.tokens, all)
                if shouldStop() { return nil }
            }
        }
        return try MeasuredLoss(finite: total.sum, tokens: total.tokens)
    }

    private struct Total {
        var sum = 0.0
        var tokens = 0
    }

    private func append(_ stream: TokenStream, from start: Int, length: Int, skipping: Int) throws {
        stream.copy(from: start, count: length + 1, to: scratch)
        let base = batch.rows.current
        try batch.append(UnsafeBufferPointer(start: scratch, count: length))
        for i in skipping..<length { batch.targets[base + i] = scratch[i + 1] }
    }

    private func run(_ total: inout Total) throws {
        pass.forward()
        pass.outputs.add(to: &total.sum)
        for row in 0..<batch.rows.current where batch.targets[row] != TokenBatch.ignored { total.tokens += 1 }
    }
}
