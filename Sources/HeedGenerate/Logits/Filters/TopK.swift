/// Keeps the k most likely candidates, and those that are as likely as the last of them.
struct TopK: CandidateFilter {
    let count: Int

    func apply(to candidates: inout CandidateSet) {
        guard count < candidates.count else { return }
        let logits = candidates.logits
        var kept = 0
        var last: Float = 0
        candidates.keepPrefix { position in
            guard kept < count || logits[position] == last else { return false }
            kept += 1
            last = logits[position]
            return true
        }
    }
}
