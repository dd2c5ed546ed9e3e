import ArgumentParser
import HeedSupport

/// The manual page of the program, made of what the commands say of themselves.
struct Manual {
    let root: CommandDescription
    let version: String

    /// The page in the language of man(7).
    var page: String {
        var lines = [
            ".TH HEED 1 \"\" \"heed \(version)\" \"User Commands\"", ".SH NAME",
            "heed \\- \(Manual.escaped(root.abstract))",
            ".SH SYNOPSIS", ".B heed", ".I command", "[\\fIoption\\fR ...]", ".SH DESCRIPTION",
        ]
        lines += Manual.paragraphs(root.discussion)
        lines.append(".SH COMMANDS")
        for command in root.subcommands { describe(command, "heed", &lines) }
        lines += [
            ".SH EXIT STATUS", ".TP", ".B 0", "The work is done.", ".TP", ".B 1",
            "The work failed; the message says where, what was expected, what was found and what to do.", ".TP", ".B 2",
            "The command line makes no sense.", ".TP", ".B 130, 143", "Ended by SIGINT or SIGTERM.", ".SH ENVIRONMENT",
            ".TP", ".B HEED_ISA", "The vector instructions to use, as \\-\\-instruction\\-set.", ".TP", ".B NO_COLOR",
            "No colours, whatever the terminal can show.",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private func describe(_ command: CommandDescription, _ before: String, _ lines: inout [String]) {
        let name = "\(before) \(command.name)"
        lines += [".SS \"\(Manual.escaped(name))\"", Manual.escaped(command.abstract)]
        let words = command.arguments.filter { $0.kind == .positional && $0.isShown }.map { argument in
            let name = "\\fI\(Manual.escaped(argument.valueName))\\fR" + (argument.isRepeating ? " ..." : "")
            return argument.isOptional ? "[\(name)]" : name
        }
        if command.subcommands.isEmpty {
            lines += [
                ".PP", "\\fB\(Manual.escaped(name))\\fR \((words + ["[\\fIoption\\fR ...]"]).joined(separator: " "))",
            ]
        }
        lines += Manual.paragraphs(command.discussion)
        for argument in command.arguments where argument.isShown && argument.kind != .positional {
            lines += [".TP", Manual.heading(argument), Manual.escaped(Manual.text(argument))]
        }
        for below in command.subcommands { describe(below, name, &lines) }
    }

    private static func heading(_ argument: CommandDescription.Argument) -> String {
        let names = argument.names.map { "\\fB\(escaped($0))\\fR" }.joined(separator: ", ")
        return argument.kind == .flag ? names : "\(names) \\fI\(escaped(argument.valueName))\\fR"
    }

    /// What the help says of an option, its default included.
    static func text(_ argument: CommandDescription.Argument) -> String {
        var text = [argument.abstract, argument.discussion].filter { !$0.isEmpty }.joined(separator: " ")
        if let value = argument.defaultValue, argument.kind == .option { text += " (default: \(value))" }
        return text
    }

    /// A discussion as paragraphs; lines that begin with the program's name are examples and keep their form.
    private static func paragraphs(_ text: String) -> [String] {
        var lines: [String] = []
        var isExample = false
        for paragraph in text.split(separator: "\n\n", omittingEmptySubsequences: true) {
            lines.append(".PP")
            for line in paragraph.split(separator: "\n") {
                let begins = isCommand(line)
                if begins != isExample { lines.append(begins ? ".nf" : ".fi") }
                isExample = begins
                lines.append(escaped(String(line)))
            }
            if isExample { lines.append(".fi") }
            isExample = false
        }
        return lines
    }

    /// Whether a line of a discussion is a command to type.
    static func isCommand(_ line: some StringProtocol) -> Bool {
        ["heed ", "cat ", "zcat "].contains { line.hasPrefix($0) }
    }

    private static func escaped(_ text: String) -> String {
        let text = text.replacing("\\", with: "\\e").replacing("-", with: "\\-").replacing("\n", with: " ")
        return text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" + text : text
    }
}
