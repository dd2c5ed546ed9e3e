import Heed
import HeedSupport

/// Turns conversations into the ids that a chat model continues: its template, then its tokenizer.
///
/// The model's templates are read when the first conversation comes.
final class ChatPrompter {
    private let model: String
    private let tokenizer: Result<Tokenizer, HeedError>
    /// A template's file, or the name of one of the model's; nil for the one that fits.
    private let choice: String?
    /// Variables for every conversation, over which its own go.
    private let variables: JSONObject
    private var found: ModelChatTemplates?
    private var read: [Bool: ChatTemplate] = [:]

    /// - Parameters:
    ///   - model: the folder or GGUF file whose templates and special tokens are used.
    ///   - choice: a template's file, or the name of one of the model's; nil for that for tools where tools are given,
    ///     else the default.
    ///   - variables: more variables, such as `enable_thinking`.
    init(
        model: String, tokenizer: Result<Tokenizer, HeedError>, choice: String? = nil,
        variables: JSONObject = JSONObject()
    ) {
        self.model = model
        self.tokenizer = tokenizer
        self.choice = choice
        self.variables = variables
    }

    /// The template for conversations with or without tools.
    func template(hasTools: Bool) throws -> ChatTemplate {
        if let known = read[hasTools] { return known }
        let template: ChatTemplate
        if let choice, choice.hasSuffix(".jinja") || fileExists(choice) {
            template = try ChatTemplate(path: choice)
        } else {
            template = try templates().template(named: choice, hasTools: hasTools)
        }
        read[hasTools] = template
        return template
    }

    private func templates() throws -> ModelChatTemplates {
        if let found { return found }
        let templates = try ModelChatTemplates.load(path: model)
        found = templates
        return templates
    }

    /// The text that the template makes of a conversation.
    func text(_ conversation: Conversation) throws -> String {
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

    /// The ids of a conversation.
    func ids(_ conversation: Conversation) throws -> [Int32] {
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
