/// Adds a number to the logit of the last id of given sequences where the ids so far end with the others; a sequence of
/// one id is a plain logit bias.
struct SequenceBias: LogitsRule {
    let biases: [TokenBias]

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        for bias in biases {
            guard let last = bias.ids.last, sequence.ends(with: bias.ids, but: 1), last >= 0, Int(last) < logits.count
            else { continue }
            logits[Int(last)] += bias.bias
        }
    }
}
