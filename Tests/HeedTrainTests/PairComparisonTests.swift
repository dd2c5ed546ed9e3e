import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import Testing

@testable import HeedTrain

@Suite("Comparison of encoder-decoders")
struct PairComparisonTests {
    private static let vocabulary = 37

    private static func model(seed: UInt64, vocabulary: Int = vocabulary) throws -> Model {
        try Model(
            .encoderDecoder(
                .original(width: 32, layers: 2, heads: 4, inner: 64, vocabulary: vocabulary, context: 24)),
            family: .marian, seed: seed)
    }

    private static var pairs: [SentencePair] {
        (1...9).map { number in
            func ids(_ count: Int, _ factor: Int) -> [Int32] {
                (0..<count).map { Int32(($0 * factor + number) % (vocabulary - 3) + 3) }
            }
            return SentencePair(source: ids(1 + number * 5 % 11, 7), target: ids(1 + number * 3 % 8, 5))
        }
    }

    /// log p of every place of a target, each from a pass of its own.
    private func logs(_ model: Model, _ pair: SentencePair, _ runtime: Runtime) throws -> [[Double]] {
        let layers = try model.encoderDecoder
        let (source, target) = (
            TokenBatch(rowCapacity: 24, sequenceCapacity: 1), TokenBatch(rowCapacity: 24, sequenceCapacity: 1)
        )
        let pass = try runtime.pass(model.weights, for: .inference, maximumLength: 24) { trace in
            let memory = layers.encode(source, in: trace)
            return layers.logits(layers.decode(target, reading: memory, of: source, in: trace)).kept()
        }
        try source.append(pair.source)
        try target.append([Int32(layers.configuration.start)] + pair.target.dropLast())
        pass.forward()
        return pair.target.indices.map { row in
            let logits = pass[pass.outputs].withRow(row) { $0.map { Double($0) } }
            let total = ExactMathematics.log(logits.reduce(0) { $0 + ExactMathematics.exp($1) })
            return logits.map { $0 - total }
        }
    }

    @Test("the figures of the definition, pair by pair")
    func definition() throws {
        let runtime = try Runtime(threads: 2)
        let (model, reference) = (try Self.model(seed: 1), try Self.model(seed: 2))
        var (sum, largest, agreed, loss, count) = (0.0, 0.0, 0, 0.0, 0)
        for pair in Self.pairs {
            let (p, q) = (try logs(reference, pair, runtime), try logs(model, pair, runtime))
            for (row, next) in pair.target.enumerated() {
                let divergence = zip(p[row], q[row]).reduce(0) { $0 + ExactMathematics.exp($1.0) * ($1.0 - $1.1) }
                sum += divergence
                largest = max(largest, divergence)
                let best = [p[row], q[row]].map { row in row.firstIndex(of: row.max() ?? 0) }
                agreed += best[0] == best[1] ? 1 : 0
                loss -= p[row][Int(next)]
                count += 1
            }
        }
        let text = try ParallelText(Self.pairs, tokensPerBatch: 24, order: .sequential, seed: 0)
        let found = try #require(
            try PairComparison(model, against: reference, text, runtime: runtime).measure())
        #expect(found.tokens == count)
        #expect(abs(found.meanDivergence - sum / Double(count)) < 1e-6 && found.meanDivergence > 1e-4)
        #expect(abs(found.largestDivergence - largest) < 1e-6)
        #expect(found.agreement == Double(agreed) / Double(count))
        #expect(abs(found.referencePerplexity / ExactMathematics.exp(loss / Double(count)) - 1) < 1e-6)
        let same = try #require(try PairComparison(model, against: model, text, runtime: runtime).measure())
        #expect(same.meanDivergence == 0 && same.largestDivergence == 0 && same.agreement == 1)
        #expect(try PairComparison(model, against: model, text, runtime: runtime).measure { true } == nil)
    }

    @Test("models that do not speak of the same ids are refused")
    func refused() throws {
        let runtime = try Runtime(threads: 1)
        let text = try ParallelText(Self.pairs, tokensPerBatch: 24, order: .sequential, seed: 0)
        let (model, other) = (try Self.model(seed: 1), try Self.model(seed: 1, vocabulary: 41))
        #expect(throws: HeedError.self) { try PairComparison(model, against: other, text, runtime: runtime) }
        let decoder = try Model(
            .gpt2(width: 32, layers: 1, heads: 4, vocabulary: Self.vocabulary, context: 24), family: .gpt2, seed: 1)
        #expect(throws: HeedError.self) { try PairComparison(model, against: decoder, text, runtime: runtime) }
    }
}
