import HeedSupport
import HeedTemplates
import HeedTokenizers
import Synchronization

/// Turns conversations into the ids that a chat model continues: its template, then its tokenizer.
///
/// The model's templates are read when the first conversation comes.
public final class ChatPrompter: Sendable {
    private let model: String
    private let tokenizer: Result<Tokenizer, HeedError>
    private let choice: String?
    private let variables: JSONObject
    private let read = Mutex(Read())

    /// What has been read so far.
    private struct Read {
        var templates: ModelChatTemplates?
        /// By whether tools are given.
        var template: [Bool: ChatTemplate] = [:]
    }

    /// Makes ids of conversations with a model.
    ///
    /// - Parameters:
    ///   - model: the folder, GGUF file or cached name whose templates and special tokens are used.
    ///   - tokenizer: the model's, or why there is none.
    ///   - choice: a template's file, or the name of one of the model's; nil for that for tools where tools are given,
    ///     else the default.
    ///   - variables: more variables for every conversation, such as `enable_thinking`; its own come before them.
    public init(
        model: String, tokenizer: Result<Tokenizer, HeedError>, choice: String? = nil,
        variables: JSONObject = JSONObject()
    ) {
        self.model = model
        self.tokenizer = tokenizer
        self.choice = choice
        self.variables = variables
    }

    /// The template for conversations with or without tools.
    ///
    /// - Throws: `HeedError` where the model has none, or it is malformed.
    public func template(hasTools: Bool) throws -> ChatTemplate {
        if let known = read.withLock({ $0.template[hasTools] }) { return known }
        let template: ChatTemplate
        if let choice, choice.hasSuffix(".jinja") || fileExists(choice) {
            template = try ChatTemplate(path: choice)
        } else {
            template = try templates().template(named: choice, hasTools: hasTools)
        }
        read.withLock { $0.template[hasTools] = template }
        return template
    }

    private func templates() throws -> ModelChatTemplates {
        if let known = read.withLock({ $0.templates }) { return known }
        let templates = try ModelChatTemplates.load(path: model)
        read.withLock { $0.templates = templates }
        return templates
    }

    /// The text that the template makes of a conversation.
    ///
    /// - Throws: `HeedError` naming the conversation and the place in the template.
    public func text(_ conversation: Conversation) throws -> String {
        var values = try TemplateVariables(variables)
        for (name, value) in conversation.variables { try values.set(name, to: value) }
        try values.setDefault("add_generation_prompt", to: true)
        try values.setStandardVariables(specialTokens: try templates().specialTokens)
        let template = try template(hasTools: values.hasTools)
        do { return try template.render(values) } catch let error as HeedError {
            throw HeedError(
                error.kind, "the chat template refuses the conversation: \(error.what)",
                in: [conversation.place, error.place].compactMap { $0 }.joined(separator: ": "),
                expected: error.expected, got: error.got, advice: error.advice)
        }
    }

    /// The ids of a conversation, with what begins the answer.
    ///
    /// - Throws: as `text`, and where the tokenizer is missing or the text is empty.
    public func ids(_ conversation: Conversation) throws -> [Int32] {
        var tokenizer = try tokenizer.get()
        // The template writes the special tokens, so they must become ids, and no others may be added.
        tokenizer.recognisesSpecialTokens = true
        tokenizer.truncation = nil
        tokenizer.padding = nil
        let ids = try tokenizer.encode(try text(conversation), addingSpecialTokens: false).ids
        if ids.isEmpty {
            throw HeedError(
                .badInput, "the chat template makes an empty text of the conversation", in: conversation.place)
        }
        return ids
    }
}
