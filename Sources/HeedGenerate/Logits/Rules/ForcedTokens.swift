/// Leaves only given ids, at logit 0, as the new id of one number.
struct ForcedTokens: LogitsRule {
    let ids: [Int32]
    /// How many new ids come before the forced one.
    let place: Int

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        guard sequence.generated == place else { return }
        logits.update(repeating: -.infinity)
        for id in ids where id >= 0 && Int(id) < logits.count { logits[Int(id)] = 0 }
    }
}
