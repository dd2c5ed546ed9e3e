import Heed
import HeedSupport
import HeedWeights
import Testing

@testable import HeedCommand

@Suite("heed generate")
struct GenerateCommandTests {
    private func run(_ words: String...) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }

    /// A folder with a small model without a tokenizer, removed at the end.
    private func withModel(_ body: (_ folder: String, _ model: String) throws -> Void) throws {
        let folder = temporaryPath("generate")
        let model = joinPath(folder, "model")
        try createDirectory(model)
        defer { try? removeTree(folder) }
        let shape = DecoderConfiguration.gpt2(width: 16, layers: 2, heads: 2, vocabulary: 20, context: 16)
        try Model(shape, family: .gpt2, seed: 3).save(folder: model)
        try body(folder, model)
    }

    @Test("distributions are one row per new token, the same bits however the work is cut up")
    func probabilities() throws {
        try withModel { folder, model in
            let output = joinPath(folder, "p.safetensors")
            func distribution(_ words: String...) throws -> [Float] {
                let all =
                    ["generate", model, "--ids", "1,2,3", "--max-new-tokens", "6", "--seed", "7", "--json"] + words
                    + ["--probabilities", output]
                #expect(CommandRunner(root: HeedCommand.self).run(all) == 0)
                let entry = try #require(try TensorFile(path: output)["probabilities"])
                #expect(entry.shape == [6, 20])
                guard case .floats(let values) = entry.values else { return [] }
                return values
            }
            let plain = try distribution("--temperature", "0.9", "--threads", "1")
            for row in 0..<6 { #expect(abs(plain[(row * 20)..<(row * 20 + 20)].reduce(0, +) - 1) < 1e-5) }
            #expect(try distribution("--temperature", "0.9", "--threads", "2") == plain)
            #expect(try distribution("--temperature", "0.9", "--prefill-chunk", "1") == plain)
            #expect(try distribution("--temperature", "0.9", "--cache", "none") == plain)
            let filtered = try distribution("--top-k", "3")
            #expect((0..<6).allSatisfy { row in filtered[(row * 20)..<(row * 20 + 20)].count { $0 > 0 } == 3 })
            let greedy = try distribution()
            #expect(greedy.count { $0 == 0 } == 0, "greedy filters nothing")
        }
    }

    @Test("prompts from a file, several sequences, beams, sliding")
    func ways() throws {
        try withModel { folder, model in
            let input = joinPath(folder, "prompts.jsonl")
            try writeAtomically(path: input, text: "{\"ids\": [1, 2]}\n\n{\"ids\": [3]}\n")
            #expect(run("generate", model, "--input", input, "--max-new-tokens", "3") == 0)
            #expect(run("generate", model, "--input", input, "--sample", "--num-return-sequences", "2") == 0)
            #expect(
                run(
                    "generate", model, "--input", input, "--num-beams", "3", "--num-return-sequences", "2",
                    "--length-penalty", "-1.0", "--early-stopping", "never", "--max-new-tokens", "4") == 0)
            #expect(
                run(
                    "generate", model, "--ids", "1,2", "--max-new-tokens", "30", "--context-overflow", "slide",
                    "--slide-step", "4") == 0)
        }
    }

    @Test("the folder's generation_config.json gives the defaults, and the command line goes before it")
    func generationConfiguration() throws {
        try withModel { folder, model in
            let output = joinPath(folder, "p.safetensors")
            func kept(_ words: String...) throws -> [Int] {
                let all = ["generate", model, "--ids", "1,2,3", "--json", "--probabilities", output] + words
                #expect(CommandRunner(root: HeedCommand.self).run(all) == 0)
                guard case .floats(let values)? = try TensorFile(path: output)["probabilities"]?.values else {
                    return []
                }
                return stride(from: 0, to: values.count, by: 20).map { row in values[row..<(row + 20)].count { $0 > 0 }
                }
            }
            let file = joinPath(model, "generation_config.json")
            try writeAtomically(path: file, text: "{\"do_sample\": true, \"top_k\": 3, \"max_length\": 8}")
            #expect(try kept() == [3, 3, 3, 3, 3])
            #expect(try kept("--top-k", "5", "--max-new-tokens", "2") == [5, 5])
            #expect(try kept("--no-sample", "--max-new-tokens", "2") == [20, 20])
            #expect(try kept("--generation-config", "none", "--max-new-tokens", "1") == [20])
            try writeAtomically(path: file, text: "{\"guidance_scale\": 2.0}")
            #expect(run("generate", model, "--ids", "1") == 1)
            #expect(run("generate", model, "--ids", "1", "--generation-config", "none") == 0)
            try writeAtomically(path: file, text: "{\"max_length\": 3}")
            #expect(run("generate", model, "--ids", "1,2,3") == 2)
            #expect(run("generate", model, "--ids", "1,2,3", "--max-new-tokens", "2") == 0)
        }
    }

    @Test("guessing ahead")
    func assistants() throws {
        try withModel { folder, model in
            let other = joinPath(folder, "other")
            let shape = DecoderConfiguration.gpt2(width: 8, layers: 1, heads: 2, vocabulary: 21, context: 16)
            try Model(shape, family: .gpt2, seed: 4).save(folder: other)
            #expect(run("generate", model, "--ids", "1,2", "--prompt-lookup-num-tokens", "3") == 0)
            #expect(run("generate", model, "--ids", "1,2", "--assistant-model", model, "--sample") == 0)
            #expect(run("generate", model, "--ids", "1,2", "--assistant-model", other) == 1)
            #expect(
                run(
                    "generate", model, "--ids", "1", "--assistant-model", model, "--prompt-lookup-num-tokens", "3")
                    == 2)
        }
    }

    @Test("wrong usage is 2, wrong input is 1, and nothing is left")
    func failures() throws {
        try withModel { folder, model in
            let before = try listDirectory(folder)
            let wrong: [[String]] = [
                [], ["--ids", "1", "--prompt", "x"], ["--ids", "1", "--temperature", "-1"],
                ["--ids", "1", "--temperature", "nan"], ["--ids", "1", "--top-p", "1.5"],
                ["--ids", "1", "--early-stopping", "perhaps"], ["--ids", "1", "--cache", "f8"],
                ["--ids", "1", "--suppress-tokens", "1,,x"], ["--ids", "1", "--max-new-tokens", "-4"],
                ["--ids", "1", "--num-beams", "2", "--num-return-sequences", "3"], ["--ids", "1,two"], ["--ids", ""],
                ["--ids", "1", "--num-beams", "99999999999999999999"], ["--ids", "1", "--max-new-token", "3"],
                ["--ids", "1", "--stop", "x", "--num-beams", "2"], ["--ids", "1", "--max-new-tokens", "30"],
            ]
            for words in wrong {
                #expect(CommandRunner(root: HeedCommand.self).run(["generate", model] + words) == 2, "\(words)")
            }
            let broken = joinPath(folder, "broken.jsonl")
            let inputs = [
                "{\"ids\": [1]}\n{\"ids\": [1,\n", "{\"ids\": [1]}\n{\"text\": \"x\"}\n", "{\"ids\": \"1 2\"}\n", "\n",
                "{\"ids\": []}\n", "{\"ids\": [20]}\n", "{\"prompt\": \"no tokenizer\"}\n",
            ]
            for text in inputs {
                try writeAtomically(path: broken, text: text)
                #expect(run("generate", model, "--input", broken) == 1, "\(text)")
            }
            try removeFile(broken)
            let ids = (0..<17).map { _ in "7" }.joined(separator: ",")
            #expect(run("generate", model, "--ids", ids, "--max-new-tokens", "1") == 1)
            #expect(run("generate", model, "--ids", "20") == 1)
            #expect(run("generate", model, "--prompt", "x") == 1)
            #expect(run("generate", model, "--input", joinPath(folder, "nowhere.jsonl")) == 1)
            #expect(run("generate", model, "--ids", "1", "--stream") == 1)
            #expect(run("generate", model, "--ids", "1", "--probabilities", joinPath(folder, "no/p.safetensors")) == 1)
            #expect(try listDirectory(folder) == before)
        }
    }
}
