#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import Testing

import HeedSupport

/// A folder of its own for one test, removed at the end.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
    let path = temporaryPath("support")
    try createDirectory(path)
    defer { try? removeTree(path) }
    try body(path)
}

@Suite("files")
struct FileTests {
    @Test("what was written is read and mapped")
    func roundTrip() throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "a.bin")
            let content = (0..<700_001).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try writeAtomically(path: path) { writer in
                try writer.write(Array(content[..<5]))
                try writer.write(Array(content[5...]))
                #expect(writer.count == content.count)
            }
            #expect(try readFile(path) == content)
            let mapped = try MappedFile(path: path)
            #expect(mapped.count == content.count)
            #expect(mapped.bytes.elementsEqual(content))
            #expect(try listDirectory(folder) == ["a.bin"])
            #expect(fileSize(path) == content.count)
        }
    }

    @Test("an empty file maps to no bytes")
    func empty() throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "empty")
            try writeAtomically(path: path, bytes: [])
            #expect(try MappedFile(path: path).bytes.isEmpty)
            #expect(try readFile(path).isEmpty)
        }
    }

    @Test("a failing writer leaves the old file and no temporary")
    func failure() throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "kept")
            try writeAtomically(path: path, text: "old")
            #expect(throws: HeedError.self) {
                try writeAtomically(path: path) { writer in
                    try writer.write("new")
                    throw HeedError(.interrupted, "stopped")
                }
            }
            #expect(try readFile(path) == Array("old".utf8))
            #expect(try listDirectory(folder) == ["kept"])
        }
    }

    @Test("errors name the path")
    func errors() throws {
        try withTemporaryFolder { folder in
            let plain = joinPath(folder, "plain")
            try writeAtomically(path: plain, text: "x")
            let cases: [(HeedError.Kind, () throws -> Void, String)] = [
                (.missing, { _ = try readFile(joinPath(folder, "absent")) }, "absent"),
                (.missing, { _ = try MappedFile(path: joinPath(folder, "absent")) }, "absent"),
                (.io, { _ = try readFile(folder) }, folder),
                (.io, { _ = try MappedFile(path: folder) }, folder),
                (.io, { try writeAtomically(path: folder, text: "x") }, folder),
                (.missing, { try writeAtomically(path: joinPath(folder, "a/b"), text: "x") }, "a/b"),
                (.io, { try writeAtomically(path: joinPath(plain, "b"), text: "x") }, "plain/b"),
                (.io, { try createDirectory(joinPath(plain, "b")) }, "plain"),
                (.missing, { _ = try listDirectory(joinPath(folder, "absent")) }, "absent"),
            ]
            for (kind, work, name) in cases {
                let error = #expect(throws: HeedError.self) { try work() }
                #expect(error?.kind == kind)
                #expect(error?.description.contains(name) == true)
            }
        }
    }

    @Test(
        "paths are taken apart and put together",
        arguments: [
            ("/a/b/c", "c", "/a/b"), ("a", "a", "."), ("/a", "a", "/"), ("/", "/", "/"), ("a/b/", "b", "a"),
        ])
    func paths(path: String, last: String, parent: String) {
        #expect(lastPathComponent(path) == last)
        #expect(parentPath(path) == parent)
    }
}

@Suite("messages")
struct MessageTests {
    @Test("an error reads as one paragraph")
    func paragraph() {
        let error = HeedError(
            .badInput, "the header is cut short", in: "model.safetensors", expected: "4,096 bytes of header",
            got: "812", advice: "Download the file again")
        #expect(
            error.description
                == "model.safetensors: the header is cut short. Expected 4,096 bytes of header, got 812. "
                + "Download the file again.")
        #expect(HeedError(.badInput, "a\n\nb").description == "a  b.")
        #expect(HeedError(.badInput, "x").placed(in: "y").description == "y: x.")
    }

    @Test("numbers are grouped")
    func grouping() {
        #expect(
            [0, 999, 1000, -1_234_567, .min].map(grouped) == [
                "0", "999", "1,000", "-1,234,567", "-9,223,372,036,854,775,808",
            ])
    }

    @Test(
        "misspelt words find their neighbour",
        arguments: [
            ("--max-new-token", "--max-new-tokens"), ("generat", "generate"), ("tokeniser", "tokenizer"),
            ("tarin", "train"), ("zebra", nil),
        ])
    func neighbours(word: String, expected: String?) {
        let words = ["generate", "train", "tokenizer", "--max-new-tokens", "--min-new-tokens", "--temperature"]
        #expect(nearest(word, among: words) == expected)
    }
}
