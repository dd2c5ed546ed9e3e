import HeedSupport
import HeedTexts

/// The messages of a conversation so far.
struct ChatHistory {
    private(set) var messages: [JSON] = []
    /// The tools that the template is told of.
    var tools: JSON?
    /// Variables of the template that the user set.
    var variables = JSONObject()

    /// The system message, or nil.
    var system: String? {
        get {
            guard let first = messages.first, first["role"] == "system" else { return nil }
            return first["content"]?.stringValue
        }
        set {
            if messages.first?["role"] == "system" { messages.removeFirst() }
            if let newValue { messages.insert(["role": "system", "content": .string(newValue)], at: 0) }
        }
    }

    /// Whether nobody has said anything yet.
    var isEmpty: Bool { messages.allSatisfy { $0["role"] == "system" } }

    /// The last message of the user, or nil.
    var lastQuestion: String? { messages.last { $0["role"] == "user" }?["content"]?.stringValue }

    mutating func ask(_ text: String) { messages.append(["role": "user", "content": .string(text)]) }
    mutating func answer(_ text: String) { messages.append(["role": "assistant", "content": .string(text)]) }

    /// Forgets everything but the system message.
    mutating func reset() { messages = messages.filter { $0["role"] == "system" } }

    /// Takes back the last message of the user and what came after it; false where there is none.
    mutating func undo() -> Bool {
        guard let last = messages.lastIndex(where: { $0["role"] == "user" }) else { return false }
        messages.removeSubrange(last...)
        return true
    }

    /// Takes back what came after the last message of the user; false where there is none.
    mutating func dropAnswer() -> Bool {
        guard let last = messages.lastIndex(where: { $0["role"] == "user" }) else { return false }
        messages.removeSubrange((last + 1)...)
        return true
    }

    /// As a conversation that a template renders.
    func conversation() throws -> Conversation {
        try Conversation(.object(json), in: "the conversation")
    }

    private var json: JSONObject {
        var members = variables
        members["messages"] = .array(messages)
        members["tools"] = tools
        return members
    }

    /// Writes the conversation; a file that is there already is not replaced.
    func save(_ path: String) throws {
        if fileExists(path) {
            throw HeedError(.io, "the file is there already", in: path, advice: "Choose another name")
        }
        try writeAtomically(path: path, text: JSON.object(json).serialised(pretty: true) + "\n")
    }

    /// Goes on with a conversation from a file.
    mutating func load(_ path: String) throws {
        let conversations = try Conversation.read(path)
        guard conversations.count == 1, let only = conversations.first else {
            throw HeedError(
                .badInput, "the file holds several conversations", in: path, expected: "one",
                got: "\(conversations.count)")
        }
        messages = only.messages
        tools = only.variables["tools"]
        variables = JSONObject()
        for (name, value) in only.variables where name != "messages" && name != "tools" { variables[name] = value }
    }
}
