/// Bans the last id of given sequences where the ids so far end with the others.
struct BannedSequences: LogitsRule {
    let sequences: [[Int32]]

    /// As in `transformers`, a sequence that is one end id alone is not banned: the text could not end otherwise.
    init(_ sequences: [[Int32]], ends: [Int32]) {
        self.sequences = sequences.filter { sequence in sequence.count != 1 || !ends.contains(sequence[0]) }
    }

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        for banned in sequences where sequence.ends(with: banned, but: 1) {
            if let last = banned.last { logits.ban(last) }
        }
    }
}
