import ArgumentParser
import HeedSupport

/// Which command the words name, and what is near where they name none.
struct CommandPath {
    /// The command that the words lead to.
    private(set) var command: any ParsableCommand.Type
    /// The words that name it: `heed tokenizer encode`.
    private(set) var name: String
    /// What to say where a word should name a command and does not.
    private(set) var unknownCommand: String?

    /// Follows the leading words down the tree of commands.
    init(root: any ParsableCommand.Type, words: [String]) {
        command = root
        name = root._commandName
        for word in words {
            let below = command.configuration.subcommands
            if below.isEmpty || word.hasPrefix("-") || (command == root && word == "help") { return }
            guard let next = below.first(where: { $0._commandName == word || $0.configuration.aliases.contains(word) })
            else {
                // A default subcommand takes any word as its own.
                if command.configuration.defaultSubcommand != nil { return }
                let names = below.map { $0._commandName }
                let near = nearest(word, among: names).map { "did you mean '\($0)'?" }
                unknownCommand =
                    "there is no command '\(word)'; "
                    + (near ?? "there are \(names.joined(separator: ", ")).") + " See '\(name) --help'."
                return
            }
            command = next
            name += " " + word
        }
    }

    /// Where to read more.
    var helpHint: String { "See '\(name) --help'." }

    /// A message for the first word that looks like an option and is none of this command, or nil.
    func unknownOption(in words: [String]) -> String? {
        let known = optionNames
        // The words of `serve` are another program's.
        guard !known.isEmpty, command != Serve.self else { return nil }
        for word in words {
            if word == "--" { return nil }
            guard word.hasPrefix("--") else { continue }
            let option = String(word.prefix { $0 != "=" })
            if known.contains(option) { continue }
            let near = nearest(option, among: known).map { "did you mean '\($0)'?" }
            return "unknown option '\(option)'" + (near.map { "; \($0)" } ?? ".")
        }
        return nil
    }

    /// A message of the library with its options called as this command calls them: `weightDecay` is --weight-decay.
    func inOwnWords(_ message: String) -> String {
        let pieces = message.split(separator: "`", omittingEmptySubsequences: false)
        guard pieces.count > 2 else { return message }
        let known = optionNames
        var text = ""
        for (index, piece) in pieces.enumerated() {
            if index % 2 == 0 {
                text += piece
            } else if let option = CommandPath.option(String(piece), known), index < pieces.count - 1 {
                text += option
            } else {
                text += "`" + piece + (index < pieces.count - 1 ? "`" : "")
            }
        }
        return text
    }

    /// The option of `known` that a name of the library stands for.
    private static func option(_ name: String, _ known: [String]) -> String? {
        var spelled = ""
        for character in name {
            spelled += character.isUppercase ? "-" + character.lowercased() : String(character)
        }
        return [namesOfTheirOwn[name] ?? spelled, spelled].lazy.map { "--" + $0 }.first { known.contains($0) }
    }

    /// Where an option is not called as in the library.
    private static let namesOfTheirOwn = [
        "peak": "lr", "optimiser": "optimizer", "logitPenalty": "z-loss", "average": "ema", "minimum": "min-lr",
        "precision": "dtype", "initial": "init", "tokensPerBatch": "batch-tokens",
        "endTokens": "eos-token-ids", "suppressedTokens": "suppress-tokens", "draftTokens": "num-assistant-tokens",
        "biases": "logit-bias", "mirostat.target": "mirostat-tau", "mirostat.rate": "mirostat-eta",
        "samples": "sample", "vocabularySize": "vocab-size", "specialTokens": "special", "maximumLength": "max-length",
    ]

    /// The long options of the command, taken from the parser's own description of it.
    private var optionNames: [String] {
        guard let description = try? JSON.parse(command._dumpHelp()),
            let arguments = description["command"]?["arguments"]?.arrayValue
        else { return [] }
        var names = ["--help", "--version"]
        for argument in arguments {
            for entry in argument["names"]?.arrayValue ?? [] where entry["kind"]?.stringValue == "long" {
                if let long = entry["name"]?.stringValue { names.append("--" + long) }
            }
        }
        return names
    }
}
