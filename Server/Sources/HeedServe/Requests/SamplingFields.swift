import Heed

/// How ids are chosen, as completions and chats say it: OpenAI's names, and those of Hugging Face's generation for what
/// OpenAI has no name for.
struct SamplingFields {
    /// For the engine.
    var options: GenerationOptions
    /// Texts that end an answer.
    let stops: [String]
    /// How many answers to a prompt.
    let count: Int
    /// What the text must be like.
    var form: Receipt.Form?
    /// Whether the answer carries a receipt.
    let hasReceipt: Bool

    /// The names that are read here.
    static let names: Set<String> = [
        "temperature", "top_p", "n", "stop", "seed", "logit_bias", "presence_penalty", "frequency_penalty",
        // Beyond OpenAI:
        "top_k", "min_p", "typical_p", "repetition_penalty", "no_repeat_ngram_size", "min_tokens", "ignore_eos",
        "stop_token_ids", "guided_json", "guided_regex", "grammar", "receipt",
    ]
    /// Names that OpenAI has and that change no token here.
    static let ignored: Set<String> = [
        "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
        "prompt_cache_retention", "verbosity", "priority",
    ]

    /// The most answers to a prompt.
    static let mostAnswers = 128

    /// Reads the members.
    ///
    /// - Parameter maximum: how many new ids at most; cut to what fits the model.
    /// - Throws: `APIError` naming the member.
    init(_ fields: RequestFields, model: ServedModel, maximum: Int) throws {
        var options = model.defaults.options
        options.maxNewTokens = max(1, maximum)
        // One more than fits: the last id is not read.
        options.maxLength = model.contextLength < .max ? model.contextLength + 1 : nil
        options.minLength = 0
        options.numBeams = 1
        options.numReturnSequences = 1
        options.endTokens = model.ends
        let temperature = try fields.number("temperature", in: 0...2) ?? options.temperature
        options.temperature = temperature
        options.samples = temperature > 0
        if let value = try fields.number("top_p", in: 0...1) { options.topP = value }
        if let value = try fields.integer("top_k", in: -1...Int(Int32.max)) { options.topK = max(0, value) }
        if let value = try fields.number("min_p", in: 0...1) { options.minP = value }
        if let value = try fields.number("typical_p", in: 0...1) { options.typicalP = value }
        if let value = try fields.number("repetition_penalty", in: 0...100) { options.repetitionPenalty = value }
        if let value = try fields.integer("no_repeat_ngram_size", in: 0...1024) { options.noRepeatNgramSize = value }
        options.presencePenalty = try fields.number("presence_penalty", in: -2...2) ?? 0
        options.frequencyPenalty = try fields.number("frequency_penalty", in: -2...2) ?? 0
        if let value = try fields.integer("min_tokens", in: 0...options.maxNewTokens) { options.minNewTokens = value }
        if try fields.bool("ignore_eos") ?? false {
            options.suppressedTokens += options.endTokens
            options.endTokens = []
        }
        if let list = fields["stop_token_ids"] {
            guard let ids = list.arrayValue.flatMap(RequestFields.ids) else {
                throw fields.wrong("stop_token_ids", "a list of ids")
            }
            options.endTokens += ids.filter { !options.endTokens.contains($0) }
        }
        try SamplingFields.readBiases(fields, &options)
        if let seed = fields["seed"] {
            guard let number = seed.intValue else { throw fields.wrong("seed", "an integer") }
            options.seed = UInt64(bitPattern: Int64(number))
        } else {
            options.seed = UInt64.random(in: 0...(1 << 53))
        }
        count = try fields.integer("n", in: 1...SamplingFields.mostAnswers) ?? 1
        let stops = try fields.strings("stop", atMost: 16)
        if stops.contains(where: { $0.isEmpty || $0.utf8.count > 1024 }) {
            throw fields.wrong("stop", "strings of 1 to 1024 bytes")
        }
        self.stops = stops.isEmpty ? model.defaults.stopStrings : stops
        form = try SamplingFields.form(fields)
        options.constraint = try form.map { try model.constraints.constraint($0) }
        hasReceipt = try fields.bool("receipt") ?? true
        try options.validate(vocabulary: model.vocabulary)
        self.options = options
    }

    /// `logit_bias`: −100 bans an id.
    private static func readBiases(_ fields: RequestFields, _ options: inout GenerationOptions) throws {
        guard let biases = try fields.object("logit_bias") else { return }
        var list: [(id: Int32, bias: Double)] = []
        for (key, value) in biases.object {
            guard let id = Int32(key) else { throw fields.wrong("logit_bias", "ids as names", .string(key)) }
            guard let bias = value.doubleValue, (-100...100).contains(bias) else {
                throw fields.wrong("logit_bias", "numbers from -100 to 100", value)
            }
            list.append((id, bias))
        }
        list.sort { $0.id < $1.id }
        for (id, bias) in list {
            if bias == -100 {
                options.suppressedTokens.append(id)
            } else {
                options.biases.append(TokenBias([id], Float(bias)))
            }
        }
    }

    /// What the text must be like, by any of the names for it.
    private static func form(_ fields: RequestFields) throws -> Receipt.Form? {
        var forms: [Receipt.Form] = []
        if let format = try fields.object("response_format") {
            switch try format.string("type") {
            case "text"?: break
            case "json_object"?: forms.append(.jsonSchema("{\"type\":\"object\"}"))
            case "json_schema"?:
                // Chats have the schema in an object of its own, responses beside the type.
                guard let schema = try format.object("json_schema")?["schema"] ?? format["schema"] else {
                    throw APIError.wrong("response_format.json_schema", "an object with a schema", got: "none")
                }
                forms.append(.jsonSchema(schema.serialised()))
            default:
                throw APIError.wrong(
                    "response_format.type", "text, json_object or json_schema",
                    got: format["type"]?.kindName ?? "nothing")
            }
        }
        if let schema = fields["guided_json"] {
            forms.append(.jsonSchema(schema.stringValue ?? schema.serialised()))
        }
        if let expression = try fields.string("guided_regex") { forms.append(.regularExpression(expression)) }
        if let grammar = try fields.string("grammar") { forms.append(.grammar(grammar)) }
        guard forms.count <= 1 else {
            throw APIError(400, "Give only one of response_format, guided_json, guided_regex and grammar.")
        }
        return forms.first
    }
}
