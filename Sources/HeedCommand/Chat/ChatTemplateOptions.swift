import ArgumentParser
import Heed
import HeedSupport

/// How conversations become prompts: for every command that takes them.
struct ChatTemplateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A chat template's file, or the name of one of the model's; the one that fits where not given.",
            valueName: "file.jinja|name"))
    var chatTemplate: String?

    @Option(
        help: ArgumentHelp(
            "A variable for the chat template, such as enable_thinking=false; may be given several times.",
            valueName: "name=value"))
    var chatSet: [String] = []

    func validate() throws {
        for text in chatSet where text.firstIndex(of: "=") == nil || text.hasPrefix("=") {
            throw ValidationError("--chat-set: expected name=value, got \(quoted(text)).")
        }
    }

    /// The variables; a value that is no JSON is a text.
    var variables: JSONObject {
        var variables = JSONObject()
        for text in chatSet {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else { continue }
            variables[parts[0]] = (try? JSON.parse(parts[1])) ?? .string(parts[1])
        }
        return variables
    }

    /// What turns conversations into ids for a model.
    func prompter(model: String, tokenizer: Result<Tokenizer, HeedError>) -> ChatPrompter {
        ChatPrompter(model: model, tokenizer: tokenizer, choice: chatTemplate, variables: variables)
    }
}
