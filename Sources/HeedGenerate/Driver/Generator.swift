import HeedSupport

/// A new id, as it comes.
public struct TokenEvent: Sendable {
    /// The number of the prompt.
    public let prompt: Int
    /// The number of the sequence among those of the prompt.
    public let sequence: Int
    /// How many new ids the sequence had before this one.
    public let step: Int
    /// The id.
    public let id: Int32
    /// Whether it is one of the end ids.
    public let isEnd: Bool
}

/// What a caller may do while ids come.
public struct GenerationHooks {
    /// Is told every new id (not for beams, whose ids are known at the end); false ends the sequence, for instance
    /// because its text now holds a stop string.
    public var onToken: ((TokenEvent) throws -> Bool)?
    /// Is given the distribution `[V]` that every id of the first sequence was chosen from (not for beams).
    public var onDistribution: ((UnsafeBufferPointer<Float>) throws -> Void)?
    /// Is asked before every step whether to stop with what there is.
    public var isInterrupted: (() -> Bool)?

    /// No hooks.
    public init() {}
}

/// Decodes prompts together: all join one decoding batch, which steps until it is empty.
///
/// Every sequence is decoded as if alone: its random numbers depend on the seed and its number, its logits on its own
/// ids. Without beams a step allocates nothing.
public struct Generator {
    /// The model that continues the prompts.
    public let model: any NextTokenModel
    let options: GenerationOptions
    let drafter: (any Drafter)?

    /// A generator.
    ///
    /// - `drafter`: guesses ids, where the options ask for it.
    /// - Throws: `HeedError` naming an option that makes no sense.
    public init(model: any NextTokenModel, options: GenerationOptions, drafter: (any Drafter)? = nil) throws {
        try options.validate(vocabulary: model.vocabulary)
        self.model = model
        self.options = options
        self.drafter = drafter
    }

    /// Decodes the prompts.
    ///
    /// - Throws: `HeedError` for an empty or too long prompt, ids outside the vocabulary, logits that are not finite,
    ///   and what the model and the hooks throw.
    public func generate(_ prompts: [GenerationPrompt], hooks: GenerationHooks = GenerationHooks()) throws
        -> GenerationResult
    {
        let start = ContinuousClock.now
        if options.penaltyAlpha > 0 {
            var result = try searchContrasts(prompts, hooks: hooks)
            result.measure(from: start)
            return result
        }
        let batch = DecodingBatch(model, drafter: drafter)
        // What is left in the batch after an error must not stay in the model.
        defer { for row in batch.rows { try? batch.leave(row) } }
        var result =
            options.numBeams > 1
            ? try searchBeams(prompts, in: batch, hooks: hooks) : try chooseTokens(prompts, in: batch, hooks: hooks)
        result.measure(from: start)
        return result
    }

    /// Adds a row for a prompt.
    func join(
        _ prompts: [GenerationPrompt], _ index: Int, to batch: DecodingBatch, number: Int, choosesItself: Bool
    ) throws -> DecodingRow {
        do {
            return try batch.join(
                prompts[index], options: options, number: number, choosesItself: choosesItself)
        } catch let error as HeedError {
            throw error.placed(in: "prompt \(index + 1)")
        }
    }

    /// Greedy decoding and draws.
    private func chooseTokens(
        _ prompts: [GenerationPrompt], in batch: DecodingBatch, hooks: GenerationHooks
    ) throws -> GenerationResult {
        let copies = options.copiesOfPrompt
        var rows: [DecodingRow] = []
        for index in prompts.indices {
            let first = try join(prompts, index, to: batch, number: index * copies, choosesItself: true)
            rows.append(first)
            for copy in 1..<max(copies, 1) { rows.append(try batch.fork(first, number: index * copies + copy)) }
        }
        if hooks.onDistribution != nil, let first = rows.first { batch.watch(first) }
        var result = GenerationResult(readingEnd: .now)
        var isReading = true
        while !batch.rows.isEmpty {
            if hooks.isInterrupted?() == true {
                for row in batch.rows { try batch.leave(row, because: .interrupted) }
                break
            }
            try batch.step()
            if isReading {
                result.readingEnd = batch.passEnd
                isReading = batch.isReading
            }
            for token in batch.tokens {
                // Ids behind one that its owner ended the row with.
                if token.step >= token.row.generated { continue }
                if token.step > 0 { result.decodedTokens += 1 }
                if token.row === rows.first, let row = batch.distribution(of: token.row) {
                    try hooks.onDistribution?(row)
                }
                guard let onToken = hooks.onToken else { continue }
                let event = TokenEvent(
                    prompt: token.row.number / copies, sequence: token.row.number % copies, step: token.step,
                    id: token.id, isEnd: token.isEnd)
                if try !onToken(event) { try batch.finish(token) }
            }
            for row in rows { if let failure = row.failure { throw failure } }
        }
        result.sequences = prompts.indices.map { prompt in
            rows[(prompt * copies)..<((prompt + 1) * copies)].map {
                GeneratedSequence(ids: Array($0.newIds), finishReason: $0.finishReason ?? .interrupted)
            }
        }
        return result
    }
}
