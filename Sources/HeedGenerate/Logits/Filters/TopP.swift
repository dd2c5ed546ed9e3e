/// Keeps the smallest set of most likely candidates whose probabilities sum to at least `mass` (Holtzman et al. 2020,
/// "nucleus sampling").
struct TopP: CandidateFilter {
    let mass: Double
    let atLeast: Int

    func apply(to candidates: inout CandidateSet) {
        let (exponentials, sum) = candidates.exponentials()
        var covered = 0.0
        var kept = 0
        candidates.keepPrefix { position in
            guard kept < atLeast || covered < mass * sum else { return false }
            covered += Double(exponentials[position])
            kept += 1
            return true
        }
    }
}
