import HeedSupport

/// When a beam search ends, as Hugging Face's `early_stopping`.
public enum BeamStopping: String, Sendable, CaseIterable {
    /// As soon as there are as many finished sequences as beams.
    case yes = "true"
    /// When the best open beam, at its present length, scores below the worst finished sequence.
    case no = "false"
    /// When the best open beam cannot come to score above the worst finished sequence at any length.
    case never
}

/// What happens when a sequence would outgrow the model's positions.
public enum ContextOverflow: String, Sendable, CaseIterable {
    /// The call is refused before anything is computed.
    case error
    /// The oldest ids are forgotten: every token is predicted from the last `contextLength` ids.
    case slide
}

/// What is added to the logit of the last of `ids` where the ids before it have come.
public struct TokenBias: Sendable, Equatable {
    /// One id for a plain bias.
    public var ids: [Int32]
    /// What is added.
    public var bias: Float

    /// A bias on an id, or on the last id of a sequence.
    public init(_ ids: [Int32], _ bias: Float) {
        self.ids = ids
        self.bias = bias
    }
}

/// How end ids become more likely with the length.
public struct LengthDecayOptions: Sendable, Equatable {
    /// From this number of new ids on.
    public var start: Int
    /// What the weight grows by with each id more.
    public var factor: Double

    /// End ids become more likely after `start` new ids.
    public init(start: Int, factor: Double) {
        self.start = start
        self.factor = factor
    }
}

/// How the next token is chosen from the logits; the names and meanings are those of Hugging Face's generation.
///
/// A filter that is not asked for is off. Ids only; text is the caller's.
public struct GenerationOptions: Sendable, Equatable {
    /// How many tokens to generate at most.
    public var maxNewTokens = 64
    /// How many ids a sequence has at most, those of the prompt included; nil: no more limit than `maxNewTokens`.
    public var maxLength: Int?
    /// No end id before that many new tokens.
    public var minNewTokens = 0
    /// No end id before the sequence has so many ids, those of the prompt included.
    public var minLength = 0
    /// Whether tokens are drawn; else the most likely one is taken (the lowest id of equals).
    public var samples = false
    /// Logits are divided by it; 0 means greedy.
    public var temperature = 1.0
    /// Only the k most likely ids, and those as likely as the last of them; 0 means all.
    public var topK = 0
    /// Only the smallest set of most likely ids whose probabilities sum to at least p; 1 means all.
    public var topP = 1.0
    /// Only ids of at least this share of the most likely id's probability; 0 means all.
    public var minP = 0.0
    /// Only ids of at least this share of the square of the most likely id's probability; 0 means all.
    public var topA = 0.0
    /// Only the ids whose surprise is nearest to the entropy, up to this mass; 1 means all (Meister et al. 2022).
    public var typicalP = 1.0
    /// Only ids of at least this probability; 0 means all (Hewitt et al. 2022).
    public var epsilonCutoff = 0.0
    /// Only ids above an entropy-dependent probability; 0 means all (Hewitt et al. 2022).
    public var etaCutoff = 0.0
    /// Holds the surprise of the text at a target, after the filters above; for draws.
    public var mirostat: MirostatOptions?
    /// How many ids every one of the filters above leaves at least.
    public var minTokensToKeep = 1
    /// Positive logits of ids seen before are divided by it, negative ones multiplied; 1 means off (Keskar et al. 2019).
    public var repetitionPenalty = 1.0
    /// Taken from the logit of every id that has been generated; 0 means off.
    public var presencePenalty = 0.0
    /// Taken from the logit of an id once for each time it has been generated; 0 means off.
    public var frequencyPenalty = 0.0
    /// Logits of ids of the source are multiplied by it where positive, divided where negative; 1 means off.
    public var encoderRepetitionPenalty = 1.0
    /// Added to logits.
    public var biases: [TokenBias] = []
    /// No n-gram of this size occurs twice; 0 means off.
    public var noRepeatNgramSize = 0
    /// No n-gram of this size of the source occurs in the target; 0 means off.
    public var encoderNoRepeatNgramSize = 0
    /// Ids that are never generated.
    public var suppressedTokens: [Int32] = []
    /// Ids that are not the first new one.
    public var beginSuppressedTokens: [Int32] = []
    /// Sequences of ids that are never completed.
    public var badWords: [[Int32]] = []
    /// The first new id, if set.
    public var forcedBeginToken: Int32?
    /// The ids of which the last possible token is one, if not empty.
    public var forcedEndTokens: [Int32] = []
    /// What the text must be like.
    public var constraint: TokenConstraint?
    /// Ids that end a sequence.
    public var endTokens: [Int32] = []
    /// End ids become more likely after so many new ids, by so much a step.
    public var lengthDecay: LengthDecayOptions?
    /// How many beams; 1 means no beam search.
    public var numBeams = 1
    /// Scores of beams are sums of log probabilities over lengthᵖᵉⁿᵃˡᵗʸ.
    public var lengthPenalty = 1.0
    /// When a beam search ends.
    public var earlyStopping = BeamStopping.no
    /// α of a contrastive search (Su et al. 2022) among the `topK` most likely ids; 0 means none.
    public var penaltyAlpha = 0.0
    /// Whether log probabilities of beams are normalised again after the rules and filters.
    public var renormalizesLogits = false
    /// How many sequences are returned for each prompt.
    public var numReturnSequences = 1
    /// How many ids are guessed ahead and checked in one pass, where the batch has a drafter; changes no id.
    public var draftTokens = 0
    /// The seed of all draws.
    public var seed: UInt64 = 0
    /// What happens past the model's positions.
    public var contextOverflow = ContextOverflow.error
    /// How many of the oldest ids are forgotten at a time under `slide`: 1 predicts every token from the last
    /// `contextLength` ids, which costs a full pass a token; n costs one pass every n tokens.
    public var slideStep = 1

    /// Options of a plain greedy decoding.
    public init() {}

    /// Whether tokens are drawn at random.
    public var isRandom: Bool { samples && temperature > 0 }

    /// How many sequences are decoded side by side for a prompt when there are no beams.
    public var copiesOfPrompt: Int { numBeams > 1 ? 1 : numReturnSequences }

    /// The options for a prompt of `count` ids, with lengths that count new ids only.
    ///
    /// - `context`: how many ids the model can hold.
    /// - Throws: `HeedError` when the model cannot hold the prompt, or not with the new ids that are asked for, or when
    ///   the prompt is as long as a sequence may be.
    public func forPrompt(of count: Int, context: Int) throws -> GenerationOptions {
        let fits = contextOverflow == .slide || count <= context
        guard fits else {
            throw HeedError(
                .badInput, "the prompt is longer than the model's context", expected: "at most \(context) ids",
                got: "\(count)",
                advice: "Shorten it, or let the oldest ids be forgotten with `contextOverflow` slide")
        }
        var options = self
        options.maxLength = nil
        options.minLength = 0
        options.minNewTokens = max(minNewTokens, minLength - count)
        if let maxLength {
            guard count < maxLength else {
                throw HeedError(
                    .usage, "the prompt is as long as a sequence may be", expected: "fewer than \(maxLength) ids",
                    got: "\(count)", advice: "Ask for a number of new tokens with `maxNewTokens`")
            }
            options.maxNewTokens = min(maxNewTokens, maxLength - count)
        }
        if contextOverflow == .error, count - 1 > context - options.maxNewTokens {
            throw HeedError(
                .usage, "the prompt of \(count) ids and \(options.maxNewTokens) new ones outgrow the model's context",
                expected: "at most \(context + 1) ids together",
                got: "\(count) and `maxNewTokens` \(options.maxNewTokens)",
                advice: "Ask for at most \(context + 1 - count) new tokens, or add `contextOverflow` slide")
        }
        return options
    }

    /// Refuses values that mean nothing.
    ///
    /// - Parameter vocabulary: the number of ids of the model, for the options that hold ids; nil skips that check.
    /// - Throws: `HeedError` of kind `usage` naming the option.
    public func validate(vocabulary: Int? = nil) throws {
        try checkLengths()
        try checkFilters()
        try checkPenalties()
        try checkSequences()
        try checkContrast()
        guard let vocabulary else { return }
        try checkIds(endTokens, "endTokens", vocabulary)
        try checkIds(suppressedTokens, "suppressedTokens", vocabulary)
        try checkIds(forcedEndTokens, "forced_eos_token_id", vocabulary)
        try checkIds(forcedBeginToken.map { [$0] } ?? [], "forced_bos_token_id", vocabulary)
        try checkIds(beginSuppressedTokens, "begin_suppress_tokens", vocabulary)
        for bias in biases { try checkIds(bias.ids, "biases", vocabulary) }
        for word in badWords { try checkIds(word, "bad_words_ids", vocabulary) }
    }

    private func checkLengths() throws {
        try require(maxNewTokens >= 1, "maxNewTokens", "at least 1", "\(maxNewTokens)")
        try require(maxLength ?? 1 >= 1, "max_length", "at least 1", "\(maxLength ?? 1)")
        try require(minLength >= 0, "min_length", "0 or more", "\(minLength)")
        try require(minNewTokens >= 0, "minNewTokens", "0 or more", "\(minNewTokens)")
        try require(
            minNewTokens <= maxNewTokens, "minNewTokens", "at most `maxNewTokens` (\(maxNewTokens))",
            "\(minNewTokens)")
        try require(slideStep >= 1, "slideStep", "at least 1", "\(slideStep)")
    }

    private func checkFilters() throws {
        try require(
            temperature.isFinite && temperature >= 0, "temperature", "a number of 0 or more", "\(temperature)")
        try require(topK >= 0, "topK", "0 (off) or a positive number", "\(topK)")
        try require(topP >= 0 && topP <= 1, "topP", "a number from 0 to 1", "\(topP)")
        try require(minP >= 0 && minP <= 1, "minP", "a number from 0 to 1", "\(minP)")
        try require(topA >= 0 && topA <= 1, "topA", "a number from 0 to 1", "\(topA)")
        try require(typicalP > 0 && typicalP <= 1, "typicalP", "a number above 0 and up to 1", "\(typicalP)")
        try require(
            epsilonCutoff >= 0 && epsilonCutoff < 1, "epsilonCutoff", "a number from 0 to below 1",
            "\(epsilonCutoff)")
        try require(etaCutoff >= 0 && etaCutoff < 1, "etaCutoff", "a number from 0 to below 1", "\(etaCutoff)")
        if let mirostat {
            try require((1...2).contains(mirostat.version), "mirostat", "1 or 2", "\(mirostat.version)")
            try require(
                mirostat.target.isFinite && mirostat.target > 0, "mirostat.target", "a number above 0",
                "\(mirostat.target)")
            try require(
                mirostat.rate.isFinite && mirostat.rate >= 0, "mirostat.rate", "a number of 0 or more",
                "\(mirostat.rate)")
            try require(numBeams == 1, "mirostat", "no beams", "\(numBeams) beams")
        }
        try require(minTokensToKeep >= 1, "minTokensToKeep", "at least 1", "\(minTokensToKeep)")
    }

    private func checkPenalties() throws {
        try require(
            repetitionPenalty.isFinite && repetitionPenalty > 0, "repetitionPenalty", "a number above 0",
            "\(repetitionPenalty)")
        try require(presencePenalty.isFinite, "presencePenalty", "a finite number", "\(presencePenalty)")
        try require(frequencyPenalty.isFinite, "frequencyPenalty", "a finite number", "\(frequencyPenalty)")
        try require(
            encoderRepetitionPenalty.isFinite && encoderRepetitionPenalty > 0, "encoder_repetition_penalty",
            "a number above 0", "\(encoderRepetitionPenalty)")
        try require(
            encoderNoRepeatNgramSize >= 0, "encoder_no_repeat_ngram_size", "0 (off) or a positive number",
            "\(encoderNoRepeatNgramSize)")
        for bias in biases {
            try require(!bias.ids.isEmpty && !bias.bias.isNaN, "biases", "ids and a number", "\(bias.bias)")
        }
        if let lengthDecay {
            try require(
                lengthDecay.start >= 0 && lengthDecay.factor.isFinite, "exponential_decay_length_penalty",
                "a start of 0 or more and a finite factor", "\(lengthDecay.start), \(lengthDecay.factor)")
        }
        try require(
            noRepeatNgramSize >= 0, "noRepeatNgramSize", "0 (off) or a positive number",
            "\(noRepeatNgramSize)")
        for list in badWords where list.isEmpty {
            throw HeedError(.badInput, "a list of bad words holds an empty sequence", in: "bad_words_ids")
        }
    }

    private func checkContrast() throws {
        try require(
            penaltyAlpha >= 0 && penaltyAlpha <= 1, "penaltyAlpha", "a number from 0 to 1", "\(penaltyAlpha)")
        guard penaltyAlpha > 0 else { return }
        try require(topK >= 2, "topK", "at least 2 for a contrastive search", "\(topK)")
        try require(!isRandom && mirostat == nil, "penaltyAlpha", "no draws", "\(penaltyAlpha)")
        try require(numBeams == 1, "penaltyAlpha", "no beams", "\(numBeams) beams")
        try require(draftTokens == 0, "penaltyAlpha", "no guesses", "\(draftTokens) guesses")
        try require(contextOverflow == .error, "penaltyAlpha", "`contextOverflow` error", "slide")
    }

    private func checkSequences() throws {
        try require(numBeams >= 1 && numBeams <= 1_024, "numBeams", "a number from 1 to 1,024", "\(numBeams)")
        try require(lengthPenalty.isFinite, "lengthPenalty", "a finite number", "\(lengthPenalty)")
        try require(
            numReturnSequences >= 1 && numReturnSequences <= 4_096, "numReturnSequences",
            "a number from 1 to 4,096", "\(numReturnSequences)")
        try require(
            draftTokens >= 0 && draftTokens <= 64, "draftTokens", "a number from 0 to 64", "\(draftTokens)")
        if numBeams > 1 {
            try require(
                numReturnSequences <= numBeams, "numReturnSequences", "at most `numBeams` (\(numBeams))",
                "\(numReturnSequences)")
        } else if numReturnSequences > 1, !isRandom {
            throw HeedError(
                .usage, "greedy decoding has one answer only", in: "`numReturnSequences`", expected: "1",
                got: "\(numReturnSequences)", advice: "Add `samples` or `numBeams`")
        }
    }

    private func require(_ holds: Bool, _ option: String, _ expected: String, _ got: String) throws {
        if !holds {
            throw HeedError(.usage, "the value makes no sense", in: "`\(option)`", expected: expected, got: got)
        }
    }

    private func checkIds(_ ids: [Int32], _ option: String, _ vocabulary: Int) throws {
        for id in ids where id < 0 || Int(id) >= vocabulary {
            throw HeedError(
                .badInput, "an id is not in the vocabulary", in: "`\(option)`",
                expected: "ids from 0 to \(vocabulary - 1)",
                got: "\(id)")
        }
    }
}
