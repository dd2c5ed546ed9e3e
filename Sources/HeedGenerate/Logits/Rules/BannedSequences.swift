/// Bans the last id of given sequences where the ids so far end with the others.
struct BannedSequences: LogitsRule {
    let sequences: [[Int32]]

    /// As in `transformers`, a sequence that is one end id alone is not banned: the text could not end otherwise.
    init(_ sequences: [[Int32]], ends: [Int32]) {
        self.sequences = sequences.filter { sequence in sequence.count != 1 || !ends.contains(sequence[0]) }
    }

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        for banned in sequences { ban(banned, logits, sequence.history) }
    }

    private func ban(
        _ banned: [Int32], _ logits: UnsafeMutableBufferPointer<Float>, _ history: UnsafeBufferPointer<Int32>
    ) {
        guard let last = banned.last, history.count >= banned.count - 1 else { return }
        let start = history.count - (banned.count - 1)
        for offset in 0..<(banned.count - 1) where history[start + offset] != banned[offset] { return }
        logits.ban(last)
    }
}
