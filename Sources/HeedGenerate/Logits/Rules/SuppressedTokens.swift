/// Bans ids everywhere.
struct SuppressedTokens: LogitsRule {
    let ids: [Int32]

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        for id in ids { logits.ban(id) }
    }
}

/// Bans ids as the first new one; where a first one is forced, as the second.
struct BeginSuppressedTokens: LogitsRule {
    let ids: [Int32]
    let forcesFirst: Bool

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        let promptCount = sequence.history.count - sequence.generated
        guard sequence.generated == (forcesFirst && promptCount == 1 ? 1 : 0) else { return }
        for id in ids { logits.ban(id) }
    }
}
