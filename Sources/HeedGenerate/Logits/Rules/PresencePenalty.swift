/// Takes a number from the logit of every id that has been generated: `logit − penalty` (not for ids of the prompt).
struct PresencePenalty: LogitsRule {
    let penalty: Float

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        memory.clearMarks()
        for id in sequence.new where id >= 0 && Int(id) < logits.count && memory.mark(id) {
            logits[Int(id)] -= penalty
        }
    }
}
