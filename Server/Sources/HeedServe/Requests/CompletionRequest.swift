import Heed

/// A request for `/v1/completions`.
struct CompletionRequest {
    let model: ServedModel
    let job: GenerationJob
    let sampling: SamplingFields
    /// The prompts: ids, and their text where it is told back.
    let prompts: [GenerationPrompt]
    let promptTexts: [String]
    let echoes: Bool
    /// How many candidates are made of each prompt; the best `sampling.count` of them are the answer.
    let candidates: Int
    let logProbabilities: Int?
    let stream: StreamFields
    /// Whether log probabilities tell ids beside names.
    let tellsIds: Bool

    static let names: Set<String> = SamplingFields.names.union(SamplingFields.ignored).union(StreamFields.names)
        .union([
            "model", "prompt", "max_tokens", "logprobs", "echo", "best_of", "suffix", "response_format",
            "return_token_ids",
        ])

    init(_ fields: RequestFields, shelf: ModelShelf, owner: Int, deadline: ContinuousClock.Instant?) throws {
        let name = try fields.string("model")
        guard fields.has("prompt") || name == nil else { throw APIError.wrong("prompt", "a prompt", got: "nothing") }
        let model = try shelf.model(name)
        try fields.refuseUnknown(CompletionRequest.names)
        guard fields.has("prompt") else { throw APIError.wrong("prompt", "a prompt", got: "nothing") }
        if let suffix = try fields.string("suffix"), !suffix.isEmpty {
            throw APIError(400, "The model '\(model.id)' inserts no text: leave out 'suffix'.", param: "suffix")
        }
        let lane = try model.generation()
        _ = lane
        self.model = model
        let maximum = try fields.integer("max_tokens", in: 0...Int(Int32.max)) ?? 16
        sampling = try SamplingFields(fields, model: model, maximum: maximum)
        echoes = try fields.bool("echo") ?? false
        if maximum == 0, !echoes { throw fields.wrong("max_tokens", "at least 1, or echo") }
        logProbabilities = try fields.integer("logprobs", in: 0...20)
        stream = try StreamFields(fields)
        tellsIds = try fields.bool("return_token_ids") ?? false
        candidates = try fields.integer("best_of", in: 1...SamplingFields.mostAnswers) ?? sampling.count
        guard candidates >= sampling.count else { throw fields.wrong("best_of", "at least n (\(sampling.count))") }
        if candidates > sampling.count, stream.streams {
            throw APIError(400, "Results of best_of cannot be streamed.", param: "best_of")
        }
        (prompts, promptTexts) = try CompletionRequest.prompts(fields, model, needsText: echoes)
        guard prompts.count * candidates <= 1024 else {
            throw APIError(
                400, "The request asks for \(prompts.count * candidates) sequences; at most 1024 are allowed.")
        }
        var choices: [GenerationJob.Choice] = []
        for (index, prompt) in prompts.enumerated() {
            let text = AnswerText(
                model.answers, after: prompt.source == nil ? prompt.ids : [], stops: sampling.stops)
            for candidate in 0..<candidates {
                choices.append(.init(prompt: prompt, number: index * candidates + candidate, text: text))
            }
        }
        let wantsScores = logProbabilities != nil
        job = GenerationJob(
            choices: choices, options: sampling.options, onlyScores: maximum == 0,
            logProbabilities: logProbabilities ?? (candidates > sampling.count ? 0 : nil),
            scoresPrompts: echoes && wantsScores || maximum == 0, owner: owner,
            priority: try fields.integer("priority", in: -1_000_000...1_000_000) ?? 0, deadline: deadline)
    }

    /// A text, several texts, ids, or several lists of ids.
    private static func prompts(
        _ fields: RequestFields, _ model: ServedModel, needsText: Bool
    ) throws -> ([GenerationPrompt], [String]) {
        func wrong() -> APIError {
            fields.wrong("prompt", "a string, a list of strings, a list of ids, or a list of such lists")
        }
        func text(of ids: [Int32]) throws -> String {
            needsText ? try model.tokenizer.get().decode(ids) : ""
        }
        if let text = fields["prompt"]?.stringValue { return ([try model.prompt(text, param: "prompt")], [text]) }
        guard let list = fields["prompt"]?.arrayValue, let first = list.first else { throw wrong() }
        guard list.count <= 1024 || first.intValue != nil else { throw wrong() }
        switch first {
        case .string:
            let texts = try list.map { entry in
                guard let text = entry.stringValue else { throw wrong() }
                return text
            }
            return (try texts.map { try model.prompt($0, param: "prompt") }, texts)
        case .array:
            let prompts = try list.map { entry in
                guard let ids = entry.arrayValue.flatMap(RequestFields.ids) else { throw wrong() }
                return ids
            }
            return (
                try prompts.map { try model.prompt($0, param: "prompt") }, try prompts.map(text)
            )
        default:
            guard let ids = RequestFields.ids(list) else { throw wrong() }
            return ([try model.prompt(ids, param: "prompt")], [try text(of: ids)])
        }
    }
}

/// Whether and how an answer is streamed.
struct StreamFields {
    let streams: Bool
    let includesUsage: Bool

    static let names: Set<String> = ["stream", "stream_options"]

    init(_ fields: RequestFields) throws {
        streams = try fields.bool("stream") ?? false
        let options = try fields.object("stream_options")
        try options?.refuseUnknown(["include_usage", "include_obfuscation"])
        includesUsage = try options?.bool("include_usage") ?? false
        if options != nil, !streams {
            throw APIError(
                400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param: "stream_options"
            )
        }
    }
}
