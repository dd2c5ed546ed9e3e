#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import ArgumentParser
import HeedSupport

/// A command whose words may stand for more words, and that wants to know them all.
protocol CompletesWords: ParsableCommand {
    /// The words with those that they stand for.
    static func completed(_ words: [String]) throws -> [String]

    /// Runs as the words say, from which the command was parsed.
    func run(_ words: [String]) throws
}

/// Parses a command line, runs it and turns every way to fail into one message and an exit code.
///
/// Exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 and 143 ended by SIGINT and SIGTERM.
struct CommandRunner {
    /// The command whose subcommands are offered.
    let root: any ParsableCommand.Type

    /// Runs the words after the program's name.
    func run(_ words: some Sequence<String>) -> Int32 {
        Signals.install()
        StandardError.isQuiet = false
        var words = CommandLineWords.prepared(Array(words))
        let path = CommandPath(root: root, words: words)
        if let message = path.unknownCommand {
            report(message, path)
            return 2
        }
        do { words = try (path.command as? any CompletesWords.Type)?.completed(words) ?? words } catch {
            return finish(running: error, path, words)
        }
        var command: any ParsableCommand
        do {
            command = try root.parseAsRoot(words)
        } catch {
            return finish(parsing: error, path, words)
        }
        do {
            if let command = command as? any CompletesWords { try command.run(words) } else { try command.run() }
            try StandardOutput.flush()
            return 0
        } catch {
            // What was printed before the failure still belongs to the user.
            try? StandardOutput.flush()
            return finish(running: error, path, words)
        }
    }

    /// Ends the process without running through the exit handlers of libraries that may still hold threads.
    static func exitProcess(with code: Int32) -> Never {
        exit(code)
    }

    private func finish(parsing error: any Error, _ path: CommandPath, _ words: [String]) -> Int32 {
        if root.exitCode(for: error) == .success { return printHelp(error) }
        var message = CommandRunner.paragraph(root.message(for: error))
        if let unknown = path.unknownOption(in: words) { message = unknown }
        report(message + " " + path.helpHint, path)
        return 2
    }

    private func finish(running error: any Error, _ path: CommandPath, _ words: [String]) -> Int32 {
        switch error {
        case is ReaderHasGone:
            return 0
        case let error as HeedError:
            report(error.description, path)
            if error.kind == .interrupted, let code = Signals.exitCode { return code }
            return error.kind == .usage ? 2 : 1
        case let error as ValidationError:
            report(CommandRunner.paragraph(error.message) + " " + path.helpHint, path)
            return 2
        case let code as ExitCode:
            return code.rawValue
        default:
            if root.exitCode(for: error) == .success { return printHelp(error) }
            report(CommandRunner.paragraph(root.message(for: error)), path)
            return 1
        }
    }

    private func printHelp(_ error: any Error) -> Int32 {
        do {
            try StandardOutput.write(root.fullMessage(for: error) + "\n")
            try StandardOutput.flush()
            return 0
        } catch {
            return error is ReaderHasGone ? 0 : 1
        }
    }

    private func report(_ message: String, _ path: CommandPath) {
        StandardError.write("\(path.name): \(path.inOwnWords(message))\n")
    }

    /// The text with line ends turned into spaces, so that a message stays one paragraph.
    static func paragraph(_ text: String) -> String {
        let lines = text.split(whereSeparator: \.isNewline).map { line in
            line.drop { $0 == " " }
        }
        let joined = lines.joined(separator: " ")
        return joined.isEmpty || ".?!".contains(joined.last ?? " ") ? joined : joined + "."
    }
}
