import HeedSupport

/// How a row's text is held at one surprise.
public struct MirostatOptions: Sendable, Equatable {
    /// 1: as published, by an estimate of Zipf's exponent; 2: by the surprise of each candidate.
    public var version: Int
    /// The surprise to hold, in bits a token.
    public var target: Double
    /// How fast the bound follows.
    public var rate: Double

    /// The usual numbers.
    public init(version: Int = 2, target: Double = 5, rate: Double = 0.1) {
        self.version = version
        self.target = target
        self.rate = rate
    }
}

/// Holds the surprise of a text at a target τ (Basu et al. 2021, "Mirostat: a neural text decoding algorithm that
/// directly controls perplexity").
///
/// μ begins at 2τ. Before each draw, candidates are cut by μ: version 1 keeps the k most likely,
/// k = (ε·2^μ / (1 − N^−ε))^(1/s) with ε = s − 1 and the exponent s estimated from the first 100; version 2 keeps those
/// of a surprise −log₂ p up to μ. After it, μ ← μ − η (S − τ), S being the surprise of the drawn id in the
/// distribution before the cut.
struct Mirostat {
    private let options: MirostatOptions
    /// The bound, in bits.
    private(set) var bound: Double
    /// log Σ exp of the candidates before the cut, in nats.
    private var logSum = 0.0

    /// How many of the most likely ids the exponent is estimated from.
    private static let estimated = 100

    init(_ options: MirostatOptions) {
        self.options = options
        bound = 2 * options.target
    }

    /// Cuts the candidates.
    mutating func cut(_ candidates: inout CandidateSet) {
        let (exponentials, sum) = candidates.exponentials()
        logSum = ExactMathematics.log(sum) + Double(candidates.maximum)
        if options.version == 1 {
            let count = Mirostat.count(bound, estimatedExponent(&candidates), vocabulary: candidates.count)
            var kept = 0
            candidates.keepPrefix { _ in
                kept += 1
                return kept <= count
            }
        } else {
            let least = sum * ExactMathematics.exp(-bound * 0.6931471805599453)
            candidates.keep(atLeast: 1) { Double(exponentials[$0]) >= least }
        }
    }

    /// The id was drawn: the bound moves.
    mutating func learn(_ id: Int32, _ candidates: borrowing CandidateSet) {
        guard let logit = candidates.logit(of: id) else { return }
        let surprise = (logSum - Double(logit)) * 1.4426950408889634
        bound -= options.rate * (surprise - options.target)
    }

    /// s = Σ tᵢ bᵢ / Σ tᵢ², tᵢ = log((i + 1)/i), bᵢ = log(pᵢ/pᵢ₊₁) over the most likely ids.
    private func estimatedExponent(_ candidates: inout CandidateSet) -> Double {
        var (above, below) = (0.0, 0.0)
        var previous: Float?
        var rank = 0
        candidates.visitMostLikely { logit in
            if let previous {
                let step = ExactMathematics.log(Double(rank + 1) / Double(rank))
                above += step * (Double(previous) - Double(logit))
                below += step * step
            }
            previous = logit
            rank += 1
            return rank < Mirostat.estimated
        }
        return below > 0 ? above / below : 1
    }

    /// How many candidates the exponent and the bound leave, at least 1.
    static func count(_ bound: Double, _ exponent: Double, vocabulary: Int) -> Int {
        let size = Double(vocabulary)
        let epsilon = exponent - 1
        let power = ExactMathematics.pow(2, bound)
        // The limit of ε / (1 − N^−ε) for ε → 0 is 1 / log N.
        let factor =
            abs(epsilon) < 1e-6
            ? 1 / ExactMathematics.log(max(size, 2)) : epsilon / (1 - ExactMathematics.pow(size, -epsilon))
        let count = ExactMathematics.pow(factor * power, 1 / exponent)
        // As the authors do, one more than the formula says, so that it is never none.
        return count.isFinite && count < size ? max(1, Int(count.rounded()) + 1) : vocabulary
    }
}
