/// Bans every id that followed an earlier occurrence of the last n − 1 ids, so that no n-gram occurs twice.
/// Cost: the ids before, times n.
struct RepeatedNgrams: LogitsRule {
    let size: Int

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        let history = sequence.history
        let count = history.count
        guard count >= size else { return }
        let suffix = count - (size - 1)
        for start in 0...(count - size) {
            var offset = 0
            while offset < size - 1, history[start + offset] == history[suffix + offset] { offset += 1 }
            if offset == size - 1 { logits.ban(history[start + size - 1]) }
        }
    }
}
