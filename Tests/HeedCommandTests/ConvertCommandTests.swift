import Heed
import HeedSupport
import TestFixtures
import Testing

@testable import HeedCommand

@Suite("heed convert and heed diff", .enabled(if: Shared.isThere))
struct ConvertCommandTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = temporaryPath("convert")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        try body(folder)
    }

    private func run(_ words: String...) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }

    @Test("a folder becomes GGUF and a folder again, with the same numbers and ids")
    func thereAndBack() throws {
        try withFolder { folder in
            for name in ["gpt2/tiny_a", "llama/llama_a"] {
                let source = Shared.fixture(name, "hf")
                let (file, back) = (joinPath(folder, "m.gguf"), joinPath(folder, "back"))
                #expect(run("convert", source, file, "--overwrite") == 0)
                #expect(run("convert", file, back, "--overwrite") == 0)
                let (first, second) = (try openTensors(path: source), try openTensors(path: back))
                for tensor in first.tensors {
                    #expect(try TensorDifference(tensor.name, first, second).isEqual, "\(tensor.name)")
                }
                _ = try Model.load(folder: back)
                let (a, b) = (try Tokenizer.load(path: source), try Tokenizer.load(path: back))
                for text in ["The cat sat on the mat.", "  x\n\ny 123", "é漢字 🙂"] {
                    #expect(a.ids(of: text) == b.ids(of: text), "\(text)")
                }
            }
        }
    }

    @Test("an output that is there already is kept")
    func existing() throws {
        try withFolder { folder in
            let file = joinPath(folder, "m.gguf")
            try writeAtomically(path: file, text: "mine")
            #expect(run("convert", Shared.fixture("gpt2/tiny_a", "hf"), file) == 2)
            #expect(try String(decoding: readFile(file), as: UTF8.self) == "mine")
        }
    }

    @Test(
        "tokenizers inside GGUF give the ids of the files that they were made from",
        arguments: ["gpt2", "falcon", "phi-3-mini", "t5-small", "bert-uncased", "llama", "roberta-base"])
    func tokenizers(name: String) throws {
        let source = Shared.path("data", "vocab", name)
        try withFolder { folder in
            var metadata = GGUFMetadata()
            let writer = try GGUFTokenizerWriter(folder: source)
            try writer.write(to: &metadata, count: 100_000, configuration: JSONObject(), template: nil)
            let path = joinPath(folder, "m.gguf")
            try writeGGUF(path: path, metadata: metadata, [])
            let (a, b) = (try Tokenizer.load(path: source), try Tokenizer.load(path: path))
            for text in [
                "The cat sat on the mat.", "Hello, world! It's 1234 o'clock", "naïve café", "東京 ひらがな",
                "tabs\tand  spaces", "🙂 ok", "x = [1, 2];",
            ] {
                #expect(a.ids(of: text) == b.ids(of: text), "\(text)")
            }
        }
    }
}
