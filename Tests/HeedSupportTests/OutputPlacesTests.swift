#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport
import Testing

@Suite("Places for results")
struct OutputPlacesTests {
    @Test("a folder that holds something else is refused without leave")
    func folders() throws {
        let folder = temporaryPath("places")
        defer { try? removeTree(folder) }
        try requireFreeFolder(folder, overwrite: false)
        try createDirectory(folder)
        try requireFreeFolder(folder, overwrite: false)
        try writeAtomically(path: joinPath(folder, "a.tmp-12-3"), text: "x")
        try requireFreeFolder(folder, overwrite: false)
        try writeAtomically(path: joinPath(folder, "mine.txt"), text: "x")
        let error = #expect(throws: HeedError.self) { try requireFreeFolder(folder, overwrite: false) }
        #expect(error?.got == "mine.txt")
        try requireFreeFolder(folder, overwrite: false, isOwn: { $0 == "mine.txt" })
        try requireFreeFolder(folder, overwrite: true)
        #expect(throws: HeedError.self) { try requireFreeFolder(joinPath(folder, "mine.txt"), overwrite: true) }
    }

    @Test("a file that holds something else is refused without leave")
    func files() throws {
        let path = temporaryPath("place.txt")
        defer { try? removeFile(path) }
        try requireFreeFile(path, overwrite: false)
        try writeAtomically(path: path, text: "")
        try requireFreeFile(path, overwrite: false)
        try writeAtomically(path: path, text: "x")
        #expect(throws: HeedError.self) { try requireFreeFile(path, overwrite: false) }
        try requireFreeFile(path, overwrite: true)
        try requireFreeFile(path, overwrite: false, isOwn: { _ in true })
        try requireFreeFile("/dev/null", overwrite: false)
    }

    @Test("links lead to the same place")
    func places() throws {
        let folder = temporaryPath("places")
        try createDirectory(joinPath(folder, "a"))
        defer { try? removeTree(folder) }
        symlink(joinPath(folder, "a"), joinPath(folder, "link"))
        #expect(isSamePlace(joinPath(folder, "a"), joinPath(folder, "link")))
        #expect(isSamePlace(joinPath(folder, "a/../a/"), joinPath(folder, "a")))
        #expect(!isSamePlace(folder, joinPath(folder, "a")))
        #expect(!isSamePlace(joinPath(folder, "none"), joinPath(folder, "none")))
    }

    @Test(
        "names of unfinished files",
        arguments: [
            ("a.tmp-1-2", true), ("model.safetensors.tmp-99999-1", true), ("a.tmp-", false), ("a.tmp-x", false),
            (".tmp-1-2", false), ("a", false),
        ])
    func temporaryNames(name: String, isTemporary: Bool) { #expect(isTemporaryName(name) == isTemporary) }

    @Test("a tokenizer's files go together; others stay")
    func removal() throws {
        let folder = temporaryPath("places")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        for name in ["vocab.txt", "merges.txt", "model-00001-of-00002.safetensors", "config.json", "notes.md"] {
            try writeAtomically(path: joinPath(folder, name), text: "x")
        }
        try ModelFolderFiles.removeTokenizer(from: folder)
        #expect(try listDirectory(folder) == ["config.json", "model-00001-of-00002.safetensors", "notes.md"])
        try ModelFolderFiles.removeModel(from: folder)
        #expect(try listDirectory(folder) == ["notes.md"])
    }
}
