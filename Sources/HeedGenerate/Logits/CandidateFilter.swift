/// Leaves some of the candidates for a draw; at least one.
protocol CandidateFilter {
    /// Removes candidates.
    func apply(to candidates: inout CandidateSet)
}
