/// Keeps candidates of at least `share` times the square of the highest probability: few where the model is sure.
struct TopA: CandidateFilter {
    let share: Double
    let atLeast: Int

    func apply(to candidates: inout CandidateSet) {
        let (exponentials, sum) = candidates.exponentials()
        let best = Double(laneMaximum(exponentials)) / sum
        let bound = share * best * best * sum
        candidates.keep(atLeast: atLeast) { Double(exponentials[$0]) >= bound }
    }
}
