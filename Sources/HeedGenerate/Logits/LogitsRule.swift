/// What the ids so far say about the next one: changes the logits `[V]` of a row in place.
///
/// A rule bans an id by −∞. It allocates nothing, except where a rule says so.
protocol LogitsRule {
    /// Applies the rule to `logits`.
    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory)
}

/// The ids of a sequence so far.
struct SequenceView {
    /// All ids, prompt included (for an encoder-decoder: those of the decoder).
    let history: UnsafeBufferPointer<Int32>
    /// How many of them are new.
    let generated: Int

    /// The new ids.
    var new: Slice<UnsafeBufferPointer<Int32>> { history.suffix(generated) }

    /// Whether the ids end with those of `ids` before its last `but`.
    func ends(with ids: some RandomAccessCollection<Int32>, but: Int) -> Bool {
        let wanted = ids.dropLast(but)
        return history.count >= wanted.count && history.suffix(wanted.count).elementsEqual(wanted)
    }
}

extension UnsafeMutableBufferPointer<Float> {
    /// Takes an id out of the choice.
    func ban(_ id: Int32) {
        if id >= 0, Int(id) < count { self[Int(id)] = -.infinity }
    }
}
