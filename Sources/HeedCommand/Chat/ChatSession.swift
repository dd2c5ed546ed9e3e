import Heed
import HeedSupport
import HeedTexts

/// A conversation in the terminal: what the user says, to what the model answers, as it comes.
struct ChatSession {
    /// Answers ids: calls `onText` with text as it comes, and tells why the answer ended.
    typealias Answerer = (_ ids: [Int32], _ retries: Int, _ onText: (String) throws -> Void) throws -> ChatAnswer

    private let prompter: ChatPrompter
    private let answerer: Answerer
    private let isInteractive: Bool
    private let terminal: Terminal
    private var lines: ChatLines
    private var history: ChatHistory
    private var retries = 0

    init(
        prompter: ChatPrompter, history: ChatHistory, isInteractive: Bool, terminal: Terminal = .output,
        lines: ChatLines = ChatLines(), answerer: @escaping Answerer
    ) {
        self.prompter = prompter
        self.history = history
        self.isInteractive = isInteractive
        self.terminal = terminal
        self.lines = lines
        self.answerer = answerer
    }

    /// Converses until the input ends or the user quits.
    mutating func run() throws {
        if isInteractive {
            try note("Ctrl-C stops an answer, /help lists the commands, Ctrl-D ends. A \\ at the end continues a line.")
        }
        while true {
            try Signals.check()
            try prompt("> ")
            let isInteractive = isInteractive
            let terminal = terminal
            switch try lines.next(more: {
                if isInteractive {
                    try StandardOutput.write(terminal.styled(". ", .dim))
                    try StandardOutput.flush()
                }
            }) {
            case .end:
                if isInteractive { try StandardOutput.writeLine() }
                return
            case .interrupted:
                ChatInterrupt.clear()
                try Signals.check()
                try StandardOutput.writeLine()
                try note("/quit or Ctrl-D ends.")
            case .text(let text):
                do { if try !take(text) { return } } catch let error as HeedError {
                    // In a pipe nobody can mend it; at a terminal the conversation goes on.
                    guard isInteractive, error.kind != .interrupted, error.place != "standard output" else {
                        throw error
                    }
                    StandardError.writeLine(error.description)
                }
            }
        }
    }

    /// Does what a line says; false ends the conversation.
    private mutating func take(_ text: String) throws -> Bool {
        if text.allSatisfy(\.isWhitespace) { return true }
        if let command = try ChatCommandLine(text) { return try run(command) }
        history.ask(text.hasPrefix("//") ? String(text.dropFirst()) : text)
        retries = 0
        do { try answer() } catch {
            // What was not answered is not part of the conversation.
            _ = history.undo()
            throw error
        }
        return true
    }

    private mutating func answer() throws {
        let ids = try prompter.ids(try history.conversation())
        var hasText = false
        let result = try answerer(ids, retries) { piece in
            if piece.isEmpty { return }
            hasText = true
            try StandardOutput.write(piece)
            try StandardOutput.flush()
        }
        try StandardOutput.writeLine()
        try StandardOutput.flush()
        history.answer(result.text)
        switch result.ending {
        case .finished: break
        case .length: try note("The answer was cut; --max-new-tokens sets its length.")
        case .stopped:
            ChatInterrupt.clear()
            try note("Stopped. /retry answers again, /undo takes the message back.")
        }
        if !hasText, result.ending == .finished { try note("The model answered nothing.") }
    }

    private mutating func run(_ command: ChatCommandLine) throws -> Bool {
        switch command {
        case .help:
            for (name, argument, meaning) in ChatCommandLine.all {
                try StandardOutput.writeLine(columns((name + " " + argument, 20), (meaning, 0)))
            }
        case .reset:
            history.reset()
            try note("The conversation starts anew.")
        case .system(let text):
            history.reset()
            history.system = text
            try note(
                text == nil ? "There is no system message." : "The system message is set; the conversation starts anew."
            )
        case .undo: try note(history.undo() ? "Taken back." : "There is nothing to take back.")
        case .retry:
            guard history.dropAnswer() else {
                try note("There is nothing to answer.")
                return true
            }
            retries += 1
            try answer()
        case .history:
            for message in history.messages {
                let role = message["role"]?.stringValue ?? "?"
                let content = message["content"]?.stringValue ?? message["content"]?.serialised() ?? ""
                try StandardOutput.writeLine(terminal.styled(role + ":", .bold) + " " + content)
            }
        case .save(let path):
            try history.save(path)
            try note("Saved \(path).")
        case .load(let path):
            try history.load(path)
            try note("Continuing with \(history.messages.count) messages of \(path).")
        case .set(let name, let value):
            history.variables[name] = (try? JSON.parse(value)) ?? .string(value)
            try note("\(name) is \(history.variables[name]?.serialised() ?? "").")
        case .quit: return false
        }
        try StandardOutput.flush()
        return true
    }

    private func prompt(_ text: String) throws {
        guard isInteractive else { return }
        try StandardOutput.write(terminal.styled(text, .bold, .cyan))
        try StandardOutput.flush()
    }

    /// Something that is not the model's: in grey at a terminal, on standard error in a pipe.
    private func note(_ text: String) throws {
        guard isInteractive else { return StandardError.writeLine(text) }
        try StandardOutput.writeLine(terminal.styled(text, .dim))
        try StandardOutput.flush()
    }
}
