import ArgumentParser
import HeedGenerate
import HeedSupport

extension BeamStopping: ExpressibleByArgument {}
extension ContextOverflow: ExpressibleByArgument {}
extension CacheKind: ExpressibleByArgument {}

/// A comma-separated list of ids.
struct IdList: ExpressibleByArgument {
    let ids: [Int32]

    init?(argument: String) {
        var ids: [Int32] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let id = Int32(part.trimmingSpaces) else { return nil }
            ids.append(id)
        }
        self.ids = ids
    }
}

extension Substring {
    /// The text without spaces at its ends.
    var trimmingSpaces: Substring {
        var rest = self
        while rest.first == " " { rest.removeFirst() }
        while rest.last == " " { rest.removeLast() }
        return rest
    }
}

/// How tokens are chosen: the options of Hugging Face's generation, under their names.
struct DecodingOptions: ParsableArguments {
    @Option(
        name: [.long, .customShort("n"), .customLong("n-predict")],
        help: ArgumentHelp(
            "At most this many new tokens. (default: \(GenerationDefaults.usualNewTokens), or as many as the model's context holds)",
            valueName: "n"))
    var maxNewTokens: Int?

    @Option(help: ArgumentHelp("No end before this many new tokens.", valueName: "n"))
    var minNewTokens: Int?

    @Flag(
        name: [.long, .customLong("do-sample")], inversion: .prefixedNo,
        help: "Draw tokens at random; any filter below does the same.")
    var sample: Bool?

    @Option(
        name: [.long, .customLong("temp")],
        help: ArgumentHelp("Divide the logits by this; 0 is greedy. (default: 1)", valueName: "x"))
    var temperature: Double?

    @Option(help: ArgumentHelp("Only the k most likely tokens.", valueName: "k"))
    var topK: Int?

    @Option(help: ArgumentHelp("Only the most likely tokens that sum to this probability.", valueName: "p"))
    var topP: Double?

    @Option(help: ArgumentHelp("Only tokens of at least this share of the likeliest one.", valueName: "p"))
    var minP: Double?

    @Option(
        help: ArgumentHelp(
            "Only tokens of at least this share of the square of the likeliest one's probability.", valueName: "p"))
    var topA: Double?

    @Option(help: ArgumentHelp("Only the most typical tokens that sum to this probability.", valueName: "p"))
    var typicalP: Double?

    @Option(help: ArgumentHelp("Only tokens of at least this probability.", valueName: "p"))
    var epsilonCutoff: Double?

    @Option(help: ArgumentHelp("Only tokens above a probability that falls with the entropy.", valueName: "p"))
    var etaCutoff: Double?

    @Option(
        help: ArgumentHelp("Hold the surprise of the text; 1 as published, 2 by each token's own.", valueName: "1|2"))
    var mirostat: Int?

    @Option(help: ArgumentHelp("The surprise that mirostat holds, in bits a token.", valueName: "x"))
    var mirostatTau = 5.0

    @Option(help: ArgumentHelp("How fast mirostat's bound follows.", valueName: "x"))
    var mirostatEta = 0.1

    @Option(help: ArgumentHelp("Each of these filters leaves at least so many tokens.", valueName: "n"))
    var minTokensToKeep = 1

    @Option(
        help: ArgumentHelp(
            "Search by contrast: of the --top-k likeliest tokens, likeness to earlier ones counts against a token by this share.",
            valueName: "x"))
    var penaltyAlpha: Double?

    @Option(help: ArgumentHelp("Make tokens seen before, the prompt's too, less likely.", valueName: "x"))
    var repetitionPenalty: Double?

    @Option(help: ArgumentHelp("Take this from the logit of every token generated before.", valueName: "x"))
    var presencePenalty = 0.0

    @Option(
        help: ArgumentHelp("Take this from a token's logit each time that it has been generated.", valueName: "x"))
    var frequencyPenalty = 0.0

    @Option(help: ArgumentHelp("Make tokens of the source more likely.", valueName: "x"))
    var encoderRepetitionPenalty: Double?

    @Option(
        help: ArgumentHelp("Add a number to the logit of an id; may be given several times.", valueName: "id:x"))
    var logitBias: [IdBias] = []

    @Option(help: ArgumentHelp("Let no sequence of n tokens occur twice.", valueName: "n"))
    var noRepeatNgramSize: Int?

    @Option(help: ArgumentHelp("Let no sequence of n tokens of the source occur.", valueName: "n"))
    var encoderNoRepeatNgramSize: Int?

    @Option(help: ArgumentHelp("Ids that are never generated.", valueName: "a,b"))
    var suppressTokens: IdList?

    @Option(help: ArgumentHelp("Ids that are not the first new one.", valueName: "a,b"))
    var beginSuppressTokens: IdList?

    @Option(help: ArgumentHelp("The id that every target starts with.", valueName: "id"))
    var forcedBosTokenId: Int?

    @Option(help: ArgumentHelp("Ids of which the last possible token is one.", valueName: "a,b"))
    var forcedEosTokenId: IdList?

    @Option(
        help: ArgumentHelp("Ids that never follow each other so; may be given several times.", valueName: "a,b"))
    var badWordsIds: [IdList] = []

    @Option(
        name: [.long, .customLong("beams")],
        help: ArgumentHelp(
            "Search with so many beams. (default: as the model's folder says, else 1; 4 for translate)",
            valueName: "n"))
    var numBeams: Int?

    @Option(help: ArgumentHelp("Divide a beam's score by its length to this power. (default: 1)", valueName: "x"))
    var lengthPenalty: Double?

    @Option(help: ArgumentHelp("When a beam search ends. (default: false)", valueName: "true|false|never"))
    var earlyStopping: BeamStopping?

    @Option(help: ArgumentHelp("How many sequences to give for each prompt. (default: 1)", valueName: "n"))
    var numReturnSequences: Int?

    @Option(help: ArgumentHelp("Ids that end a sequence; those of the model where not given.", valueName: "a,b"))
    var eosTokenIds: IdList?

    @Option(
        help: ArgumentHelp("Accepted for likeness; sequences are not padded, by default or otherwise.", valueName: "id")
    )
    var padTokenId: Int?

    @Option(help: ArgumentHelp("End a sequence whose text holds this; may be given several times.", valueName: "text"))
    var stop: [String] = []

    @Option(help: ArgumentHelp("The seed of all draws.", valueName: "n"))
    var seed: UInt64 = 0

    @Option(
        help: ArgumentHelp(
            "Past the model's positions, stop with an error or forget the oldest tokens.", valueName: "error|slide"))
    var contextOverflow = ContextOverflow.error

    @Option(help: ArgumentHelp("How many of the oldest tokens to forget at a time.", valueName: "n"))
    var slideStep = 1

    @Option(
        help: ArgumentHelp(
            "Where defaults come from: the model's generation_config.json, or nowhere.", valueName: "model|none"))
    var generationConfig = GenerationConfigChoice.model

    /// Whether tokens are drawn: asked for, or implied by a filter; nil where nothing is said.
    var draws: Bool? {
        if let sample { return sample }
        if isContrastive, filters.allSatisfy({ $0 == nil }) { return false }
        return topK != nil || filters.contains { $0 != nil } ? true : nil
    }

    /// Whether a contrastive search is asked for, whose `--top-k` draws nothing.
    var isContrastive: Bool { penaltyAlpha ?? 0 > 0 }

    private var filters: [Any?] { [temperature, topP, minP, topA, typicalP, epsilonCutoff, etaCutoff, mirostat] }

    func validate() throws {
        if let stop = stop.first(where: \.isEmpty) {
            throw ValidationError("--stop: expected some text, got \(quoted(stop)).")
        }
        if !stop.isEmpty, numBeams ?? 1 > 1 {
            throw ValidationError("--stop: a beam search has no text before its end. Leave out --num-beams.")
        }
        // Values that make no sense are found before a model is read; how many sequences there can be is known later.
        var options = options(GenerationDefaults(), ends: [], context: .max)
        if !options.isRandom, options.numBeams == 1 { options.numReturnSequences = 1 }
        do { try options.validate() } catch let error as HeedError { throw ValidationError(error.description) }
    }

    /// The defaults that a model folder brings, unless they are not wanted.
    func defaults(folder: String) throws -> GenerationDefaults {
        guard generationConfig == .model, isDirectory(folder) else { return GenerationDefaults() }
        let defaults = try GenerationDefaults(folder: folder)
        if !defaults.unknownKeys.isEmpty {
            StandardError.writeLine(
                "generation_config.json: \(defaults.unknownKeys.joined(separator: ", ")): not known and not used")
        }
        return defaults
    }

    /// Says in one line which of the settings come from the model's folder.
    func tell(_ defaults: GenerationDefaults, for options: GenerationOptions) {
        let used = defaults.used(for: options, given: given)
        if used.isEmpty { return }
        StandardError.writeLine(
            "From generation_config.json: " + used.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
    }

    /// Throws where a prompt does not fit, before anything is computed.
    func check(_ prompt: GivenPrompt, _ options: GenerationOptions, context: Int) throws {
        do {
            _ = try options.forPrompt(of: prompt.generation.ids.count, context: context)
        } catch let error as HeedError {
            throw error.placed(in: prompt.place)
        }
    }

    /// The keys of `generation_config.json` that the command line decides.
    private var given: Set<String> {
        let all: [(String, Any?)] = [
            ("max_new_tokens", maxNewTokens), ("min_new_tokens", minNewTokens), ("do_sample", draws),
            ("temperature", temperature), ("top_k", topK), ("top_p", topP), ("min_p", minP), ("typical_p", typicalP),
            ("epsilon_cutoff", epsilonCutoff), ("eta_cutoff", etaCutoff), ("repetition_penalty", repetitionPenalty),
            ("encoder_repetition_penalty", encoderRepetitionPenalty), ("no_repeat_ngram_size", noRepeatNgramSize),
            ("encoder_no_repeat_ngram_size", encoderNoRepeatNgramSize), ("suppress_tokens", suppressTokens),
            ("begin_suppress_tokens", beginSuppressTokens), ("forced_bos_token_id", forcedBosTokenId),
            ("forced_eos_token_id", forcedEosTokenId), ("num_beams", numBeams), ("length_penalty", lengthPenalty),
            ("early_stopping", earlyStopping), ("num_return_sequences", numReturnSequences),
            ("bad_words_ids", badWordsIds.isEmpty ? nil : badWordsIds),
            ("sequence_bias", logitBias.isEmpty ? nil : logitBias), ("stop_strings", stop.isEmpty ? nil : stop),
        ]
        return Set(all.compactMap { $0.1 == nil ? nil : $0.0 })
    }

    /// The options for a model: what is given, else what its folder says, else the library's.
    ///
    /// - Parameters:
    ///   - ends: the model's own end ids.
    ///   - context: the positions of the model.
    func options(_ defaults: GenerationDefaults, ends: [Int32], context: Int) -> GenerationOptions {
        var options = defaults.options
        if let maxNewTokens {
            options.maxNewTokens = maxNewTokens
            options.maxLength = nil
        } else {
            if !defaults.setsLength { options.maxNewTokens = max(GenerationDefaults.usualNewTokens, minNewTokens ?? 0) }
            if contextOverflow == .error, context < .max {
                // One more than fits: the last id is not read.
                options.maxLength = min(options.maxLength ?? .max, context + 1)
            }
        }
        func set<Value>(_ path: WritableKeyPath<GenerationOptions, Value>, _ value: Value?) {
            if let value { options[keyPath: path] = value }
        }
        if minNewTokens != nil { options.minLength = 0 }
        set(\.minNewTokens, minNewTokens)
        set(\.samples, draws)
        set(\.temperature, temperature)
        set(\.penaltyAlpha, penaltyAlpha)
        set(\.topK, topK)
        set(\.topP, topP)
        set(\.minP, minP)
        set(\.topA, topA)
        set(\.typicalP, typicalP)
        set(\.epsilonCutoff, epsilonCutoff)
        set(\.etaCutoff, etaCutoff)
        options.minTokensToKeep = minTokensToKeep
        options.mirostat = mirostat.map { MirostatOptions(version: $0, target: mirostatTau, rate: mirostatEta) }
        set(\.repetitionPenalty, repetitionPenalty)
        options.presencePenalty = presencePenalty
        options.frequencyPenalty = frequencyPenalty
        set(\.encoderRepetitionPenalty, encoderRepetitionPenalty)
        set(\.biases, logitBias.isEmpty ? nil : logitBias.map { TokenBias([$0.id], $0.bias) })
        set(\.noRepeatNgramSize, noRepeatNgramSize)
        set(\.encoderNoRepeatNgramSize, encoderNoRepeatNgramSize)
        set(\.suppressedTokens, suppressTokens?.ids)
        set(\.beginSuppressedTokens, beginSuppressTokens?.ids)
        set(\.badWords, badWordsIds.isEmpty ? nil : badWordsIds.map(\.ids))
        set(\.forcedBeginToken, forcedBosTokenId.map { Int32(clamping: $0) })
        set(\.forcedEndTokens, forcedEosTokenId?.ids)
        options.endTokens = eosTokenIds?.ids ?? ends
        set(\.numBeams, numBeams)
        set(\.lengthPenalty, lengthPenalty)
        set(\.earlyStopping, earlyStopping)
        set(\.numReturnSequences, numReturnSequences)
        options.seed = seed
        options.contextOverflow = contextOverflow
        options.slideStep = slideStep
        return options
    }
}

/// Where the defaults of generation come from.
enum GenerationConfigChoice: String, ExpressibleByArgument, CaseIterable {
    case model, none
}

/// An id and what is added to its logit, `id:number`.
struct IdBias: ExpressibleByArgument {
    let id: Int32
    let bias: Float

    init?(argument: String) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let id = Int32(parts[0].trimmingSpaces), let bias = Float(parts[1].trimmingSpaces),
            bias.isFinite
        else { return nil }
        self.id = id
        self.bias = bias
    }
}
