import HeedSupport

/// The rules that look at the ids before: they change a row of logits `[V]` in place.
///
/// Order: repetition penalty, n-gram ban, bad words, minimum length, forced first and last token, suppression; as in
/// Hugging Face's `generate`. A banned id gets −∞. Nothing is allocated after `init`.
/// Cost: the ids before, times the n-gram size; not the vocabulary.
public struct LogitsRules: ~Copyable {
    private let options: GenerationOptions
    private let vocabulary: Int
    /// Which ids this row has already penalised: those whose stamp is the current one.
    private let stamps: UnsafeMutablePointer<UInt32>
    private var stamp: UInt32 = 0

    /// Prepares the rules for rows of `vocabulary` logits.
    public init(options: GenerationOptions, vocabulary: Int) {
        self.options = options
        self.vocabulary = vocabulary
        stamps = .allocate(capacity: vocabulary)
        stamps.initialize(repeating: 0, count: vocabulary)
    }

    deinit { stamps.deallocate() }

    /// Applies the rules to `logits`.
    ///
    /// - Parameters:
    ///   - history: the ids before, prompt included (for an encoder-decoder: those of the decoder).
    ///   - generated: how many of them are new.
    public mutating func apply(
        to logits: UnsafeMutableBufferPointer<Float>, history: UnsafeBufferPointer<Int32>, generated: Int
    ) {
        if options.repetitionPenalty != 1 { penalise(logits, history) }
        if options.noRepeatNgramSize > 0 { banRepeated(logits, history) }
        for word in options.badWords { banCompletion(of: word, logits, history) }
        if generated < options.minNewTokens {
            for id in options.endTokens { ban(id, logits) }
        }
        if let begin = options.forcedBeginToken, generated == 0 { force([begin], logits) }
        if !options.forcedEndTokens.isEmpty, generated == options.maxNewTokens - 1 {
            force(options.forcedEndTokens, logits)
        }
        for id in options.suppressedTokens { ban(id, logits) }
    }

    private func ban(_ id: Int32, _ logits: UnsafeMutableBufferPointer<Float>) {
        if id >= 0, Int(id) < logits.count { logits[Int(id)] = -.infinity }
    }

    private mutating func penalise(
        _ logits: UnsafeMutableBufferPointer<Float>, _ history: UnsafeBufferPointer<Int32>
    ) {
        stamp &+= 1
        if stamp == 0 {  // after 2³² rows the old stamps would be mistaken for new ones
            stamps.update(repeating: 0, count: vocabulary)
            stamp = 1
        }
        let penalty = Float(options.repetitionPenalty)
        for id in history where id >= 0 && Int(id) < vocabulary && stamps[Int(id)] != stamp {
            stamps[Int(id)] = stamp
            let logit = logits[Int(id)]
            logits[Int(id)] = logit < 0 ? logit * penalty : logit / penalty
        }
    }

    /// Bans every id that followed an earlier occurrence of the last n − 1 ids.
    private func banRepeated(_ logits: UnsafeMutableBufferPointer<Float>, _ history: UnsafeBufferPointer<Int32>) {
        let size = options.noRepeatNgramSize
        let count = history.count
        guard count >= size else { return }
        let suffix = count - (size - 1)
        for start in 0...(count - size) {
            var offset = 0
            while offset < size - 1, history[start + offset] == history[suffix + offset] { offset += 1 }
            if offset == size - 1 { ban(history[start + size - 1], logits) }
        }
    }

    private func banCompletion(
        of word: [Int32], _ logits: UnsafeMutableBufferPointer<Float>, _ history: UnsafeBufferPointer<Int32>
    ) {
        guard let last = word.last, history.count >= word.count - 1 else { return }
        let start = history.count - (word.count - 1)
        for offset in 0..<(word.count - 1) where history[start + offset] != word[offset] { return }
        ban(last, logits)
    }

    /// Leaves only the given ids, at logit 0.
    private func force(_ ids: [Int32], _ logits: UnsafeMutableBufferPointer<Float>) {
        logits.update(repeating: -.infinity)
        for id in ids where id >= 0 && Int(id) < logits.count { logits[Int(id)] = 0 }
    }
}
