import HeedSupport

/// Keeps the candidates whose surprise −log p is nearest to the entropy, until their probabilities reach `mass`
/// (Meister et al. 2022, "Locally typical sampling").
struct Typical: CandidateFilter {
    let mass: Double
    let atLeast: Int

    func apply(to candidates: inout CandidateSet) {
        let entropy = candidates.entropy()
        let (exponentials, sum) = candidates.exponentials()
        let (logits, maximum, logSum) = (candidates.logits, Double(candidates.maximum), ExactMathematics.log(sum))
        var covered = 0.0
        var kept = 0
        var bound = -Float.infinity
        candidates.keepPrefix(by: { -Float(abs(logSum - (Double(logits[$0]) - maximum) - entropy)) }) { position, key in
            // Those as far from the entropy as the last one that was needed stay too.
            if kept >= atLeast, covered >= mass * sum, key < bound { return false }
            if covered < mass * sum { bound = key }
            covered += Double(exponentials[position])
            kept += 1
            return true
        }
    }
}
