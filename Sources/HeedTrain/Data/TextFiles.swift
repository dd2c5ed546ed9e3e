import HeedSupport

/// Reads training data of any kind that is a row of tokens: `.bin`, text, JSONL.
public enum TextFiles {
    /// Opens `path` by its ending: `.bin` as 16-bit ids, `.jsonl` as one object per line with a text field, anything
    /// else as text in UTF-8, which `tokenise` turns into ids once.
    ///
    /// - Parameters:
    ///   - textField: the field of a JSONL line.
    ///   - separator: the id written after each JSONL text, if any.
    ///   - tokenise: text to ids; nil where there is no tokenizer, which refuses text.
    /// - Throws: `HeedError` naming the file, and the line of a JSONL file.
    public static func open(
        _ path: String, vocabulary: Int?, textField: String = "text", separator: Int32? = nil,
        tokenise: ((String) throws -> [Int32])?
    ) throws -> TokenSequence {
        if path.hasSuffix(".bin") { return try TokenSequence(binaryPath: path, vocabulary: vocabulary) }
        guard let tokenise else {
            throw HeedError(
                .missing, "a text needs a tokenizer", in: path,
                advice: "Name one with --tokenizer, or train one with --tokenizer-kind and --vocab-size")
        }
        if path.hasSuffix(".jsonl") || path.hasSuffix(".ndjson") {
            var ids: [Int32] = []
            for text in try documents(path, textField: textField) {
                ids += try tokenise(text)
                if let separator { ids.append(separator) }
            }
            return try TokenSequence(ids, place: path, vocabulary: vocabulary)
        }
        return try TokenSequence(try tokenise(try text(path)), place: path, vocabulary: vocabulary)
    }

    /// The text of a file in UTF-8.
    public static func text(_ path: String) throws -> String {
        let bytes = try readFile(path)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw HeedError(.badInput, "the file is not UTF-8", in: path, expected: "text in UTF-8")
        }
        return text
    }

    /// The lines of a text file, without their ends (`\n` or `\r\n`).
    public static func lines(_ path: String) throws -> [String] {
        var lines: [String] = []
        let bytes = try readFile(path)
        for (number, var line) in bytes.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            if line.last == 13 { line.removeLast() }
            guard let text = String(validating: line, as: UTF8.self) else {
                throw HeedError(.badInput, "the line is not UTF-8", in: "\(path), line \(number + 1)")
            }
            lines.append(text)
        }
        // The end of the last line is no line.
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    /// The texts of a JSONL file.
    public static func documents(_ path: String, textField: String = "text") throws -> [String] {
        var texts: [String] = []
        for (number, line) in try lines(path).enumerated() where !line.allSatisfy(\.isWhitespace) {
            let place = "\(path), line \(number + 1)"
            let value = try JSON.parse(line, in: place)
            if let text = value.stringValue {
                texts.append(text)
            } else if let text = value[textField]?.stringValue {
                texts.append(text)
            } else {
                throw HeedError(
                    .badInput, "the line has no text", in: place,
                    expected: "an object with \(quoted(textField)), or a string", got: value.kindName)
            }
        }
        return texts
    }
}
