import ArgumentParser
import HeedSupport

extension InputFormat: ExpressibleByArgument {}

/// How the lines of a file are read: for every command that works line by line.
struct LineOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How lines are written: auto tells JSON by its first character.",
            discussion: """
                A line is plain text, a JSON string, or an object with "text" or "prompt", "ids", or "messages". A \
                blank line gives a blank line.
                """, valueName: "auto|text|json"))
    var format = InputFormat.auto

    @Option(
        help: ArgumentHelp(
            "After a line that cannot be used: stop there, or skip it and call the work done.",
            discussion: "Where not given, the other lines are done and the exit code is 1.", valueName: "stop|skip"))
    var onError: LineErrorPolicy?

    /// What keeps several ranks from sharing the lines, where something does.
    var obstacle: String? { onError == .stop ? "--on-error stop" : nil }
}

/// Texts that are given as words of the command line, or lines of a file.
enum TextSource {
    case texts([String], option: String)
    case lines(InputLines)

    /// The texts if there are any, else the lines of the file.
    ///
    /// - Throws: `HeedError` when the file cannot be read.
    init(_ texts: [String], option: String = "--text", file: String?, _ options: LineOptions) throws {
        guard let file else {
            self = .texts(texts, option: option)
            return
        }
        StandardInput.prepare(file)
        self = .lines(try InputLines(file, format: options.format))
    }

    /// Whether it is one text of the command line, whose fault is that of the call.
    private var isSingle: Bool { if case .texts(let texts, _) = self { texts.count == 1 } else { false } }

    /// What messages call it.
    var name: String {
        switch self {
        case .texts(_, let option): option
        case .lines(let lines): lines.name
        }
    }

    /// What `convert` makes of every line, in order; nil for a line that is blank or cannot be used.
    ///
    /// What `convert` throws is reported, and costs no other line.
    func map<Value>(_ errors: LineErrors, _ convert: (InputLine.Content, _ place: String) throws -> Value) throws
        -> [Value?]
    {
        var values: [Value?] = []
        try visit(errors, nothing: { values.append(nil) }, { values.append(try convert($0, $1)) })
        return values
    }

    /// Calls `body` with what every line holds, in order, or `nothing` for a line that is blank or cannot be used.
    ///
    /// What `body` throws is reported, and costs no other line.
    ///
    /// - Returns: how many lines were read.
    @discardableResult
    func visit(
        _ errors: LineErrors, nothing: () throws -> Void, _ body: (InputLine.Content, _ place: String) throws -> Void
    ) throws -> Int {
        var count = 0
        try forEach { line in
            count += 1
            do {
                let content = try line.content.get()
                if content != .blank {
                    try body(content, line.place)
                    return true
                }
            } catch let error as HeedError {
                if isSingle { throw error.placed(in: line.place) }
                errors.report(error.placed(in: line.place))
                if errors.isOver { return false }
            }
            try nothing()
            return true
        }
        return count
    }

    private func forEach(_ body: (InputLine) throws -> Bool) rethrows {
        switch self {
        case .lines(let lines):
            guard let share = LineShare.current else { return try lines.read(body) }
            var total = 0
            lines.read { _ in
                total += 1
                return true
            }
            let own = share.lines(of: total)
            var number = 0
            try lines.read { line in
                number += 1
                if number >= own.upperBound { return false }
                return try number < own.lowerBound || body(line)
            }
        case .texts(let texts, let option):
            for (index, text) in texts.enumerated() {
                let place = texts.count == 1 ? option : "\(option), text \(index + 1)"
                if try !body(InputLine(number: index + 1, place: place, content: .success(.text(text)))) { return }
            }
        }
    }
}

extension InputLine.Content {
    /// The text of a line that must have one: plain, a JSON string, or an object with `text` or `prompt`.
    ///
    /// - Throws: `HeedError` saying what the line holds instead.
    func text(in place: String) throws -> String {
        switch self {
        case .blank: return ""
        case .text(let text): return text
        case .value(let value):
            for member in ["text", "prompt"] {
                guard let found = value[member] else { continue }
                guard let text = found.stringValue else {
                    throw HeedError(
                        .badInput, "the member \(quoted(member)) is of the wrong kind", in: place,
                        expected: "a string", got: found.kindName)
                }
                return text
            }
            throw HeedError(
                .badInput, "the line has no text", in: place,
                expected: "plain text, a JSON string, or an object with \"text\" or \"prompt\"",
                got: value.objectValue.map { "an object with \($0.keys.map { quoted($0) }.joined(separator: ", "))" }
                    ?? value.kindName)
        }
    }
    /// The second text of a pair, where the line has one.
    var pair: String? { if case .value(let value) = self { value["pair"]?.stringValue } else { nil } }
}
