import HeedSupport

/// What a line that starts with `/` asks for.
enum ChatCommandLine: Equatable {
    case help
    case reset
    case system(String?)
    case undo
    case retry
    case history
    case save(String)
    case load(String)
    case set(String, String)
    case quit

    /// The commands with what they take and do.
    static let all: [(name: String, argument: String, meaning: String)] = [
        ("/help", "", "this list"),
        ("/reset", "", "forget the conversation; the system message stays"),
        ("/system", "[TEXT]", "set the system message and start anew; without TEXT, have none"),
        ("/undo", "", "take back the last message and its answer"),
        ("/retry", "", "answer the last message again, with other random numbers"),
        ("/history", "", "show the conversation"),
        ("/save", "FILE", "write the conversation as JSON, for --load and heed generate --chat"),
        ("/load", "FILE", "continue a conversation that was saved"),
        ("/set", "NAME=VALUE", "set a variable of the chat template, such as enable_thinking=false"),
        ("/quit", "", "end; so does Ctrl-D"),
    ]

    /// Reads a line; nil where it is no command: `//` at its start is a slash of the message itself.
    ///
    /// - Throws: `HeedError` for a command that does not exist, with the nearest one, or a missing argument.
    init?(_ line: String) throws {
        guard line.hasPrefix("/"), !line.hasPrefix("//") else { return nil }
        let word = line.prefix { $0 != " " }
        let argument = String(line.dropFirst(word.count).drop { $0 == " " })
        func needed(_ what: String) throws -> String {
            if argument.isEmpty { throw HeedError(.usage, "\(word) needs \(what)") }
            return argument
        }
        switch word {
        case "/help", "/?": self = .help
        case "/reset", "/clear": self = .reset
        case "/system": self = .system(argument.isEmpty ? nil : argument)
        case "/undo": self = .undo
        case "/retry": self = .retry
        case "/history": self = .history
        case "/save": self = .save(try needed("a file"))
        case "/load": self = .load(try needed("a file"))
        case "/set":
            let parts = try needed("name=value").split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else { throw HeedError(.usage, "/set needs name=value") }
            self = .set(String(parts[0]), String(parts[1]))
        case "/quit", "/exit", "/bye": self = .quit
        default:
            let near = nearest(String(word), among: ChatCommandLine.all.map(\.name)).map { "Did you mean \($0)?" }
            throw HeedError(
                .usage, "there is no command \(word)",
                advice: near ?? "/help lists them; // starts a message with a slash")
        }
    }
}
