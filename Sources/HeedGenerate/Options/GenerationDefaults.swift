import HeedSupport
import HeedWeights

/// What a model folder says about generation in `generation_config.json`: the values of options that nobody gives.
///
/// Every key is known: it is honoured, or it changes no id, or it is refused by name where its value is not neutral.
/// Keys that are not known are listed, for a warning.
public struct GenerationDefaults: Sendable, Equatable {
    /// The keys that set something, in the order of the file, with their values as they stand there.
    public private(set) var settings: [Setting] = []
    /// The keys that mean nothing to Heed.
    public private(set) var unknownKeys: [String] = []
    /// Texts that end a sequence.
    public private(set) var stopStrings: [String] = []
    /// Whether they say how many ids to generate.
    public private(set) var setsLength = false
    /// The options.
    public private(set) var options = GenerationOptions()

    /// A key that sets something.
    public struct Setting: Sendable, Equatable {
        /// As in the file.
        public let key: String
        /// As in the file.
        public let value: String
    }

    /// No defaults but those of `GenerationOptions`.
    public init() {}

    /// Reads the file of a folder; nothing where there is none.
    ///
    /// - Throws: `HeedError` naming the key for a value of the wrong kind, or one that Heed does not honour.
    public init(folder: String) throws {
        let path = joinPath(folder, "generation_config.json")
        self = fileExists(path) ? try GenerationDefaults(ConfigurationReader(path: path)) : GenerationDefaults()
    }

    /// Takes values that are already read.
    public init(_ reader: ConfigurationReader) throws {
        for (key, value) in reader.object where !value.isNull {
            if let honour = GenerationDefaults.honoured[key] {
                let before = self
                try honour(&self, reader, key)
                if self != before { settings.append(Setting(key: key, value: value.serialised())) }
            } else if let neutral = GenerationDefaults.refused[key] {
                guard neutral.contains(value) else {
                    throw HeedError(
                        .unsupported, "Heed does not generate with \(key)", in: reader.file,
                        expected: (["none"] + neutral.prefix(1).map { $0.serialised() }).joined(separator: " or "),
                        got: value.serialised(), advice: "Take the key out of the file, or do not use the file")
                }
            } else if !GenerationDefaults.harmless.contains(key) {
                unknownKeys.append(key)
            }
        }
        setsLength = reader.has("max_new_tokens") || options.maxLength != nil
        // As in transformers, a number of new tokens is worth more than a length.
        if reader.has("max_new_tokens") {
            options.maxLength = nil
        } else if options.maxLength != nil {
            options.maxNewTokens = .max
        }
        if reader.has("min_new_tokens") { options.minLength = 0 }
    }

    /// The settings that decide something for `options`, except for the keys that were `given` otherwise.
    public func used(for options: GenerationOptions, given: Set<String>) -> [Setting] {
        settings.filter { setting in
            if given.contains(setting.key) { return false }
            if GenerationDefaults.onlyForDraws.contains(setting.key) { return options.isRandom }
            if GenerationDefaults.onlyForBeams.contains(setting.key) { return options.numBeams > 1 }
            switch setting.key {
            case "max_length": return options.maxLength != nil && !given.contains("max_new_tokens")
            case "min_length": return options.minLength > 0 && !given.contains("min_new_tokens")
            default: return true
            }
        }
    }

    // MARK: - Keys

    private typealias Honour = @Sendable (inout GenerationDefaults, ConfigurationReader, String) throws -> Void

    private static let onlyForDraws: Set = [
        "temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff",
    ]

    private static let onlyForBeams: Set = ["length_penalty", "early_stopping", "renormalize_logits"]

    private static func number(
        _ path: WritableKeyPath<GenerationOptions, Double> & Sendable, _ range: ClosedRange<Double> = 0...1
    ) -> Honour {
        { defaults, reader, key in defaults.options[keyPath: path] = try reader.double(key, in: range) }
    }

    private static func integer(
        _ path: WritableKeyPath<GenerationOptions, Int> & Sendable, _ range: ClosedRange<Int> = 0...limit
    ) -> Honour {
        { defaults, reader, key in defaults.options[keyPath: path] = try reader.integer(key, in: range) }
    }

    private static func ids(_ path: WritableKeyPath<GenerationOptions, [Int32]> & Sendable) -> Honour {
        { defaults, reader, key in
            let ids = try reader.optionalIntegers(key, in: idRange) ?? []
            defaults.options[keyPath: path] = ids.map { Int32($0) }
        }
    }

    private static let limit = ConfigurationReader.largestExtent
    private static let idRange = 0...Int(Int32.max)
    private static let anyNumber = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
    private static let positive = Double.leastNonzeroMagnitude...Double.greatestFiniteMagnitude

    private static let honoured: [String: Honour] = [
        "do_sample": { $0.options.samples = try $1.bool($2, default: false) },
        "temperature": number(\.temperature, 0...Double.greatestFiniteMagnitude),
        "top_k": integer(\.topK), "top_p": number(\.topP), "min_p": number(\.minP), "typical_p": number(\.typicalP),
        "epsilon_cutoff": number(\.epsilonCutoff), "eta_cutoff": number(\.etaCutoff),
        "repetition_penalty": number(\.repetitionPenalty, positive),
        "encoder_repetition_penalty": number(\.encoderRepetitionPenalty, positive),
        "no_repeat_ngram_size": integer(\.noRepeatNgramSize),
        "encoder_no_repeat_ngram_size": integer(\.encoderNoRepeatNgramSize),
        "max_new_tokens": integer(\.maxNewTokens, 1...limit), "min_new_tokens": integer(\.minNewTokens),
        "max_length": { $0.options.maxLength = try $1.integer($2, in: 1...limit) },
        "min_length": integer(\.minLength),
        "num_beams": integer(\.numBeams, 1...1_024),
        "num_return_sequences": integer(\.numReturnSequences, 1...4_096),
        "length_penalty": number(\.lengthPenalty, anyNumber),
        "early_stopping": { defaults, reader, key in
            if reader.object[key]?.stringValue != nil {
                defaults.options.earlyStopping = try reader.choice(key, ["never": BeamStopping.never])
            } else {
                defaults.options.earlyStopping = try reader.bool(key, default: false) ? .yes : .no
            }
        },
        "renormalize_logits": { $0.options.renormalizesLogits = try $1.bool($2, default: false) },
        "suppress_tokens": ids(\.suppressedTokens), "begin_suppress_tokens": ids(\.beginSuppressedTokens),
        "forced_eos_token_id": ids(\.forcedEndTokens),
        "forced_bos_token_id": { $0.options.forcedBeginToken = Int32(try $1.integer($2, in: idRange)) },
        "bad_words_ids": { defaults, reader, key in
            defaults.options.badWords = try lists(reader, key).map { try idList($0, reader, key) }
        },
        "sequence_bias": { defaults, reader, key in
            defaults.options.biases = try lists(reader, key).map { pair in
                guard pair.count == 2, let ids = pair[0].arrayValue, let bias = pair[1].doubleValue else {
                    throw wrong(reader, key, "pairs of ids and a number, [[ids], bias]")
                }
                return TokenBias(try idList(ids, reader, key), Float(bias))
            }
        },
        "exponential_decay_length_penalty": { defaults, reader, key in
            guard let pair = reader.object[key]?.arrayValue, pair.count == 2, let start = pair[0].intValue,
                let factor = pair[1].doubleValue
            else { throw wrong(reader, key, "a pair [start, factor]") }
            defaults.options.lengthDecay = LengthDecayOptions(start: start, factor: factor)
        },
        "stop_strings": { defaults, reader, key in
            defaults.stopStrings =
                try reader.object[key]?.stringValue.map { [$0] } ?? reader.strings(key)
        },
    ]

    private static func lists(_ reader: ConfigurationReader, _ key: String) throws -> [[JSON]] {
        guard let lists = reader.object[key]?.arrayValue else { throw wrong(reader, key, "a list of lists") }
        return try lists.map { list in
            guard let list = list.arrayValue, !list.isEmpty else {
                throw wrong(reader, key, "a list of lists that are not empty")
            }
            return list
        }
    }

    private static func idList(_ list: [JSON], _ reader: ConfigurationReader, _ key: String) throws -> [Int32] {
        try list.map { id in
            guard let id = id.intValue, idRange.contains(id) else { throw wrong(reader, key, "ids of 0 or more") }
            return Int32(id)
        }
    }

    private static func wrong(_ reader: ConfigurationReader, _ key: String, _ expected: String) -> HeedError {
        HeedError(
            .badInput, "the value of \(key) cannot be used", in: reader.file, expected: expected,
            got: reader.object[key]?.kindName)
    }

    /// Keys that change ids in a way that Heed does not, with the values at which they change nothing.
    private static let refused: [String: [JSON]] = [
        "diversity_penalty": [.number(0), .integer(0)], "num_beam_groups": [.integer(1)],
        "guidance_scale": [.number(1), .integer(1)], "penalty_alpha": [.number(0), .integer(0)],
        "token_healing": [.bool(false)], "watermarking_config": [], "constraints": [], "force_words_ids": [],
        "forced_decoder_ids": [], "top_h": [], "dola_layers": [], "max_time": [],
    ]

    /// Keys that change no id: those that are read elsewhere (special ids), that say how `transformers` stores or
    /// computes what Heed has its own way for (caches, assistants, compilation), what else it returns, and who wrote it.
    private static let harmless: Set = [
        "bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id",
        "use_cache", "cache_implementation", "cache_config", "return_legacy_cache", "prefill_chunk_size", "low_memory",
        "is_assistant", "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold",
        "assistant_early_exit", "assistant_lookbehind", "target_lookbehind", "prompt_lookup_num_tokens",
        "max_matching_ngram_size", "compile_config", "disable_compile",
        "remove_invalid_values",  // logits that are not finite are an error here
        "output_attentions", "output_hidden_states", "output_scores", "output_logits", "return_dict_in_generate",
        "_from_model_config", "transformers_version", "generation_kwargs", "trust_remote_code",
    ]
}
