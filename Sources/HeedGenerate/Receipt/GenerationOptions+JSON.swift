import HeedSupport

/// Options of a single sequence as JSON and back: those that differ from `GenerationOptions()`, under Hugging Face's
/// names where it has one. What only concerns beams, drafts and the form of the text is not part of it.
extension GenerationOptions {
    /// The options that are not the usual ones.
    public var json: JSONObject {
        var object = JSONObject()
        for member in GenerationOptions.members { member.write(self, &object) }
        return object
    }

    /// Options from what `json` gave.
    ///
    /// - Throws: `HeedError` naming a member that is unknown or of the wrong kind.
    public init(json: JSONObject, in place: String) throws {
        self.init()
        for (name, value) in json {
            guard let member = GenerationOptions.members.first(where: { $0.name == name }) else {
                throw HeedError(.badInput, "an option is not known", in: place, got: quoted(name))
            }
            guard member.read(value, &self) else {
                throw HeedError(
                    .badInput, "the option \(name) is of the wrong kind", in: place, got: value.kindName)
            }
        }
    }

    private struct Member: Sendable {
        let name: String
        let write: @Sendable (GenerationOptions, inout JSONObject) -> Void
        let read: @Sendable (JSON, inout GenerationOptions) -> Bool
    }

    /// A member of any type that JSON can say.
    private static func member<Value: Equatable & Sendable>(
        _ name: String, _ path: WritableKeyPath<GenerationOptions, Value> & Sendable,
        _ write: @escaping @Sendable (Value) -> JSON, _ read: @escaping @Sendable (JSON) -> Value?
    ) -> Member {
        let usual = GenerationOptions()[keyPath: path]
        return Member(name: name) { options, object in
            let value = options[keyPath: path]
            if value != usual { object[name] = write(value) }
        } read: { json, options in
            guard let value = read(json) else { return false }
            options[keyPath: path] = value
            return true
        }
    }

    private static func integer(
        _ name: String, _ path: WritableKeyPath<GenerationOptions, Int> & Sendable
    ) -> Member { member(name, path, { .integer($0) }, { $0.intValue }) }

    private static func number(
        _ name: String, _ path: WritableKeyPath<GenerationOptions, Double> & Sendable
    ) -> Member { member(name, path, { .number($0) }, { $0.doubleValue }) }

    private static func ids(
        _ name: String, _ path: WritableKeyPath<GenerationOptions, [Int32]> & Sendable
    ) -> Member { member(name, path, { .array($0.map { .integer(Int($0)) }) }, list) }

    @Sendable private static func list(_ json: JSON) -> [Int32]? {
        guard let entries = json.arrayValue else { return nil }
        let ids = entries.compactMap { $0.intValue.flatMap { Int32(exactly: $0) } }
        return ids.count == entries.count ? ids : nil
    }

    private static let members: [Member] = [
        integer("max_new_tokens", \.maxNewTokens), integer("min_new_tokens", \.minNewTokens),
        integer("min_length", \.minLength),
        member("max_length", \.maxLength, { $0.map { .integer($0) } ?? .null }, { .some($0.intValue) }),
        member("do_sample", \.samples, { .bool($0) }, { $0.boolValue }),
        number("temperature", \.temperature), integer("top_k", \.topK), number("top_p", \.topP),
        number("min_p", \.minP), number("top_a", \.topA), number("typical_p", \.typicalP),
        number("epsilon_cutoff", \.epsilonCutoff), number("eta_cutoff", \.etaCutoff),
        integer("min_tokens_to_keep", \.minTokensToKeep), number("repetition_penalty", \.repetitionPenalty),
        number("presence_penalty", \.presencePenalty), number("frequency_penalty", \.frequencyPenalty),
        number("encoder_repetition_penalty", \.encoderRepetitionPenalty),
        integer("no_repeat_ngram_size", \.noRepeatNgramSize),
        integer("encoder_no_repeat_ngram_size", \.encoderNoRepeatNgramSize),
        ids("suppress_tokens", \.suppressedTokens), ids("begin_suppress_tokens", \.beginSuppressedTokens),
        ids("forced_eos_token_id", \.forcedEndTokens), ids("eos_token_id", \.endTokens),
        member(
            "forced_bos_token_id", \.forcedBeginToken, { $0.map { .integer(Int($0)) } ?? .null },
            { .some($0.intValue.flatMap { Int32(exactly: $0) }) }),
        member(
            "bad_words_ids", \.badWords, { .array($0.map { .array($0.map { .integer(Int($0)) }) }) },
            { json in
                let lists = json.arrayValue?.compactMap(list)
                return lists?.count == json.arrayValue?.count ? lists : nil
            }),
        member(
            "sequence_bias", \.biases,
            { .array($0.map { [.array($0.ids.map { .integer(Int($0)) }), .number(Double($0.bias))] }) },
            { json in
                let biases = json.arrayValue?.compactMap { pair -> TokenBias? in
                    guard let ids = pair[0].flatMap(list), let bias = pair[1]?.doubleValue else { return nil }
                    return TokenBias(ids, Float(bias))
                }
                return biases?.count == json.arrayValue?.count ? biases : nil
            }),
        member(
            "exponential_decay_length_penalty", \.lengthDecay,
            { $0.map { [.integer($0.start), .number($0.factor)] } ?? .null },
            { json in
                guard let start = json[0]?.intValue, let factor = json[1]?.doubleValue else { return nil }
                return .some(LengthDecayOptions(start: start, factor: factor))
            }),
        // The text of 64 bits: JSON numbers of other readers hold 53.
        member("seed", \.seed, { .string("\($0)") }, { $0.stringValue.flatMap { UInt64($0) } }),
    ]
}
