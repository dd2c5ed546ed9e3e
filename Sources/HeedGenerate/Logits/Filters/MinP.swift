/// Keeps candidates of at least `share` times the highest probability (Nguyen et al. 2024).
struct MinP: CandidateFilter {
    let share: Double
    let atLeast: Int

    func apply(to candidates: inout CandidateSet) {
        let exponentials = candidates.exponentials().values
        let bound = Double(laneMaximum(exponentials)) * share
        candidates.keep(atLeast: atLeast) { Double(exponentials[$0]) >= bound }
    }
}
