import HeedSupport
import Testing

@testable import HeedCommand

@Suite("Help, manual and completions")
struct HelpTests {
    /// Every command that does something, with the words that lead to it.
    private func commands() throws -> [(path: String, command: CommandDescription)] {
        func all(_ command: CommandDescription, _ path: String) -> [(String, CommandDescription)] {
            command.subcommands.isEmpty
                ? [(path, command)] : command.subcommands.flatMap { all($0, path + " " + $0.name) }
        }
        return all(try CommandDescription(of: HeedCommand.self), "heed")
    }

    @Test("every command has an example that begins with its own words")
    func examples() throws {
        for (path, command) in try commands() {
            let lines = command.discussion.split(separator: "\n")
            #expect(lines.contains { $0.contains(path) && Manual.isCommand($0) }, "\(path)")
        }
    }

    @Test("every example is a command line that the parser knows")
    func exampleOptions() throws {
        for (path, command) in try commands() {
            for line in command.discussion.split(separator: "\n") where line.hasPrefix("heed ") {
                let words = line.split(separator: ">")[0].split(separator: " ").map { String($0) }
                let found = CommandPath(root: HeedCommand.self, words: Array(words.dropFirst()))
                #expect(found.unknownCommand == nil, "\(path): \(line)")
                #expect(found.unknownOption(in: words) == nil, "\(path): \(line)")
            }
        }
    }

    @Test("every option that may be left out says what holds then")
    func defaults() throws {
        let tellings = [
            "default", "where not given", "if none", "if not given", "Where not given", "Not given", "by default",
        ]
        /// Options whose absence means that nothing is done, which their text says.
        let silent: Set<String> = [
            "--text", "--input", "--prompt", "--ids", "--data", "--validation", "--source", "--target", "--init",
            "--config", "--log", "--tensorboard", "--patience", "--bleu", "--query", "--output", "--json", "--preset",
            "--suppress-tokens", "--stop", "--bad-words-ids", "--forced-bos-token-id", "--forced-eos-token-id",
            "--prefix-ids", "--prefix", "--probabilities", "--vectors", "--epochs", "--validation-source",
            "--validation-target", "--jsonl", "--pattern", "--special", "--pair", "--max-length", "--pooling",
            "--min-new-tokens", "--top-a", "--repetition-penalty", "--encoder-repetition-penalty", "--logit-bias",
            "--no-repeat-ngram-size", "--encoder-no-repeat-ngram-size", "--begin-suppress-tokens",
            "--assistant-model", "--prompt-lookup-num-tokens", "--temperature", "--top-k", "--top-p", "--min-p",
            "--typical-p", "--epsilon-cutoff", "--eta-cutoff", "--chat", "--chat-set", "--system", "--load", "--tools",
            "--mirostat", "--penalty-alpha", "--regex", "--json-schema", "--grammar",
            "--adapter", "--lora-rank", "--freeze", "--dpo", "--replay-step", "--replay-tensor", "--replay-output",
            "--replay-before", "--teacher", "--near-duplicates", "--tensor", "--before",
        ]
        var unsaid: [String] = []
        for (path, command) in try commands() {
            for argument in command.arguments where argument.kind == .option && argument.isOptional {
                let text = Manual.text(argument)
                guard let name = argument.names.first, !silent.contains(name) else { continue }
                if !tellings.contains(where: { text.contains($0) }) { unsaid.append("\(path) \(name): \(text)") }
            }
        }
        #expect(unsaid == [])
    }

    @Test("the manual has every command and option; its lines are sound")
    func manual() throws {
        let page = Manual(root: try CommandDescription(of: HeedCommand.self), version: "1.2.3").page
        #expect(page.hasPrefix(".TH HEED 1 \"\" \"heed 1.2.3\""))
        for (path, command) in try commands() {
            #expect(page.contains(".SS \"" + path.replacing("-", with: "\\-")), "\(path)")
            for name in command.arguments.filter(\.isShown).flatMap(\.names) {
                #expect(page.contains("\\fB" + name.replacing("-", with: "\\-") + "\\fR"), "\(path) \(name)")
            }
        }
        let requests = [".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".I", ".nf", ".fi"]
        for line in page.split(separator: "\n") where line.hasPrefix(".") {
            #expect(requests.contains { line == $0 || line.hasPrefix($0 + " ") }, "\(line)")
        }
    }

    @Test("completions for every shell name every command")
    func completions() throws {
        for shell in Completions.Shell.allCases {
            #expect(CommandRunner(root: HeedCommand.self).run(["completions", shell.rawValue]) == 0)
        }
        #expect(CommandRunner(root: HeedCommand.self).run(["completions", "csh"]) == 2)
        let script = HeedCommand.completionScript(for: .bash)
        #expect(try commands().allSatisfy { script.contains($0.command.name) })
    }

    @Test("the changelog's newest version is the program's")
    func version() throws {
        let path = joinPath(parentPath(parentPath(parentPath(#filePath))), "CHANGELOG.md")
        let heading = try #require(
            String(decoding: readFile(path), as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("## ") })
        #expect(heading.hasPrefix("## \(Version.text)"))
    }
}
