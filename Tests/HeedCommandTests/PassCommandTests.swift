import Heed
import HeedSupport
import HeedWeights
import Testing

@testable import HeedCommand

@Suite("heed pass, inspect and plan")
struct PassCommandTests {
    private func run(_ words: String...) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }

    /// A folder with a small model and an input, removed at the end.
    private func withModel(_ body: (_ folder: String, _ model: String) throws -> Void) throws {
        let folder = temporaryPath("pass")
        let model = joinPath(folder, "model")
        try createDirectory(model)
        defer { try? removeTree(folder) }
        let shape = DecoderConfiguration.gpt2(width: 16, layers: 2, heads: 2, vocabulary: 20, context: 8)
        try Model(shape, family: .gpt2, seed: 3).save(folder: model)
        var input = TensorFile()
        input.append("input_ids", shape: [2, 4], integers: [1, 2, 3, 4, 5, 6, 7, 8])
        input.append("labels", shape: [2, 4], integers: [1, 2, 3, 4, 5, 6, -100, 8])
        try input.write(path: joinPath(folder, "in.safetensors"))
        try body(folder, model)
    }

    @Test("every tensor that was asked for is written")
    func everything() throws {
        try withModel { folder, model in
            let output = joinPath(folder, "out.safetensors")
            let input = joinPath(folder, "in.safetensors")
            let code = run(
                "pass", model, "--input", input, "--output", output, "--all", "--gradients", "--threads", "1")
            #expect(code == 0)
            let result = try TensorFile(path: output)
            #expect(result["logits"]?.shape == [2, 4, 20])
            #expect(result["loss"]?.shape == [])
            #expect(result["hidden_states.2"]?.shape == [2, 4, 16])
            #expect(result["attentions.1"]?.shape == [2, 2, 4, 4])
            let names = try SafetensorsFile(path: joinPath(model, "model.safetensors")).tensors.map(\.name)
            #expect(Set(result.entries.map(\.name)).isSuperset(of: names.map { "grad." + $0 }))
        }
    }

    @Test("wrong options are 2, wrong files are 1, and nothing is left")
    func failures() throws {
        try withModel { folder, model in
            let output = joinPath(folder, "out.safetensors")
            let input = joinPath(folder, "in.safetensors")
            let before = try listDirectory(folder)
            #expect(run("pass", model, "--input", input) == 2)
            #expect(run("pass", model, "--input", input, "--output", output, "--label-smoothing", "2") == 2)
            #expect(run("pass", model, "--input", input, "--output", output, "--label-smoothing", "nan") == 2)
            #expect(run("pass", model, "--input", input, "--output", output, "--threads", "-1") == 2)
            #expect(run("pass", model, "--input", input, "--output", output, "--dtype", "f12") == 2)
            #expect(run("pass", model, "--input", input, "--output", output, "--gradient") == 2)
            #expect(run("pass", model, "--input", joinPath(folder, "nowhere"), "--output", output) == 1)
            #expect(run("pass", folder, "--input", input, "--output", output) == 1)
            #expect(run("pass", model, "--input", input, "--output", joinPath(input, "out")) == 1)
            #expect(run("pass", model, "--input", input, "--output", model) == 1)
            #expect(run("passs", model) == 2)
            let after = try listDirectory(folder)
            #expect(after == before)
        }
    }

    @Test("inspect and plan read a saved folder")
    func reading() throws {
        try withModel { _, model in
            let count = try ModelDescription(folder: model).parameterCount
            #expect(count == 20 * 16 + 8 * 16 + 2 * 3280 + 32)
            #expect(run("inspect", model + "-nowhere", "--json") == 1)
            #expect(run("plan", "--preset", "gpt3") == 2)
            #expect(run("plan") == 2)
            #expect(run("plan", model, "--context", "9") == 2)
        }
    }
}
