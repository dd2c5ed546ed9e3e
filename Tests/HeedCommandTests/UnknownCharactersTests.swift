import Heed
import HeedSupport
import Testing

@testable import HeedCommand

@Suite("Characters that a vocabulary lacks")
struct UnknownCharactersTests {
    private func count(_ text: String, _ tokenizer: Tokenizer) -> UnknownCharacters {
        let counter = UnknownCharacters()
        Array(text.utf8).withUnsafeBufferPointer { counter.add($0, tokenizer) }
        return counter
    }

    @Test("they are counted with their bytes; too many are an error")
    func counting() throws {
        let tokenizer = try Tokenizer.characters(from: "abc \n")
        let some = count("abc xy\nö日 abc\n", tokenizer)
        #expect(some.unknown == 4)
        #expect(some.bytes == 1 + 1 + 2 + 3)
        try some.check(limit: 0.5, place: "text")
        let error = #expect(throws: HeedError.self) { try some.check(limit: 0.05, place: "text") }
        #expect(error?.what.contains("4 of 14 characters") == true)
        #expect(error?.advice?.contains("--max-unknown") == true)
        let none = count("abc cab", tokenizer)
        #expect(none.unknown == 0 && none.bytes == 0)
        try none.check(limit: 0, place: "text")
        let long = count(String(repeating: "abc x\n", count: 400_000), tokenizer)
        #expect(long.unknown == 400_000 && long.bytes == 400_000)
    }

    @Test("evaluate counts bits over the bytes that it measures; train refuses a text of another language")
    func commands() throws {
        let folder = temporaryPath("unknown")
        defer { try? removeTree(folder) }
        try createDirectory(folder)
        func run(_ words: String...) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }
        let (known, mixed, other) = (
            joinPath(folder, "a.txt"), joinPath(folder, "b.txt"), joinPath(folder, "c.txt")
        )
        let text = String(repeating: "the cat sat on the mat\n", count: 40)
        try writeAtomically(path: known, text: text)
        try writeAtomically(path: mixed, text: text + "QQ")
        try writeAtomically(path: other, text: String(repeating: "日本語 the\n", count: 60))
        let model = joinPath(folder, "model")
        let small = ["--layers", "1", "--heads", "1", "--width", "8", "--context", "8", "--steps", "1"]
        let train = ["train", "--data", known, "--tokenizer-kind", "char", "--output", model] + small
        #expect(CommandRunner(root: HeedCommand.self).run(train) == 0)
        #expect(run("evaluate", model, "--data", mixed) == 0)
        #expect(run("evaluate", model, "--data", other) == 1)
        #expect(run("evaluate", model, "--data", other, "--max-unknown", "1") == 0)
        let more = ["train", "--init", model, "--data", other, "--output", joinPath(folder, "more")]
        #expect(CommandRunner(root: HeedCommand.self).run(more + ["--context", "8", "--steps", "1"]) == 1)
        #expect(!fileExists(joinPath(folder, "more")))
    }
}
