import HeedSupport

/// A message of a conversation: who says what.
public struct ChatMessage: Sendable, Equatable {
    /// Who speaks: `system`, `user`, `assistant`, or what else a template knows.
    public var role: String
    /// What is said.
    public var content: String

    /// A message from its parts.
    public init(role: String, content: String) {
        self.role = role
        self.content = content
    }

    /// What the model is told before the conversation.
    public static func system(_ content: String) -> ChatMessage { ChatMessage(role: "system", content: content) }
    /// What the user says.
    public static func user(_ content: String) -> ChatMessage { ChatMessage(role: "user", content: content) }
    /// What the model said.
    public static func assistant(_ content: String) -> ChatMessage { ChatMessage(role: "assistant", content: content) }
}

extension Conversation {
    /// A conversation of messages.
    ///
    /// - Throws: `HeedError` where there is none.
    public init(_ messages: [ChatMessage]) throws {
        try self.init(
            .array(messages.map { ["role": .string($0.role), "content": .string($0.content)] }),
            in: "the conversation")
    }
}
