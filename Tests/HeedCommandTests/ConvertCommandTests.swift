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

    @Test(
        "products of a file's own blocks have the bits of the fp32 numbers that they stand for",
        arguments: ["f16", "bf16", "q8_0", "q4_0", "q4_k", "q6_k"])
    func storedForms(type: String) throws {
        try withFolder { folder in
            let (source, file) = (joinPath(folder, "source"), joinPath(folder, "m.gguf"))
            let shape = DecoderConfiguration.llama(
                width: 256, layers: 2, heads: 4, keyHeads: 2, inner: 512, vocabulary: 101, context: 32)
            try Model(shape, family: .llama, seed: 3).save(folder: source)
            try #require(run("convert", source, file, "--dtype", type) == 0)
            func logits(_ form: WeightForm) throws -> [Float] {
                let model = try Model.load(folder: file, weights: form)
                var input = TensorFile()
                input.append("input_ids", shape: [1, 20], integers: (0..<20).map { $0 * 37 % 101 })
                let pass = ForwardPass(model, options: PassOptions(), runtime: try Runtime(threads: 2))
                guard case .floats(let values)? = try pass.run(input)["logits"]?.values else { return [] }
                return values
            }
            let stored = try logits(.stored)
            #expect(stored.count == 20 * 101 && Set(stored).count > 100)
            #expect(stored == (try logits(.float32)))
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
