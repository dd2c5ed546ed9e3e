import Heed

/// A request for `/v1/chat/completions`.
struct ChatRequest {
    let model: ServedModel
    let job: GenerationJob
    let sampling: SamplingFields
    let prompt: GenerationPrompt
    let logProbabilities: Int?
    let stream: StreamFields
    /// How calls of tools are written, where tools are given.
    let tools: ToolConvention?

    static let names: Set<String> = SamplingFields.names.union(SamplingFields.ignored).union(StreamFields.names)
        .union([
            "model", "messages", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs",
            "response_format", "tools", "tool_choice", "parallel_tool_calls", "modalities", "reasoning_effort",
            "chat_template_kwargs", "add_generation_prompt", "continue_final_message", "documents",
        ])

    init(_ fields: RequestFields, shelf: ModelShelf, owner: Int, deadline: ContinuousClock.Instant?) throws {
        let name = try fields.string("model")
        guard fields.has("messages") || name == nil else {
            throw APIError.wrong("messages", "a list of messages", got: "nothing")
        }
        model = try shelf.model(name)
        try fields.refuseUnknown(ChatRequest.names)
        if let modalities = fields["modalities"], modalities != ["text"] {
            throw APIError(400, "Only text is spoken here.", param: "modalities")
        }
        _ = try model.generation()
        let conversation = try ChatRequest.conversation(fields)
        let maximum =
            try fields.integer("max_completion_tokens", in: 1...Int(Int32.max))
            ?? fields.integer("max_tokens", in: 1...Int(Int32.max)) ?? Int(Int32.max)
        var sampling = try SamplingFields(fields, model: model, maximum: maximum)
        stream = try StreamFields(fields)
        logProbabilities = try ChatRequest.logProbabilities(fields)
        prompt = try ChatRequest.prompt(conversation, model)
        tools = try ChatRequest.tools(fields, conversation, model, &sampling)
        self.sampling = sampling
        let text = AnswerText(
            model.answers, after: prompt.source == nil ? prompt.ids : [], stops: sampling.stops,
            showsSpecialTokens: tools != nil)
        job = GenerationJob(
            choices: ChatRequest.choices(sampling.count, of: prompt, text),
            options: sampling.options, logProbabilities: logProbabilities, owner: owner,
            priority: try fields.integer("priority", in: -1_000_000...1_000_000) ?? 0, deadline: deadline)
    }

    private static func choices(
        _ count: Int, of prompt: GenerationPrompt, _ text: AnswerText
    ) -> [GenerationJob.Choice] {
        (0..<count).map { .init(prompt: prompt, number: $0, text: text) }
    }

    /// `logprobs: true` and `top_logprobs: n`.
    private static func logProbabilities(_ fields: RequestFields) throws -> Int? {
        let asked = try fields.bool("logprobs") ?? false
        let top = try fields.integer("top_logprobs", in: 0...20)
        if top != nil, !asked {
            throw APIError(
                400, "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", param: "top_logprobs")
        }
        return asked ? top ?? 0 : nil
    }

    /// The messages and what else the template reads.
    static func conversation(_ fields: RequestFields) throws -> Conversation {
        guard let messages = fields["messages"]?.arrayValue, !messages.isEmpty else {
            throw fields.wrong("messages", "a list of at least one message")
        }
        var variables = JSONObject()
        for (name, value) in try fields.object("chat_template_kwargs")?.object ?? JSONObject() {
            variables[name] = value
        }
        variables["messages"] = .array(try messages.enumerated().map { try message($0.element, number: $0.offset) })
        if fields["tool_choice"] != "none" { variables["tools"] = fields["tools"] }
        variables["documents"] = fields["documents"]
        if let asked = try fields.bool("add_generation_prompt") { variables["add_generation_prompt"] = .bool(asked) }
        return try Conversation(.object(variables), in: "messages")
    }

    /// A message with its content as text: templates of text models read no lists of parts. Arguments of tool calls are
    /// objects there, not text.
    private static func message(_ message: JSON, number: Int) throws -> JSON {
        let place = "messages[\(number)]"
        guard var members = message.objectValue, members["role"]?.stringValue != nil else {
            throw APIError.wrong(place, "an object with a role", got: message.kindName)
        }
        if members["role"] == "developer" { members["role"] = "system" }
        switch members["content"] {
        case .array(let parts)?:
            members["content"] = .string(
                try parts.map { part in
                    guard let text = part["text"]?.stringValue ?? part["refusal"]?.stringValue else {
                        throw APIError(400, "The model reads text only.", param: place + ".content")
                    }
                    return text
                }.joined())
        case .string?: break
        case nil, .null?:
            guard members["tool_calls"] != nil else {
                throw APIError.wrong(place + ".content", "a string", got: "nothing")
            }
            members["content"] = ""
        case let other?: throw APIError.wrong(place + ".content", "a string or a list of parts", got: other.kindName)
        }
        if let calls = members["tool_calls"]?.arrayValue { members["tool_calls"] = .array(calls.map(readable)) }
        return .object(members)
    }

    /// A call whose arguments are an object.
    private static func readable(_ call: JSON) -> JSON {
        guard var members = call.objectValue, var function = members["function"]?.objectValue,
            let text = function["arguments"]?.stringValue, let arguments = try? JSON.parse(text),
            arguments.objectValue != nil
        else { return call }
        function["arguments"] = arguments
        members["function"] = .object(function)
        return .object(members)
    }

    static func prompt(_ conversation: Conversation, _ model: ServedModel) throws -> GenerationPrompt {
        let ids: [Int32]
        do { ids = try model.chat.ids(conversation) } catch let error as HeedError {
            throw APIError(400, error.description, param: "messages")
        }
        return try model.prompt(ids, param: "messages")
    }

    /// Tools, and what they ask of the text.
    private static func tools(
        _ fields: RequestFields, _ conversation: Conversation, _ model: ServedModel, _ sampling: inout SamplingFields
    ) throws -> ToolConvention? {
        let names = try ToolConvention.names(fields)
        let choice = try ToolChoice(fields, names: names)
        guard conversation.hasTools, !names.isEmpty else { return nil }
        let convention = ToolConvention(template: try model.chat.template(hasTools: true).source)
        if choice != .auto {
            guard sampling.options.constraint == nil else {
                throw APIError(400, "A tool call and a response format cannot both be required.", param: "tool_choice")
            }
            let form = Receipt.Form.jsonSchema(convention.schema(for: choice, fields["tools"]))
            sampling.form = form
            sampling.options.constraint = try model.constraints.constraint(form)
        }
        return choice == .auto ? convention : .json
    }
}
