import HeedSupport

/// Keeps candidates of at least this probability (Hewitt et al. 2022, "Truncation sampling", section 4.2).
struct EpsilonCutoff: CandidateFilter {
    let probability: Double
    let atLeast: Int

    func apply(to candidates: inout CandidateSet) {
        let (exponentials, sum) = candidates.exponentials()
        let bound = probability * sum
        candidates.keep(atLeast: atLeast) { Double(exponentials[$0]) >= bound }
    }
}

/// Keeps candidates of at least min(ε, √ε · exp(−entropy)) (Hewitt et al. 2022, section 4.3).
struct EtaCutoff: CandidateFilter {
    let epsilon: Double
    let atLeast: Int

    func apply(to candidates: inout CandidateSet) {
        let bound = min(epsilon, epsilon.squareRoot() * ExactMathematics.exp(-candidates.entropy()))
        EpsilonCutoff(probability: bound, atLeast: atLeast).apply(to: &candidates)
    }
}
