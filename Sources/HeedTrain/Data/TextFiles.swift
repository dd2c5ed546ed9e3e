import HeedSupport

/// Reads text files: whole, by lines, or the texts of a JSONL file.
public enum TextFiles {
    /// The text of a file in UTF-8.
    public static func text(_ path: String) throws -> String {
        let file = try InputFile.open(path)
        guard let text = String(validating: file.bytes, as: UTF8.self) else {
            throw HeedError(.badInput, "the file is not UTF-8", in: file.name, expected: "text in UTF-8")
        }
        return text
    }

    /// The lines of a text file, without their ends (`\n` or `\r\n`).
    public static func lines(_ path: String) throws -> [String] {
        var lines: [String] = []
        let file = try InputFile.open(path)
        try InputLines.forEachRawLine(file.bytes) { line, number in
            guard let text = String(validating: line, as: UTF8.self) else {
                throw HeedError(.badInput, "the line is not UTF-8", in: "\(file.name), line \(number)")
            }
            lines.append(text)
            return true
        }
        return lines
    }

    /// The texts of a JSONL file; lines of ids have none.
    ///
    /// - `skip`: told of a line that cannot be used, which is then left out; nil: such a line is an error.
    public static func documents(_ path: String, skip: ((HeedError) -> Void)? = nil) throws -> [String] {
        var texts: [String] = []
        try forEachDocument(path, skip: skip) { if case .text(let text) = $0 { texts.append(text) } }
        return texts
    }
}
