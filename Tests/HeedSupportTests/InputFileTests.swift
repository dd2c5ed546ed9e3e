import HeedSupport
import Testing

@Suite("Input files")
struct InputFileTests {
    private func file(_ bytes: [UInt8]) throws -> String {
        let path = temporaryPath("input")
        try writeAtomically(path: path, bytes: bytes)
        return path
    }

    @Test(
        "other compression and Parquet are refused by name, with a way out",
        arguments: [
            ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0, 4], "xz"), (Array("BZh91AY&SY__".utf8), "bzip2"),
            ([4, 0x22, 0x4D, 0x18, 1], "lz4"),
            (Array("PAR1...PAR1".utf8), "duckdb"),
        ] as [([UInt8], String)])
    func refused(bytes: [UInt8], word: String) throws {
        let path = try file(bytes)
        defer { try? removeFile(path) }
        let error = #expect(throws: HeedError.self) { try InputFile.open(path) }
        #expect(error?.kind == .unsupported && error?.description.contains(word) == true)
    }

    @Test("text that begins with such a mark is text")
    func text() throws {
        for text in ["BZh is no word at all.", "BZ", "PAR", ""] {
            let path = try file(Array(text.utf8))
            defer { try? removeFile(path) }
            #expect(try InputFile.open(path).count == text.utf8.count)
        }
    }

    @Test("patterns become files in the order of their names; what exists is no pattern")
    func patterns() throws {
        let folder = temporaryPath("patterns")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        for name in ["b.txt", "a.txt", "c.jsonl", "x[1].txt"] {
            try writeAtomically(path: joinPath(folder, name), text: "x")
        }
        func names(_ pattern: String) throws -> [String] {
            try expandPatterns([joinPath(folder, pattern)]).map(lastPathComponent)
        }
        #expect(try names("*.txt") == ["a.txt", "b.txt", "x[1].txt"])
        #expect(try names("[bc].*") == ["b.txt", "c.jsonl"])
        #expect(try names("?.txt") == ["a.txt", "b.txt"])
        #expect(try names("x[1].txt") == ["x[1].txt"])
        #expect(try expandPatterns(["-", "missing.txt"]) == ["-", "missing.txt"])
        let error = #expect(throws: HeedError.self) { try names("*.csv") }
        #expect(error?.kind == .missing)
    }
}
