import HeedProcessor
import HeedModels
import HeedSupport
import HeedTensor

/// Which source ids an encoder-decoder looked at when it wrote each target id.
///
/// The weights of attention to the source, averaged over the heads of one decoder layer. The layer before the last
/// follows the words best in trained models (Garg et al. 2019, section 3.1). Cost: one forward pass over both sides,
/// without the output matrix.
public final class SourceAligner {
    /// The decoder layer whose weights are taken.
    public let layer: Int
    private let source: TokenBatch
    private let target: TokenBatch
    private let pass: Pass<Void>
    private let heads: Int
    private let longest: Int

    /// A sequence with its source.
    public struct Pair: Sendable {
        /// What the encoder reads.
        public var source: [Int32]
        /// What the decoder reads: its start, then all ids but the last.
        public var target: [Int32]

        /// A pair of ids as the two sides read them.
        public init(source: [Int32], target: [Int32]) {
            self.source = source
            self.target = target
        }
    }

    /// Prepares passes over sequences of up to `longest` ids on either side.
    ///
    /// - `layer`: of the decoder, from 0; nil: the last but one.
    /// - Throws: `HeedError` for a model that reads no source, or a layer that is not there.
    public init(
        _ model: Model, longest: Int, layer: Int? = nil, precision: Precision = .float32, runtime: Runtime
    ) throws {
        let layers = try model.encoderDecoder
        let stack = layers.configuration.decoder
        let chosen = layer ?? max(0, stack.layers - 2)
        guard (0..<stack.layers).contains(chosen) else {
            throw HeedError(
                .usage, "the model has no such decoder layer", in: "`alignmentLayer`",
                expected: "0 to \(stack.layers - 1)", got: "\(chosen)")
        }
        self.layer = chosen
        self.longest = max(1, longest)
        heads = stack.heads
        let capacity = max(self.longest, 1_024)
        source = TokenBatch(rowCapacity: capacity, sequenceCapacity: capacity)
        target = TokenBatch(rowCapacity: capacity, sequenceCapacity: capacity)
        pass = try ModelPasses(model: model, runtime: runtime, precision: precision)
            .alignment(source: source, target: target, longest: self.longest)
    }

    /// Returns for every pair the weights [target ids, source ids]; every row sums to 1.
    ///
    /// - Throws: `HeedError` when a side is empty or longer than announced.
    public func align(_ pairs: [Pair]) throws -> [[[Float]]] {
        var result: [[[Float]]] = []
        result.reserveCapacity(pairs.count)
        var first = 0
        while first < pairs.count {
            source.clear()
            target.clear()
            var end = first
            while end < pairs.count {
                let pair = pairs[end]
                guard (1...longest).contains(pair.source.count), (1...longest).contains(pair.target.count) else {
                    throw HeedError(
                        .badInput, "pair \(end + 1) has no usable length", expected: "1 to \(longest) ids a side",
                        got: "\(pair.source.count) and \(pair.target.count)")
                }
                guard source.rows.current + pair.source.count <= source.rows.capacity,
                    target.rows.current + pair.target.count <= target.rows.capacity
                else { break }
                try source.append(pair.source)
                try target.append(pair.target)
                end += 1
            }
            pass.forward()
            for sequence in 0..<(end - first) {
                let keys = pairs[first + sequence].source.count
                let rows = Int(target.offsets[sequence])..<Int(target.offsets[sequence + 1])
                result.append(rows.map { mean(row: $0, keys: keys) })
            }
            first = end
        }
        return result
    }

    /// The mean over heads of one row's weights.
    private func mean(row: Int, keys: Int) -> [Float] {
        var sums = [Float](repeating: 0, count: keys)
        pass.observation("cross_attentions.\(layer)")?.withRow(row) { weights in
            for head in 0..<heads {
                for key in 0..<keys { sums[key] += weights[head * longest + key] }
            }
        }
        return sums.map { $0 / Float(heads) }
    }
}
