import HeedSupport
import Testing

@Suite("Lines of an input")
struct InputLinesTests {
    /// What lines of a file hold: texts, `blank`, `value`, or `error`.
    private func read(_ text: String, _ name: String = "lines.txt", _ format: InputFormat = .auto) throws -> [String] {
        try read(Array(text.utf8), name, format)
    }

    private func read(_ bytes: [UInt8], _ name: String, _ format: InputFormat = .auto) throws -> [String] {
        let folder = temporaryPath("lines")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        let path = joinPath(folder, name)
        try writeAtomically(path: path, bytes: bytes)
        var seen: [String] = []
        try InputLines(path, format: format).read { line in
            #expect(line.number == seen.count + 1)
            #expect(line.place == "\(path), line \(line.number)")
            switch line.content {
            case .success(.blank): seen.append("blank")
            case .success(.text(let text)): seen.append("text:" + text)
            case .success(.value(let value)): seen.append("value:" + value.serialised())
            case .failure(let error):
                #expect(error.place == line.place)
                seen.append("error")
            }
            return true
        }
        return seen
    }

    @Test("plain lines, JSON strings and objects are told by their first character")
    func kinds() throws {
        #expect(try read("one\n\n \t\ntwo\r\nthree") == ["text:one", "blank", "blank", "text:two", "text:three"])
        #expect(
            try read("plain\n\"a \\\"string\\\"\"\n{\"text\": \"t\"}\n[1,2]\n")
                == ["text:plain", "text:a \"string\"", "value:{\"text\":\"t\"}", "value:[1,2]"])
        #expect(try read("\u{FEFF}first") == ["text:first"], "a byte order mark is no text")
        #expect(try read("") == [])
        #expect(try read("\"\"\n", "a.jsonl") == ["text:"], "an empty string is a text, no blank line")
    }

    @Test("quotation marks of dialogue are text; a broken object never is")
    func slips() throws {
        #expect(
            try read("He spoke.\n\"Yes,\" he said.\n[sic]\n") == [
                "text:He spoke.", "text:\"Yes,\" he said.", "text:[sic]",
            ])
        #expect(try read("plain\n{\"ids\": [1,\n{ not JSON }\n") == ["text:plain", "error", "text:{ not JSON }"])
        #expect(try read("\"fine\"\n\"not closed\nplain\n") == ["text:fine", "error", "text:plain"])
        #expect(try read("\"fine\"\nplain\n", "a.jsonl") == ["text:fine", "error"])
        #expect(try read("\"fine\"\nplain\n", "a.jsonl.gz") == ["text:fine", "error"], "the name counts without .gz")
        #expect(try read("{\"text\": 1}\nx\n7\n", "a.txt", .json) == ["value:{\"text\":1}", "error", "error"])
        #expect(try read("{\"text\": 1}\n\"x\"\n", "a.jsonl", .text) == ["text:{\"text\": 1}", "text:\"x\""])
    }

    @Test("a line that is not UTF-8 costs no other")
    func encoding() throws {
        #expect(try read([0x61, 0x0A, 0xFF, 0x0A, 0x62], "a.txt") == ["text:a", "error", "text:b"])
    }

    @Test("reading ends where it is told to")
    func ending() throws {
        let path = temporaryPath("lines.txt")
        defer { try? removeFile(path) }
        try writeAtomically(path: path, text: "a\nb\nc\n")
        var count = 0
        try InputLines(path).read { _ in
            count += 1
            return count < 2
        }
        #expect(count == 2)
    }
}
