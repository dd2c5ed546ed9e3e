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

/// Decodes prompts together as one ragged batch: greedy, by draws, or by beam search.
///
/// Every sequence is decoded as if alone: its random numbers depend on the seed and its number, its logits on its own
/// ids. Without beams a step allocates nothing. The source holds all state of the model; the generator holds ids.
public struct Generator {
    let source: any NextTokenSource
    let options: GenerationOptions

    /// A generator.
    ///
    /// - Throws: `HeedError` naming an option that makes no sense.
    public init(source: any NextTokenSource, options: GenerationOptions) throws {
        try options.validate(vocabulary: source.vocabulary)
        self.source = source
        self.options = options
    }

    /// Decodes the prompts.
    ///
    /// - Throws: `HeedError` for an empty or too long prompt, ids outside the vocabulary, logits that are not finite,
    ///   and what the source and the hooks throw.
    public func generate(_ prompts: [GenerationPrompt], hooks: GenerationHooks = GenerationHooks()) throws
        -> GenerationResult
    {
        var prompts = prompts
        for index in prompts.indices { prompts[index].ids = try checked(prompts[index].ids, number: index) }
        if prompts.isEmpty {
            return GenerationResult(sequences: [], prefillSeconds: 0, decodeSeconds: 0, decodedTokens: 0)
        }
        let longest = prompts.map(\.ids.count).max() ?? 0
        let (wanted, overflow) = longest.addingReportingOverflow(options.maxNewTokens - 1)
        let capacity = min(overflow ? Int.max : wanted, source.contextLength)
        let rows = prompts.count * (options.numBeams > 1 ? options.numBeams : options.copiesOfPrompt)
        let clock = ContinuousClock()
        let start = clock.now
        try source.begin(prompts, rows: rows, capacity: capacity)
        let read = clock.now
        var result =
            options.numBeams > 1
            ? try searchBeams(prompts, hooks: hooks) : try chooseTokens(prompts, hooks: hooks)
        result.prefillSeconds = (read - start).inSeconds
        result.decodeSeconds = (clock.now - read).inSeconds
        return result
    }

    /// The prompt as the source can read it: all of it, or its end under `slide`.
    private func checked(_ ids: [Int32], number: Int) throws -> [Int32] {
        let place = "prompt \(number + 1)"
        if ids.isEmpty {
            throw HeedError(.badInput, "the prompt is empty", in: place, expected: "at least one id")
        }
        for id in ids where id < 0 || Int(id) >= source.vocabulary {
            throw HeedError(
                .badInput, "an id is not in the vocabulary", in: place,
                expected: "ids from 0 to \(source.vocabulary - 1)", got: "\(id)")
        }
        let context = source.contextLength
        if options.contextOverflow == .slide { return ids.count > context ? Array(ids.suffix(context)) : ids }
        if ids.count > context {
            throw HeedError(
                .badInput, "the prompt is longer than the model's context", in: place,
                expected: "at most \(context) ids", got: "\(ids.count)",
                advice: "Shorten it, or let the oldest ids be forgotten with --context-overflow slide")
        }
        if ids.count - 1 > context - options.maxNewTokens {
            throw HeedError(
                .usage,
                "the prompt of \(ids.count) ids and \(options.maxNewTokens) new ones outgrow the model's context",
                in: place, expected: "at most \(context + 1) ids together",
                got: "\(ids.count) and --max-new-tokens \(options.maxNewTokens)",
                advice: "Ask for at most \(context + 1 - ids.count) new tokens, or add --context-overflow slide")
        }
        return ids
    }

    /// Makes room in a row that is full, by forgetting its oldest ids.
    ///
    /// - Parameters:
    ///   - held: how many ids the row holds; on return, how many it holds now.
    ///   - history: all ids of the sequence; the last one has not been read yet.
    func makeRoom(row: Int, held: inout Int, history: [Int32]) throws {
        let context = source.contextLength
        guard held >= context else { return }
        let keep = max(0, context - options.slideStep)
        try history.withUnsafeBufferPointer { all in
            let read = all.count - 1
            try source.replace(row: row, ids: UnsafeBufferPointer(rebasing: all[(read - keep)..<read]))
        }
        held = keep
    }
}
