/// Bans the end ids before a number of new ids.
struct MinimumLength: LogitsRule {
    let newTokens: Int
    let ends: [Int32]

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        guard sequence.generated < newTokens else { return }
        for id in ends { logits.ban(id) }
    }
}
