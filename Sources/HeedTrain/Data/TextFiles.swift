import HeedSupport

/// Reads text files: whole, by lines, or the texts of a JSONL file.
public enum TextFiles {
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
    public static func documents(_ path: String) throws -> [String] {
        let file = try MappedFile(path: path)
        var texts: [String] = []
        try forEachDocument(file.bytes.assumingMemoryBound(to: UInt8.self), path: path) { texts.append($0) }
        withExtendedLifetime(file) {}
        return texts
    }
}
