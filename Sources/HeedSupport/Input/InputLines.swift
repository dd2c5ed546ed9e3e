/// How the lines of an input are written.
public enum InputFormat: String, Sendable, CaseIterable {
    /// Told by the name (`.jsonl`) and by the first character of every line.
    case auto
    /// Text as it stands.
    case text
    /// A JSON value on every line.
    case json
}

/// A line of an input: what it holds, or why it cannot be used.
public struct InputLine: Sendable {
    /// What a line holds.
    public enum Content: Sendable, Equatable {
        /// Nothing but spaces.
        case blank
        /// A plain line, or a JSON string.
        case text(String)
        /// A JSON object or array.
        case value(JSON)
    }

    /// The number of the line, from 1.
    public let number: Int
    /// File and line, for messages.
    public let place: String
    /// What it holds, or what is wrong with it.
    public let content: Result<Content, HeedError>

    /// A line known by its content.
    public init(number: Int, place: String, content: Result<Content, HeedError>) {
        self.number = number
        self.place = place
        self.content = content
    }
}

/// The lines of an input, each a text or a JSON value.
///
/// A line ends with `\n` or `\r\n`; an end at the very end begins no further line, and a byte order mark at the
/// beginning is no text. Under `auto` an input is JSON where its name ends in `.jsonl` or `.ndjson` or its first line
/// is a JSON string, object or array; there a line that begins with `"`, `{` or `[` must be sound. Elsewhere a line
/// that begins with `{"` must be, one that is a whole JSON string is read as such, and anything else is plain text.
public struct InputLines: Sendable {
    /// What messages call the input.
    public let name: String
    /// How lines are read.
    public let format: InputFormat
    private let file: InputFile
    private let isJSON: Bool

    /// Opens an input.
    ///
    /// - Throws: `HeedError` naming it when it cannot be read.
    public init(_ path: String, format: InputFormat = .auto) throws {
        file = try InputFile.open(path)
        name = file.name
        self.format = format
        isJSON =
            format == .json
            || (format == .auto && (InputLines.hasNameOfLines(path) || InputLines.beginsAsJSON(file.bytes)))
    }

    /// Whether a name says that every line is JSON: `.jsonl` or `.ndjson`, compressed or not.
    public static func hasNameOfLines(_ path: String) -> Bool {
        var name = lastPathComponent(path).lowercased()
        if name.hasSuffix(".gz") { name.removeLast(3) }
        return name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson")
    }

    /// Whether the first line that is not blank is a JSON string, object or array.
    public static func beginsAsJSON(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var isJSON = false
        forEachRawLine(bytes) { line, _ in
            guard let first = firstByte(line) else { return true }
            isJSON = marks(first) && (try? JSON.parse(line)) != nil
            return false
        }
        return isJSON
    }

    /// Whether a name says that a file is a table with a heading, whose records are read as JSON objects: `.csv` or
    /// `.tsv`, compressed or not.
    public static func hasNameOfTable(_ path: String) -> Bool { TableRecords.separator(ofName: path) != nil }

    /// Calls `body` with every line (of a table, with every record), in order; it returns whether to go on.
    public func read(_ body: (InputLine) throws -> Bool) rethrows {
        if format != .text, let separator = TableRecords.separator(ofName: file.path) {
            return try TableRecords(file.bytes, separator: separator, name: name).read(body)
        }
        try InputLines.forEachRawLine(file.bytes) { bytes, number in
            let place = "\(name), line \(number)"
            return try body(InputLine(number: number, place: place, content: content(bytes, place)))
        }
    }

    private func content(_ line: UnsafeRawBufferPointer, _ place: String) -> Result<InputLine.Content, HeedError> {
        guard let text = String(validating: line, as: UTF8.self) else {
            return .failure(HeedError(.badInput, "the line is not UTF-8", in: place, expected: "text in UTF-8"))
        }
        guard let first = InputLines.firstByte(line) else { return .success(.blank) }
        let mayBeJSON = format != .text && InputLines.marks(first)
        guard format == .json || mayBeJSON else {
            // Among JSON lines of a file that is named so, anything else is a slip.
            guard isJSON, InputLines.hasNameOfLines(file.path), format == .auto else { return .success(.text(text)) }
            return parsed(line, place)
        }
        let result = parsed(line, place)
        if case .failure = result, !isJSON, !text.drop(while: { $0 == " " || $0 == "\t" }).hasPrefix("{\"") {
            return .success(.text(text))
        }
        return result
    }

    private func parsed(_ line: UnsafeRawBufferPointer, _ place: String) -> Result<InputLine.Content, HeedError> {
        do {
            switch try JSON.parse(line, in: place) {
            case .string(let text): return .success(.text(text))
            case let value where value.objectValue != nil || value.arrayValue != nil: return .success(.value(value))
            case let other:
                return .failure(
                    HeedError(
                        .badInput, "the line is \(other.kindName)", in: place,
                        expected: "a JSON string, object or array"))
            }
        } catch let error as HeedError {
            return .failure(
                HeedError(
                    .badInput, "the line is not JSON: \(error.what)", in: place, expected: error.expected,
                    got: error.got, advice: "Lines of plain text are read as they stand with `format` text"))
        } catch {
            return .failure(HeedError(.badInput, "the line is not JSON", in: place))
        }
    }

    /// Whether a JSON string, object or array may begin with this.
    private static func marks(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "{") || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "[")
    }

    private static func firstByte(_ line: UnsafeRawBufferPointer) -> UInt8? {
        line.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }
    }

    /// Calls `body` with the bytes of every line, without its end, and its number from 1; it returns whether to go on.
    public static func forEachRawLine(
        _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer, _ number: Int) throws -> Bool
    ) rethrows {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        var start = bytes.starts(with: mark) ? mark.count : 0
        var number = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
            number += 1
            var last = end
            if last > start, bytes[last - 1] == 0x0D { last -= 1 }
            if try !body(UnsafeRawBufferPointer(rebasing: bytes[start..<last]), number) { return }
            start = end + 1
        }
    }
}
