import HeedSupport

/// Messages, and what else a chat template reads, as they were given.
public struct Conversation: Sendable, Equatable {
    /// The variables of the template, `messages` among them.
    public package(set) var variables: JSONObject
    /// What to name in errors.
    public let place: String

    /// The messages in order, each an object with `role` and `content`.
    public var messages: [JSON] { variables["messages"]?.arrayValue ?? [] }
    /// Whether the template is told of tools.
    public var hasTools: Bool { variables["tools"].map { !$0.isNull } ?? false }

    /// A conversation from JSON: an array of messages, or an object with `messages` (and `tools`, …).
    ///
    /// - `place`: what to name in errors.
    /// - Throws: `HeedError` where there is no message, or one has no role.
    public init(_ json: JSON, in place: String = "the conversation") throws {
        self.place = place
        var members: JSONObject
        switch json {
        case .array: members = ["messages": json]
        case .object(let object): members = object
        default:
            throw HeedError(
                .badInput, "a conversation is of the wrong kind", in: place,
                expected: "an array of messages, or {\"messages\": […]}", got: json.kindName)
        }
        guard let messages = members["messages"]?.arrayValue else {
            throw HeedError(
                .badInput, "the conversation has no messages", in: place,
                expected: "{\"messages\": [{\"role\": \"user\", \"content\": \"…\"}]}")
        }
        if messages.isEmpty {
            throw HeedError(.badInput, "the conversation is empty", in: place, expected: "at least one message")
        }
        for (number, message) in messages.enumerated() {
            guard message.objectValue != nil, message["role"]?.stringValue != nil else {
                throw HeedError(
                    .badInput, "message \(number + 1) is malformed", in: place,
                    expected: "{\"role\": \"user\", \"content\": \"…\"}", got: message.kindName)
            }
        }
        members["messages"] = .array(messages.map(Conversation.normalised))
        variables = members
    }

    /// A message as transformers hands it to templates: without members that are null, and with the reasoning under
    /// the name that templates read, whichever it was given under.
    private static func normalised(_ message: JSON) -> JSON {
        var result = JSONObject()
        for (name, value) in message.objectValue ?? JSONObject() where !value.isNull { result[name] = value }
        let reasoning = ["reasoning_content", "thinking", "reasoning"].lazy.compactMap { result[$0] }.first
        if let reasoning {
            if result["thinking"] == nil { result["thinking"] = reasoning }
            result["reasoning_content"] = reasoning
        }
        return .object(result)
    }
}
