import Heed
import HeedSupport
import Testing

@testable import HeedCommand

@Suite("heed evaluate and verify")
struct EvaluateCommandTests {
    private func run(_ words: String...) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }

    @Test("a model is measured on token files; what makes no sense is refused")
    func losses() throws {
        let folder = temporaryPath("evaluate")
        defer { try? removeTree(folder) }
        let model = joinPath(folder, "model")
        let shape = DecoderConfiguration.gpt2(width: 16, layers: 1, heads: 2, vocabulary: 20, context: 8)
        try Model(shape, family: .gpt2, seed: 3).save(folder: model)
        func tokens(_ name: String, _ bytes: [UInt8]) throws -> String {
            let path = joinPath(folder, name)
            try writeAtomically(path: path, bytes: bytes)
            return path
        }
        let good = try tokens("good.bin", (0..<60).flatMap { [UInt8($0 % 20), 0] })
        #expect(run("evaluate", model, "--data", good, "--json") == 0)
        #expect(run("evaluate", model, "--data", good, good, "--stride", "3", "--context", "5") == 0)
        #expect(run("verify", model) == 0)
        #expect(run("verify", folder) == 1)

        #expect(run("evaluate") == 2)
        #expect(run("evaluate", model) == 2)
        #expect(run("evaluate", model, "--data", good, "--bleu", good, good) == 2)
        #expect(run("evaluate", "--bleu", good) == 2)
        #expect(run("evaluate", model, "--data", good, "--stride", "0") == 2)
        #expect(run("evaluate", model, "--data", good, "--stride", "9") == 2)
        #expect(run("evaluate", model, "--data", good, "--context", "9") == 2)
        #expect(run("evaluate", model, "--data", joinPath(folder, "nowhere.bin")) == 1)
        #expect(run("evaluate", model, "--data", try tokens("one.bin", [1, 0])) == 1)
        #expect(run("evaluate", model, "--data", try tokens("odd.bin", [1, 0, 1])) == 1)
        #expect(run("evaluate", model, "--data", try tokens("large.bin", [1, 0, 99, 0])) == 1)
        #expect(run("evaluate", model, "--data", try tokens("text.txt", Array("abc".utf8))) == 1)
    }

    @Test("texts of different lengths are refused")
    func translations() throws {
        let folder = temporaryPath("bleu")
        defer { try? removeTree(folder) }
        try createDirectory(folder)
        let (a, b) = (joinPath(folder, "a.txt"), joinPath(folder, "b.txt"))
        try writeAtomically(path: a, text: "one\ntwo\n")
        try writeAtomically(path: b, text: "one\n")
        #expect(run("evaluate", "--bleu", a, a) == 0)
        #expect(run("evaluate", "--bleu", a, a, a, "--json") == 0)
        #expect(run("evaluate", "--bleu", a, b) == 1)
    }
}
