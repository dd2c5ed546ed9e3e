import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// How far the next-token distributions of two models lie apart over a text.
public struct DistributionDifference: Sendable, Equatable {
    /// Places that were compared.
    public var tokens = 0
    /// The mean over places of KL(p‖q) = Σ p · (log p − log q), p the reference's distribution, in nats.
    public var meanDivergence: Double { tokens > 0 ? divergence / Double(tokens) : 0 }
    /// The largest of them.
    public var largestDivergence = 0.0
    /// The share of places at which both find the same id likeliest; of equals the first counts.
    public var agreement: Double { tokens > 0 ? Double(agreed) / Double(tokens) : 0 }
    /// `exp` of the reference's mean loss.
    public var referencePerplexity: Double {
        tokens > 0 ? ExactMathematics.exp(referenceLoss / Double(tokens)) : 0
    }

    private var divergence = 0.0
    private var agreed = 0
    private var referenceLoss = 0.0

    init() {}

    /// Adds one place: the reference's logits, the model's, and the id that follows.
    mutating func add(_ reference: UnsafeBufferPointer<Float>, _ model: UnsafeBufferPointer<Float>, next: Int) {
        let (p, q) = (Distribution(reference), Distribution(model))
        var sum = 0.0
        for id in reference.indices {
            let logP = Double(reference[id]) - p.logTotal
            sum += ExactMathematics.exp(logP) * (logP - (Double(model[id]) - q.logTotal))
        }
        tokens += 1
        // Rounding alone can take the sum of equal distributions below zero.
        divergence += max(sum, 0)
        largestDivergence = max(largestDivergence, sum)
        if p.likeliest == q.likeliest { agreed += 1 }
        referenceLoss += p.logTotal - Double(reference[next])
    }

    private struct Distribution {
        let likeliest: Int
        /// log Σ exp(logit).
        let logTotal: Double

        init(_ logits: UnsafeBufferPointer<Float>) {
            var likeliest = 0
            for id in logits.indices where logits[id] > logits[likeliest] { likeliest = id }
            let largest = Double(logits[likeliest])
            var total = 0.0
            for logit in logits { total += ExactMathematics.exp(Double(logit) - largest) }
            self.likeliest = likeliest
            logTotal = largest + ExactMathematics.log(total)
        }
    }
}

/// Compares a decoder with another of the same vocabulary, place by place over a text: what a number format costs.
public final class ModelComparison {
    private let batch: TokenBatch
    private let model: Pass<KeptTensor>
    private let reference: Pass<KeptTensor>
    private let context: Int
    private let scratch: UnsafeMutablePointer<Int32>

    /// - `context`: the ids of a window, at most what both models read.
    /// - Throws: `HeedError` where the vocabularies differ or memory is refused.
    public init(_ model: Model, against reference: Model, context: Int, runtime: Runtime) throws {
        let (one, other) = (try model.decoder, try reference.decoder)
        try requireSameVocabulary(one.configuration.vocabulary, other.configuration.vocabulary)
        guard context <= other.configuration.context else {
            throw HeedError(
                .usage, "the model that is compared with reads shorter texts",
                expected: "--context of at most \(other.configuration.context)", got: "\(context)")
        }
        self.context = context
        let batch = TokenBatch(rowCapacity: context, sequenceCapacity: 1)
        self.batch = batch
        self.model = try runtime.pass(model.weights, for: .inference, maximumLength: context) { trace in
            one.logits(one(batch, in: trace)).kept()
        }
        self.reference = try runtime.pass(reference.weights, for: .inference, maximumLength: context) { trace in
            other.logits(other(batch, in: trace)).kept()
        }
        scratch = .allocate(capacity: context + 1)
        scratch.initialize(repeating: 0, count: context + 1)
    }

    deinit { scratch.deallocate() }

    /// The difference over `streams` in the windows that `StreamLoss` scores.
    ///
    /// - `shouldStop`: asked between windows; on true the rest is left out and nil returned.
    public func measure(
        _ streams: [TokenStream], stride: Int? = nil, shouldStop: () -> Bool = { false }
    ) throws -> DistributionDifference? {
        var difference = DistributionDifference()
        for stream in streams {
            var (start, scored) = (0, 0)
            while scored < stream.count - 1 {
                let length = min(context, stream.count - 1 - start)
                stream.copy(from: start, count: length + 1, to: scratch)
                batch.clear()
                try batch.append(UnsafeBufferPointer(start: scratch, count: length))
                model.forward()
                reference.forward()
                for row in scored - start..<length {
                    reference[reference.outputs].withRow(row) { p in
                        model[model.outputs].withRow(row) { q in difference.add(p, q, next: Int(scratch[row + 1])) }
                    }
                }
                scored = start + length
                start += min(stride ?? context, context)
                if shouldStop() { return nil }
            }
        }
        return difference
    }
}

/// Ids of two models mean the same only where there are as many.
func requireSameVocabulary(_ one: Int, _ other: Int) throws {
    guard one == other else {
        throw HeedError(
            .badInput, "the models have different vocabularies", expected: "\(one) ids", got: "\(other)")
    }
}
