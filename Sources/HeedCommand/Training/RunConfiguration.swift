import HeedSupport

/// Options of `heed train` in a file: `batch = 8` lines of a .toml, or a .json object, such as the `options.json` that
/// every run leaves in `training/`.
struct RunConfiguration {
    /// Options in the order of the file, with their values as words; a flag has none.
    let options: [(name: String, values: [String])]

    /// Whether a file for `--config` holds options, and not the shape of a model.
    static func isOne(_ path: String) -> Bool {
        if path.hasSuffix(".toml") { return true }
        guard let object = (try? JSON.load(path: path))?.objectValue else { return false }
        return object["model_type"] == nil && object["architectures"] == nil
    }

    /// Reads a file; `command` knows which options there are.
    ///
    /// - Throws: `HeedError` naming the line or the key that cannot be used.
    init(path: String, of command: CommandDescription) throws {
        let members: [(key: String, value: JSON)]
        if path.hasSuffix(".toml") {
            members = try TOMLText(try String(decoding: readFile(path), as: UTF8.self), in: path).members
        } else {
            let json = try JSON.load(path: path)
            guard let object = json["options"]?.objectValue ?? json.objectValue else {
                throw HeedError(
                    .badInput, "the file holds no options", in: path, expected: "a JSON object", got: json.kindName)
            }
            members = object.map { ($0.key, $0.value) }
        }
        var options: [(name: String, values: [String])] = []
        for (key, value) in members {
            let typed = key.hasPrefix("--") ? key : "--" + key.map { $0 == "_" ? "-" : String($0) }.joined()
            guard let argument = command.argument(named: typed), let name = argument.names.first else {
                let known = command.arguments.flatMap(\.names).filter { $0.hasPrefix("--") }
                throw HeedError(
                    .usage, "\(quoted(key)) is no option of heed train", in: path,
                    advice: nearest(typed, among: known).map { "The nearest is \(quoted(String($0.dropFirst(2))))" })
            }
            if argument.kind == .flag {
                // A list without words is how a run writes a flag.
                if value != false { options.append((name, [])) }
                continue
            }
            options.append((name, try (value.arrayValue ?? [value]).map { try RunConfiguration.word($0, key, path) }))
        }
        self.options = options
    }

    private static func word(_ value: JSON, _ key: String, _ path: String) throws -> String {
        switch value {
        case .string(let text): return text
        case .integer, .number, .bool: return value.serialised()
        default:
            throw HeedError(
                .usage, "the value of \(quoted(key)) is of the wrong kind", in: path,
                expected: "a text, a number, true, false or a list of them", got: value.kindName)
        }
    }
}

/// A file of `key = value` lines in the part of TOML that options need: texts, numbers, truth values, lists, comments;
/// headings of tables only group.
struct TOMLText {
    private(set) var members: [(key: String, value: JSON)] = []
    private let scalars: [Unicode.Scalar]
    private let place: String
    private var at = 0

    /// - Throws: `HeedError` naming file and line.
    init(_ text: String, in place: String) throws {
        scalars = Array(text.unicodeScalars)
        self.place = place
        while true {
            skipSpace(lines: true)
            guard let next = peek else { return }
            if next == "[" {
                skipLine()
                continue
            }
            let key = try key()
            skipSpace(lines: false)
            guard take("=") else { throw broken("a key without =") }
            skipSpace(lines: false)
            let value = try value(depth: 0)
            guard !members.contains(where: { $0.key == key }) else { throw broken("the key \(quoted(key)) twice") }
            members.append((key, value))
            skipSpace(lines: false)
            guard peek == nil || take("\n") else { throw broken("something behind a value") }
        }
    }

    private var peek: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek == scalar else { return false }
        at += 1
        return true
    }

    private func broken(_ what: String) -> HeedError {
        let line = scalars[..<min(at, scalars.count)].count { $0 == "\n" } + 1
        return HeedError(
            .badInput, "there is \(what)", in: "\(place), line \(line)", expected: "lines such as batch = 8")
    }

    private mutating func skipLine() { while let scalar = peek, scalar != "\n" { at += 1 } }

    /// Skips white space and comments, and the ends of lines where `lines` says so.
    private mutating func skipSpace(lines: Bool) {
        while let scalar = peek {
            if scalar == "#" {
                skipLine()
            } else if scalar == " " || scalar == "\t" || scalar == "\r" || (lines && scalar == "\n") {
                at += 1
            } else {
                return
            }
        }
    }

    private mutating func key() throws -> String {
        if peek == "\"" || peek == "'" { return try text() }
        let start = at
        while let scalar = peek,
            scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "_" || scalar == "-"
        {
            at += 1
        }
        guard at > start else { throw broken("a line without a key") }
        return String(String.UnicodeScalarView(scalars[start..<at]))
    }

    private mutating func text() throws -> String {
        guard let quote = peek else { throw broken("an end where a text should be") }
        at += 1
        var result = String.UnicodeScalarView()
        while let scalar = peek, scalar != "\n" {
            at += 1
            if scalar == quote { return String(result) }
            guard scalar == "\\", quote == "\"" else {
                result.append(scalar)
                continue
            }
            guard let escaped = peek else { break }
            at += 1
            switch escaped {
            case "n": result.append("\n")
            case "t": result.append("\t")
            case "r": result.append("\r")
            case "\"", "\\": result.append(escaped)
            default: throw broken("the escape \\\(escaped), which is not known")
            }
        }
        throw broken("a text that does not end")
    }

    private mutating func value(depth: Int) throws -> JSON {
        guard let next = peek else { throw broken("a key without a value") }
        if next == "\"" || next == "'" { return .string(try text()) }
        if next == "[" {
            guard depth == 0 else { throw broken("a list of lists") }
            at += 1
            var elements: [JSON] = []
            while true {
                skipSpace(lines: true)
                if take("]") { return .array(elements) }
                elements.append(try value(depth: 1))
                skipSpace(lines: true)
                if !take(","), peek != "]" { throw broken("a list that does not end") }
            }
        }
        let start = at
        while let scalar = peek, !" \t\r\n,]#".unicodeScalars.contains(scalar) { at += 1 }
        let word = String(String.UnicodeScalarView(scalars[start..<at]))
        switch word {
        case "true": return true
        case "false": return false
        default:
            let digits = word.filter { $0 != "_" }
            if let integer = Int(digits) { return .integer(integer) }
            if let number = Double(digits), number.isFinite { return .number(number) }
            throw broken("the value \(quoted(word)), which is no number; texts stand in quotes")
        }
    }
}
