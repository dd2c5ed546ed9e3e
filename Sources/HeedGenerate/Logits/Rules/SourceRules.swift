/// Makes the ids of the source more likely, for a penalty above 1: positive logits are multiplied by it, negative ones
/// divided (`encoder_repetition_penalty` of `transformers`).
struct SourcePreference: LogitsRule {
    let penalty: Float
    let source: [Int32]

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        memory.clearMarks()
        let inverse = 1 / penalty
        for id in source where id >= 0 && Int(id) < logits.count && memory.mark(id) {
            let logit = logits[Int(id)]
            logits[Int(id)] = logit < 0 ? logit * inverse : logit / inverse
        }
    }
}

/// Bans every id that would complete an n-gram of the source (`encoder_no_repeat_ngram_size` of `transformers`).
struct SourceNgrams: LogitsRule {
    let size: Int
    let source: [Int32]

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        guard source.count >= size else { return }
        for start in 0...(source.count - size)
        where sequence.ends(with: source[start..<(start + size)], but: 1) {
            logits.ban(source[start + size - 1])
        }
    }
}
