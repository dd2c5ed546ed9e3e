import ArgumentParser
import Heed
import HeedSupport

/// `heed chat-template`: the text that a model's template makes of conversations.
struct ChatTemplateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat-template",
        abstract: "Render conversations with a model's chat template.",
        discussion: """
            heed chat-template MODEL --jsonl conversations.jsonl

            Every line of the file is an object of variables: {"messages": [{"role": "user", "content": "Hi"}], \
            "add_generation_prompt": true}, with "tools", "enable_thinking" and whatever else the template reads. \
            Prints one JSON string a line, or {"error": "…"} where the template raises or uses what is undefined. The \
            model's special tokens are variables too.
            """)

    @Argument(
        help: ArgumentHelp("The model: a folder in the Hugging Face layout, or a .gguf file.", valueName: "model"))
    var model: String?

    @Option(help: ArgumentHelp("A template's file. (default: the model's own)", valueName: "file.jinja"))
    var template: String?

    @Option(
        help: ArgumentHelp(
            "Which of the model's templates; where not given, tool_use for lines with tools if there is one, else "
                + "default.", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("The conversations: an object of variables on every line.", valueName: "file"))
    var jsonl: String

    @Option(
        help: ArgumentHelp(
            "The time that strftime_now tells, now where not given.", valueName: "YYYY-MM-DDTHH:MM:SS"))
    var now: String?

    func validate() throws {
        guard model != nil || template != nil else {
            throw ValidationError("No template: give a model's folder, or --template FILE.")
        }
        if template != nil, name != nil {
            throw ValidationError("--name chooses among the templates of a model; --template gives one itself.")
        }
    }

    func run() throws {
        let time = try now.map { text in
            guard let time = CalendarTime(text) else {
                throw HeedError(
                    .usage, "the time is malformed", in: "--now", expected: "YYYY-MM-DDTHH:MM:SS", got: quoted(text))
            }
            return time
        }
        var source = try TemplateSource(model: model, file: template, name: name)
        var unusable = 0
        StandardInput.prepare(jsonl)
        for (number, line) in try TextLines.read(jsonl).enumerated() {
            let place = "\(jsonl), line \(number + 1)"
            if line.utf8.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            do {
                var variables: TemplateVariables
                do { variables = try TemplateVariables(json: Array(line.utf8), in: place) } catch {
                    unusable += 1
                    throw error
                }
                try variables.setStandardVariables(specialTokens: source.specialTokens)
                let text = try source.template(for: variables).render(variables, now: time)
                try StandardOutput.writeLine(.string(text))
            } catch let error as HeedError where error.kind == .badInput || error.kind == .unsupported {
                try StandardOutput.writeLine(["error": .string(error.description)])
            }
            try Signals.check()
        }
        if unusable > 0 {
            throw HeedError(
                .badInput, "lines are no objects of variables", in: jsonl, got: "\(unusable) such lines",
                advice: "Their errors stand in their places in the output")
        }
    }
}

/// The templates that a command renders with, each read once.
struct TemplateSource {
    /// The special tokens of the model, which are variables.
    let specialTokens: [(name: String, text: String)]
    private let file: Result<ChatTemplate, HeedError>?
    private let model: ModelChatTemplates?
    private let name: String?
    private var read: [Bool: Result<ChatTemplate, HeedError>] = [:]

    /// - Throws: where a file is missing. A malformed template fails when it is used.
    init(model: String?, file: String?, name: String?) throws {
        self.name = name
        if let model {
            self.model = try ModelChatTemplates.load(path: model)
        } else {
            self.model = nil
        }
        specialTokens = self.model?.specialTokens ?? []
        self.file = try file.map { path in
            do { return .success(try ChatTemplate(path: path)) } catch let error as HeedError
                where error.kind == .badInput || error.kind == .unsupported
            { return .failure(error) }
        }
    }

    /// The template for a conversation, which may be one for tools.
    mutating func template(for variables: TemplateVariables) throws -> ChatTemplate {
        if let file { return try file.get() }
        let hasTools = variables.hasTools
        if let known = read[hasTools] { return try known.get() }
        guard let model else { throw HeedError(.usage, "there is no template") }
        do {
            let template = try model.template(named: name, hasTools: hasTools)
            read[hasTools] = .success(template)
            return template
        } catch let error as HeedError {
            read[hasTools] = .failure(error)
            throw error
        }
    }
}
