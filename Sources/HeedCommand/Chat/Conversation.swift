import Heed
import HeedSupport

/// Messages, and what else a template reads, as they were given.
struct Conversation {
    /// The variables, `messages` among them.
    var variables: JSONObject
    /// What to name in messages.
    let place: String

    var messages: [JSON] { variables["messages"]?.arrayValue ?? [] }
    var hasTools: Bool { variables["tools"].map { !$0.isNull } ?? false }

    /// A conversation from JSON: an array of messages, or an object with `messages` (and `tools`, …).
    init(_ json: JSON, in place: String) throws {
        self.place = place
        switch json {
        case .array: variables = ["messages": json]
        case .object(let members): variables = members
        default:
            throw HeedError(
                .badInput, "a conversation is of the wrong kind", in: place,
                expected: "an array of messages, or {\"messages\": […]}", got: json.kindName)
        }
        guard let messages = variables["messages"]?.arrayValue else {
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
        variables["messages"] = .array(messages.map(Conversation.normalised))
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

    /// The conversations of a file: one in JSON, or one on every line.
    static func read(_ path: String) throws -> [Conversation] {
        StandardInput.prepare(path)
        let file = try InputFile.open(path)
        defer { withExtendedLifetime(file) {} }
        let bytes = Array(file.bytes)
        let path = file.name
        if let whole = try? JSON.parse(bytes) {
            // An array of arrays or of objects with messages holds several.
            if case .array(let elements) = whole, elements.first?["role"] == nil, !elements.isEmpty {
                return try elements.enumerated().map {
                    try Conversation($0.element, in: "\(path), conversation \($0.offset + 1)")
                }
            }
            return [try Conversation(whole, in: path)]
        }
        var conversations: [Conversation] = []
        for (number, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            let place = "\(path), line \(number + 1)"
            conversations.append(try Conversation(try JSON.parse(Array(line), in: place), in: place))
        }
        guard !conversations.isEmpty else {
            throw HeedError(.badInput, "the file holds no conversation", in: path)
        }
        return conversations
    }
}
