/// Bans ids everywhere.
struct SuppressedTokens: LogitsRule {
    let ids: [Int32]

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        for id in ids { logits.ban(id) }
    }
}
