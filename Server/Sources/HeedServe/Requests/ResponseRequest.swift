import Heed

/// A request for `/v1/responses`: a chat in other words. Nothing is stored, so an earlier response cannot be gone on from.
struct ResponseRequest {
    let chat: ChatRequest
    /// What the answer tells back.
    let told: JSONObject

    private static let names: Set<String> = [
        "model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "stream", "stream_options",
        "text", "tools", "tool_choice", "parallel_tool_calls", "metadata", "store", "previous_response_id",
        "top_logprobs", "include", "reasoning", "truncation", "user", "service_tier", "background", "prompt_cache_key",
        "safety_identifier", "max_tool_calls", "conversation",
        // Beyond OpenAI:
        "seed", "top_k", "min_p", "receipt",
    ]

    init(_ fields: RequestFields, shelf: ModelShelf, owner: Int, deadline: ContinuousClock.Instant?) throws {
        try fields.refuseUnknown(ResponseRequest.names)
        for name in ["previous_response_id", "conversation"] where fields.has(name) {
            throw APIError(
                400, "Nothing is stored here: give the whole conversation as 'input'.", param: name,
                code: "unsupported_parameter")
        }
        if try fields.bool("background") ?? false {
            throw APIError(400, "Responses are answered at once here.", param: "background")
        }
        if let truncation = try fields.string("truncation"), truncation != "disabled" {
            throw APIError(400, "Input is not cut here.", param: "truncation")
        }
        var members = JSONObject()
        for name in ["model", "temperature", "top_p", "stream", "tool_choice", "seed", "top_k", "min_p", "receipt"] {
            members[name] = fields[name]
        }
        members["max_completion_tokens"] = fields["max_output_tokens"]
        if let top = try fields.integer("top_logprobs", in: 0...20) {
            members["logprobs"] = true
            members["top_logprobs"] = .integer(top)
        }
        for include in try fields.strings("include", atMost: 16) {
            guard include == "message.output_text.logprobs" else {
                throw APIError(400, "Unknown include '\(include.prefix(100))'.", param: "include")
            }
            members["logprobs"] = true
        }
        let format = try fields.object("text")?["format"]
        if let format { members["response_format"] = format }
        if let tools = fields["tools"] { members["tools"] = try ResponseRequest.tools(tools, fields) }
        if let name = fields["tool_choice"]?["name"] {
            members["tool_choice"] = ["type": "function", "function": ["name": name]]
        }
        members["messages"] = .array(try ResponseRequest.messages(fields))
        chat = try ChatRequest(RequestFields(members), shelf: shelf, owner: owner, deadline: deadline)
        told = [
            "instructions": fields["instructions"] ?? .null, "max_output_tokens": fields["max_output_tokens"] ?? .null,
            "metadata": fields["metadata"] ?? [:], "parallel_tool_calls": fields["parallel_tool_calls"] ?? true,
            "previous_response_id": .null, "reasoning": ["effort": .null, "summary": .null], "store": false,
            "temperature": .number(chat.sampling.options.temperature), "text": ["format": format ?? ["type": "text"]],
            "tool_choice": fields["tool_choice"] ?? "auto", "tools": fields["tools"] ?? [],
            "top_p": .number(chat.sampling.options.topP), "truncation": "disabled", "user": fields["user"] ?? .null,
        ]
    }

    /// Functions as chats have them, in an object of their own.
    private static func tools(_ tools: JSON, _ fields: RequestFields) throws -> JSON {
        guard let list = tools.arrayValue else { throw fields.wrong("tools", "a list") }
        return .array(
            try list.map { tool in
                guard tool["type"] == "function", var function = tool.objectValue else {
                    throw fields.wrong("tools", "tools of type function", tool)
                }
                for name in ["type", "strict"] { function[name] = nil }
                return ["type": "function", "function": .object(function)]
            })
    }

    /// The messages of `instructions` and `input`.
    private static func messages(_ fields: RequestFields) throws -> [JSON] {
        var messages: [JSON] = []
        if let text = try fields.string("instructions") {
            messages.append(["role": "system", "content": .string(text)])
        }
        if let text = fields["input"]?.stringValue {
            return messages + [["role": "user", "content": .string(text)]]
        }
        guard let items = fields["input"]?.arrayValue, !items.isEmpty else {
            throw fields.wrong("input", "a text, or a list of items")
        }
        for (number, item) in items.enumerated() {
            let place = "input[\(number)]"
            switch item["type"] {
            case nil, "message"?:
                guard let role = item["role"], let content = item["content"] else {
                    throw APIError.wrong(place, "a message with role and content", got: item.kindName)
                }
                messages.append(["role": role, "content": content])
            case "function_call"?:
                guard let name = item["name"], let arguments = item["arguments"] else {
                    throw APIError.wrong(place, "a call with name and arguments", got: item.kindName)
                }
                messages.append([
                    "role": "assistant", "content": "",
                    "tool_calls": [
                        [
                            "id": item["call_id"] ?? "", "type": "function",
                            "function": ["name": name, "arguments": arguments],
                        ]
                    ],
                ])
            case "function_call_output"?:
                messages.append([
                    "role": "tool", "tool_call_id": item["call_id"] ?? "", "content": item["output"] ?? "",
                ])
            default:
                throw APIError.wrong(
                    place + ".type", "message, function_call or function_call_output", got: item["type"]?.kindName ?? ""
                )
            }
        }
        return messages
    }
}
