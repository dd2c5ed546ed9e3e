/// Takes a number from the logit of every id as often as it has been generated: `logit − count · penalty` (ids of the
/// prompt do not count).
struct FrequencyPenalty: LogitsRule {
    let penalty: Float

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        let counts = memory.counts
        for id in sequence.new where id >= 0 && Int(id) < logits.count { counts[Int(id)] += 1 }
        for id in sequence.new where id >= 0 && Int(id) < logits.count && counts[Int(id)] > 0 {
            logits[Int(id)] -= Float(counts[Int(id)]) * penalty
            counts[Int(id)] = 0
        }
    }
}
