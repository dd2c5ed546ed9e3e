import HeedSupport

/// Chooses the next token of a sequence from its logits.
///
/// Order: the rules of `LogitsRules`, then for draws temperature, top-k, top-p, min-p, typical, epsilon and eta cutoff,
/// softmax, draw. One chooser serves any number of sequences, one after the other, and allocates only in `init`.
public struct TokenChooser: ~Copyable {
    private let options: GenerationOptions
    private var rules: LogitsRules
    private var candidates: CandidateSet
    private let exponential = ExponentialKernel()
    /// A copy of the logits `[V]`, which rules and filters change.
    private let row: UnsafeMutableBufferPointer<Float>

    /// A chooser for rows of `vocabulary` logits.
    ///
    /// - Throws: `HeedError` of kind `usage` or `badInput` for options that make no sense.
    public init(options: GenerationOptions, vocabulary: Int) throws {
        try options.validate(vocabulary: vocabulary)
        self.options = options
        rules = LogitsRules(options: options, vocabulary: vocabulary)
        candidates = CandidateSet(vocabulary: vocabulary)
        row = .allocate(capacity: vocabulary)
        row.initialize(repeating: 0)
    }

    deinit { row.deallocate() }

    /// Returns the next id.
    ///
    /// - Parameters:
    ///   - logits: `[V]`.
    ///   - history: the ids before, prompt included.
    ///   - generated: how many of them are new; also the step of the random numbers.
    ///   - random: the numbers of this sequence.
    ///   - probabilities: where to write the distribution `[V]` the id was chosen from, or nil.
    /// - Throws: `HeedError` of kind `numeric` when the logits hold NaN or infinity, or every id is banned.
    public mutating func choose(
        logits: UnsafeBufferPointer<Float>, history: UnsafeBufferPointer<Int32>, generated: Int,
        random: SequenceRandom, probabilities: UnsafeMutableBufferPointer<Float>? = nil
    ) throws -> Int32 {
        try copy(logits)
        rules.apply(to: row, history: history, generated: generated)
        guard options.isRandom else {
            if let probabilities {
                try candidates.load(UnsafeBufferPointer(row))
                candidates.writeProbabilities(to: probabilities)
            }
            return try mostLikely(row)
        }
        try candidates.load(UnsafeBufferPointer(row), temperature: Float(options.temperature))
        filter(atLeast: options.minTokensToKeep)
        if let probabilities { candidates.writeProbabilities(to: probabilities) }
        return candidates.draw(uniform: random.uniform(step: generated))
    }

    /// Returns the log probabilities `[V]` of a beam's next ids, after the rules and, for draws, the filters.
    ///
    /// As Hugging Face does it: the softmax comes first and is not repeated. Valid until the next call.
    /// - Throws: `HeedError` of kind `numeric` when the logits hold NaN or infinity.
    mutating func logProbabilities(
        logits: UnsafeBufferPointer<Float>, history: UnsafeBufferPointer<Int32>, generated: Int
    ) throws -> UnsafeBufferPointer<Float> {
        try check(logits)
        guard candidates.withScratch({ logSoftmax(logits, into: row, scratch: $0, exponential: exponential) }) else {
            throw HeedError(
                .numeric, "the logits hold NaN or infinity", in: "logits",
                advice: "Check the weights with `heed verify`")
        }
        rules.apply(to: row, history: history, generated: generated)
        if options.isRandom, row.contains(where: { $0 > -.infinity }) {
            try candidates.load(UnsafeBufferPointer(row), temperature: Float(options.temperature))
            filter(atLeast: max(options.minTokensToKeep, max(2, options.endTokens.count + 1)))
            candidates.writeLogits(to: row)
        }
        return UnsafeBufferPointer(row)
    }

    private func copy(_ logits: UnsafeBufferPointer<Float>) throws {
        try check(logits)
        _ = row.update(fromContentsOf: logits)
    }

    private func check(_ logits: UnsafeBufferPointer<Float>) throws {
        guard logits.count == row.count else {
            throw HeedError(
                .badInput, "a row of logits has another length", in: "logits", expected: "\(row.count)",
                got: "\(logits.count)")
        }
    }

    private mutating func filter(atLeast least: Int) {
        if options.topK > 0 { candidates.keepTop(max(options.topK, least)) }
        candidates.keepNucleus(mass: options.topP, atLeast: least)
        candidates.keepAtLeast(shareOfBest: options.minP, atLeast: least)
        candidates.keepTypical(mass: options.typicalP, atLeast: least)
        candidates.keepAtLeast(probability: options.epsilonCutoff, atLeast: least)
        candidates.keepByEta(options.etaCutoff, atLeast: least)
    }

    /// The lowest id of those with the highest logit.
    private func mostLikely(_ logits: UnsafeMutableBufferPointer<Float>) throws -> Int32 {
        var best = -Float.infinity
        var chosen = -1
        for id in 0..<logits.count {
            let logit = logits[id]
            if logit > best {
                best = logit
                chosen = id
            } else if logit != logit {
                throw HeedError(
                    .numeric, "a logit is not a number", in: "logits of id \(id)",
                    advice: "Check the weights with `heed verify`")
            }
        }
        guard chosen >= 0, best < .infinity else {
            throw HeedError(
                .numeric, chosen < 0 ? "every id is banned, so no next token is left" : "a logit is infinite",
                advice: chosen < 0 ? "Loosen the n-gram ban, the suppressed tokens or the forced tokens" : nil)
        }
        return Int32(chosen)
    }
}
