import HeedGenerate
import HeedSupport
import HeedTexts
import HeedTokenizers

/// A prompt as it was given, with the place to name in messages.
struct GivenPrompt {
    /// The ids that are continued or, for a model that reads a source, those of the source.
    var ids: [Int32]
    let place: String
    /// Whether the ids came from a text.
    var isText = false
    /// For a model that reads a source: the first ids of the target.
    var target: [Int32]?

    /// The ids as the generator takes them.
    var generation: GenerationPrompt {
        target.map { GenerationPrompt(ids: $0, source: ids) } ?? GenerationPrompt(ids: ids)
    }

    /// The ids whose text precedes that of the new ids.
    var shownIds: [Int32] { target == nil ? ids : [] }
}

/// Turns what the user gave into ids.
struct PromptReader {
    /// The ids of the model.
    let vocabulary: Int
    /// The model's begin id, for an empty text.
    let begin: Int32?
    /// The tokenizer of the folder, or why there is none.
    let tokenizer: Result<Tokenizer, HeedError>
    /// What makes ids of conversations, where the command takes them.
    var chat: ChatPrompter?

    /// A conversation, through the model's chat template.
    func conversation(_ conversation: Conversation) throws -> GivenPrompt {
        guard let chat else {
            throw HeedError(
                .unsupported, "the line holds messages of a conversation", in: conversation.place,
                expected: "\"ids\", \"prompt\" or \"text\"")
        }
        let ids = try checked(try chat.ids(conversation), conversation.place)
        return GivenPrompt(ids: ids, place: conversation.place, isText: true)
    }

    /// `--prompt TEXT`
    func text(_ text: String, in place: String = "--prompt") throws -> GivenPrompt {
        let tokenizer: Tokenizer
        do { tokenizer = try self.tokenizer.get() } catch {
            throw HeedError(
                error.kind, "a prompt of text needs the model's tokenizer: \(error.description)", in: place,
                advice: "Give ids instead, with --ids")
        }
        let ids = try TextPrompter(vocabulary: vocabulary, begin: begin, tokenizer: tokenizer).ids(of: text, in: place)
        return GivenPrompt(ids: try checked(ids, place), place: place, isText: true)
    }

    /// `--ids 1,2,3`
    func ids(_ text: String) throws -> GivenPrompt {
        if text.utf8.allSatisfy({ $0 == 0x20 }) {
            throw HeedError(
                .usage, "the list is empty", in: "--ids", expected: "ids with commas between, such as 5,6,7")
        }
        var ids: [Int32] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let id = Int(part.trimmingSpaces) else {
                throw HeedError(
                    .usage, "an id is not a number", in: "--ids", expected: "ids with commas between, such as 5,6,7",
                    got: quoted(String(part)))
            }
            ids.append(try narrow(id, "--ids"))
        }
        return GivenPrompt(ids: try checked(ids, "--ids"), place: "--ids")
    }

    /// A line of a file: a text, or an object with `ids`, `prompt` or `text`.
    func line(_ content: InputLine.Content, in place: String) throws -> GivenPrompt {
        guard case .value(let value) = content else { return try text(try content.text(in: place), in: place) }
        if let list = value["ids"] ?? (value.arrayValue.map { .array($0) }) {
            guard let ids = list.arrayValue else { throw wrong(list.kindName, place) }
            let numbers = try ids.map { id in
                guard let number = id.intValue else { throw wrong(id.kindName, place) }
                return try narrow(number, place)
            }
            return GivenPrompt(ids: try checked(numbers, place), place: place)
        }
        if value["messages"] != nil { return try conversation(try Conversation(value, in: place)) }
        guard value["prompt"] != nil || value["text"] != nil else {
            throw HeedError(
                .badInput, "the line has neither ids nor a prompt", in: place,
                expected: "a text, {\"ids\": [...]} or {\"prompt\": \"...\"}", got: value.kindName)
        }
        return try text(try content.text(in: place), in: place)
    }

    private func wrong(_ got: String, _ place: String) -> HeedError {
        HeedError(
            .badInput, "the member \"ids\" is of the wrong kind", in: place, expected: "an array of integers", got: got)
    }

    private func narrow(_ id: Int, _ place: String) throws -> Int32 {
        guard let narrow = Int32(exactly: id) else { throw outside(id, place) }
        return narrow
    }

    private func checked(_ ids: [Int32], _ place: String) throws -> [Int32] {
        if ids.isEmpty { throw HeedError(.badInput, "the prompt is empty", in: place, expected: "at least one id") }
        for id in ids where id < 0 || Int(id) >= vocabulary { throw outside(Int(id), place) }
        return ids
    }

    private func outside(_ id: Int, _ place: String) -> HeedError {
        HeedError(
            .badInput, "an id is not in the model's vocabulary", in: place,
            expected: "ids from 0 to \(vocabulary - 1)", got: "\(id)")
    }
}
