import Heed
import HeedProcessor
import HeedSupport
import HeedTensor

/// `--against`: how far a model's distributions lie from another's.
struct Comparison {
    /// A model folder or file, or `f32`: the same model in 32-bit floats.
    let against: String
    let model: String
    let adapter: AdapterOption

    /// Compares over texts, in windows of `context` ids.
    func measure(
        _ loaded: Model, _ streams: [TokenStream], context: Int, stride: Int?, runtime: Runtime
    ) throws -> DistributionDifference {
        let comparison = try ModelComparison(loaded, against: reference(), context: context, runtime: runtime)
        return try finished(comparison.measure(streams, stride: stride, shouldStop: { Signals.isStopRequested }))
    }

    /// Compares over the targets of sentence pairs of up to `longest` ids a side.
    func measure(
        _ loaded: Model, _ pairs: [SentencePair], longest: Int, runtime: Runtime
    ) throws -> DistributionDifference {
        let text = try ParallelText(pairs, tokensPerBatch: max(256, longest), order: .sequential, seed: 0)
        let comparison = try PairComparison(loaded, against: reference(), text, runtime: runtime)
        return try finished(comparison.measure(shouldStop: { Signals.isStopRequested }))
    }

    private func reference() throws -> Model {
        try against == WeightForm.float32.rawValue
            ? adapter.load(model, weights: .float32) : Model.loadTelling(folder: against)
    }

    private func finished(_ found: DistributionDifference?) throws -> DistributionDifference {
        guard let found else { throw HeedError(.interrupted, "stopped on request before the end") }
        return found
    }
}

extension DistributionDifference {
    /// What `--json` adds.
    var report: JSONObject {
        [
            "kl_mean": .number(meanDivergence), "kl_max": .number(largestDivergence),
            "top1_agreement": .number(agreement), "against_perplexity": .number(referencePerplexity),
        ]
    }

    /// The same as lines.
    var lines: [String] {
        [
            "KL divergence   \(fixed(meanDivergence, 6)) nats in the mean, \(fixed(largestDivergence, 4)) at most",
            "same first      \(fixed(100 * agreement, 2)) % of places",
            "perplexity      \(fixed(referencePerplexity, 2)) of what it is compared with",
        ]
    }
}
