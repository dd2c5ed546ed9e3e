/// Positive logits of ids seen before, prompt included, are divided by the penalty, negative ones multiplied (Keskar
/// et al. 2019, "CTRL", section 4.1). Cost: the ids before.
struct RepetitionPenalty: LogitsRule {
    let penalty: Float

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        memory.clearMarks()
        for id in sequence.history where id >= 0 && Int(id) < logits.count && memory.mark(id) {
            let logit = logits[Int(id)]
            logits[Int(id)] = logit < 0 ? logit * penalty : logit / penalty
        }
    }
}
