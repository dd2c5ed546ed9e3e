import HeedSupport
import Testing

@Suite("Tables as lines")
struct TableTests {
    private func lines(_ text: String, _ name: String = "t.csv") throws -> [InputLine] {
        let path = temporaryPath(name) + name
        try writeAtomically(path: path, text: text)
        defer { try? removeFile(path) }
        var lines: [InputLine] = []
        try InputLines(path).read { line in
            lines.append(line)
            return true
        }
        return lines
    }

    @Test("quotes, ends of lines within values, empty values, blank lines, a mark at the beginning")
    func records() throws {
        let text = "\u{FEFF}text, label\r\n\"a, \"\"b\"\"\nc\",1\r\n\r\nplain,x\n,\n\"q\"r,2"
        let found = try lines(text)
        #expect(found.map(\.number) == [2, 5, 6, 7])
        let values = try found.map { try $0.content.get() }
        #expect(
            values == [
                .value(["text": "a, \"b\"\nc", "label": 1]), .value(["text": "plain", "label": "x"]),
                .value(["text": "", "label": ""]), .value(["text": "qr", "label": 2]),
            ])
    }

    @Test("tabs separate, and quotes are letters there")
    func tabs() throws {
        let values = try lines("text\tlabel\n\"a\", b\t0\n", "t.tsv").map { try $0.content.get() }
        #expect(values == [.value(["text": "\"a\", b", "label": 0])])
    }

    @Test("a record that cannot be used is told by its line, and those around it are read")
    func broken() throws {
        let found = try lines("text,label\na\nb,1,2\nc,3\n\"d,4\n")
        #expect(found.map(\.number) == [2, 3, 4, 5])
        #expect(found.map { (try? $0.content.get()) != nil } == [false, false, true, false])
        #expect(try lines("").isEmpty)
        #expect(try lines("text\n").isEmpty)
    }
}
