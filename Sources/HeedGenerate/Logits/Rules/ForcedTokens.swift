/// Leaves only given ids, at logit 0, at one place.
struct ForcedTokens: LogitsRule {
    enum Place {
        /// Behind the id that a decoder starts with, where nothing else has been given, as in `transformers`.
        case afterStart
        /// As the last possible one of so many new ids.
        case last(of: Int)
    }

    let ids: [Int32]
    let place: Place

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        switch place {
        case .afterStart: guard sequence.history.count == 1 else { return }
        case .last(let count): guard sequence.generated == count - 1 else { return }
        }
        logits.update(repeating: -.infinity)
        for id in ids where id >= 0 && Int(id) < logits.count { logits[Int(id)] = 0 }
    }
}
