import HeedSupport

/// Chooses the next ids of one sequence from its logits: a chain of rules and filters.
///
/// Order: the rules of `GenerationOptions.rules`, the constraint, then for draws temperature, the filters of
/// `GenerationOptions.filters`, mirostat, softmax, draw. Nothing is allocated after `init`.
public struct TokenChooser {
    private let rules: [any LogitsRule]
    private let filters: [any CandidateFilter]
    private let draws: Bool
    private let temperature: Float

    private let renormalizes: Bool
    private var constraint: ConstraintState?
    private var mirostat: Mirostat?

    /// A chooser for rows of `vocabulary` logits.
    ///
    /// - `source`: what an encoder-decoder reads.
    /// - Throws: `HeedError` of kind `usage` or `badInput` for options that make no sense.
    public init(options: GenerationOptions, vocabulary: Int, source: [Int32]? = nil) throws {
        try options.validate(vocabulary: vocabulary)
        draws = options.isRandom
        temperature = Float(options.temperature)
        renormalizes = options.renormalizesLogits
        constraint = options.constraint.map { ConstraintState($0, ends: options.endTokens) }
        mirostat = options.mirostat.map(Mirostat.init)
        rules = options.rules(source: source ?? [])
        filters = options.filters
    }

    /// Returns the next id.
    ///
    /// - `logits`: `[V]`.
    /// - `history`: the ids before, prompt included.
    /// - `generated`: how many of them are new; also the step of the random numbers.
    /// - `random`: the numbers of this sequence.
    /// - `probabilities`: where to write the distribution `[V]` the id was chosen from, or nil.
    /// - Throws: `HeedError` of kind `numeric` when the logits hold NaN or infinity, or every id is banned.
    public mutating func choose(
        logits: UnsafeBufferPointer<Float>, history: UnsafeBufferPointer<Int32>, generated: Int,
        random: SequenceRandom, probabilities: UnsafeMutableBufferPointer<Float>? = nil, memory: ChoosingMemory
    ) throws -> Int32 {
        try check(logits, memory)
        var row = logits
        if !rules.isEmpty || constraint != nil {
            _ = memory.row.update(fromContentsOf: logits)
            apply(rules, SequenceView(history: history, generated: generated), memory)
            row = UnsafeBufferPointer(memory.row)
        }
        guard draws else {
            if let probabilities {
                try memory.candidates.load(row)
                memory.candidates.writeProbabilities(to: probabilities)
            }
            let id = try mostLikely(row)
            accept(id)
            return id
        }
        try memory.candidates.load(row, temperature: temperature)
        for filter in filters { filter.apply(to: &memory.candidates) }
        mirostat?.cut(&memory.candidates)
        if let probabilities { memory.candidates.writeProbabilities(to: probabilities) }
        let id = memory.candidates.draw(uniform: random.uniform(step: generated))
        mirostat?.learn(id, memory.candidates)
        accept(id)
        return id
    }

    /// An id has come that the owner chose: what is remembered of the text moves on.
    mutating func accept(_ id: Int32) { constraint?.accept(id) }

    /// Whether the constraint lets nothing follow, so that the sequence is whole.
    var isComplete: Bool { constraint?.isComplete ?? false }

    /// Returns the log probabilities `[V]` of a beam's next ids, after the rules and, for draws, the filters.
    ///
    /// As Hugging Face does it: the softmax comes first and is not repeated. Valid until the memory is used again.
    /// - Throws: `HeedError` of kind `numeric` when the logits hold NaN or infinity.
    mutating func logProbabilities(
        logits: UnsafeBufferPointer<Float>, history: UnsafeBufferPointer<Int32>, generated: Int, memory: ChoosingMemory
    ) throws -> UnsafeBufferPointer<Float> {
        try check(logits, memory)
        let isFinite = memory.candidates.withScratch {
            logSoftmax(logits, into: memory.row, scratch: $0, exponential: memory.exponential)
        }
        guard isFinite else { throw LogitsError.notFinite("the logits hold NaN or infinity") }
        apply(rules, SequenceView(history: history, generated: generated), memory)
        let row = UnsafeBufferPointer(memory.row)
        if draws, row.contains(where: { $0 > -.infinity }) {
            try memory.candidates.load(row, temperature: temperature)
            for filter in filters { filter.apply(to: &memory.candidates) }
            memory.candidates.writeLogits(to: memory.row)
        }
        if renormalizes {
            // Where nothing is left there is nothing to normalise.
            _ = memory.candidates.withScratch {
                logSoftmax(row, into: memory.row, scratch: $0, exponential: memory.exponential)
            }
        }
        return row
    }

    /// Writes the distribution `[V]` of the next id after the rules, without filters.
    ///
    /// - Throws: `HeedError` of kind `numeric` when the logits hold NaN or infinity, or every id is banned.
    func writeProbabilities(
        logits: UnsafeBufferPointer<Float>, history: UnsafeBufferPointer<Int32>, generated: Int,
        to probabilities: UnsafeMutableBufferPointer<Float>, memory: ChoosingMemory
    ) throws {
        try check(logits, memory)
        _ = memory.row.update(fromContentsOf: logits)
        apply(rules, SequenceView(history: history, generated: generated), memory)
        try memory.candidates.load(UnsafeBufferPointer(memory.row))
        memory.candidates.writeProbabilities(to: probabilities)
    }

    private func apply(_ rules: [any LogitsRule], _ sequence: SequenceView, _ memory: ChoosingMemory) {
        for rule in rules { rule.apply(to: memory.row, after: sequence, memory: memory) }
        constraint?.apply(to: memory.row)
    }

    private func check(_ logits: UnsafeBufferPointer<Float>, _ memory: ChoosingMemory) throws {
        guard logits.count == memory.row.count else {
            throw HeedError(
                .badInput, "a row of logits has another length", in: "logits", expected: "\(memory.row.count)",
                got: "\(logits.count)")
        }
    }

    /// The lowest id of those with the highest logit.
    private func mostLikely(_ logits: UnsafeBufferPointer<Float>) throws -> Int32 {
        let best = firstMaximum(logits)
        guard best.value > -.infinity, best.value < .infinity, !best.holdsNaN else {
            if let id = logits.firstIndex(where: { $0.isNaN || $0 == .infinity }) {
                throw LogitsError.notFinite("a logit is \(logits[id])", id: id)
            }
            throw LogitsError.nothingLeft
        }
        return Int32(best.index)
    }
}
