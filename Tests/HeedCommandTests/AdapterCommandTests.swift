import Heed
import HeedSupport
import HeedWeights
import Testing

@testable import HeedCommand

@Suite("Adapters, answers and run files on the command line")
struct AdapterCommandTests {
    private func run(_ words: [String]) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }

    /// A folder with a text and a small model of it, removed at the end.
    private func withModel(_ body: (_ folder: String, _ text: String, _ model: String) throws -> Void) throws {
        let folder = temporaryPath("adapter")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        let (text, model) = (joinPath(folder, "novel.txt"), joinPath(folder, "model"))
        let words = ["the", "cat", "sat", "on", "a", "mat", "and", "slept"]
        let lines = (0..<200).map { (line: Int) -> String in
            let chosen: [String] = (0..<8).map { (place: Int) -> String in words[(line * 7 + place * place * 3) % 8] }
            return chosen.joined(separator: " ")
        }
        try writeAtomically(path: text, text: lines.joined(separator: "\n"))
        let shape = ["--layers", "1", "--heads", "2", "--width", "16", "--context", "32", "--vocab-size", "300"]
        #expect(
            run(["train", "--data", text, "--output", model, "--steps", "2", "--batch", "4", "--quiet"] + shape) == 0)
        try body(folder, text, model)
    }

    private let short = ["--batch", "4", "--context", "16", "--quiet", "--threads", "1"]

    @Test("an adapter is trained, gone on with to the same bits, applied, merged")
    func life() throws {
        try withModel { folder, text, model in
            let (whole, parts) = (joinPath(folder, "whole"), joinPath(folder, "parts"))
            let learn =
                ["train", "--init", model, "--data", text, "--lora-rank", "2", "--lora-alpha", "8"]
                + [
                    "--lora-targets", "c_attn,c_fc", "--lora-dropout", "0.1", "--schedule", "constant", "--save-every",
                    "2",
                ]
                + short
            #expect(run(learn + ["--output", whole, "--steps", "6"]) == 0)
            #expect(
                try listDirectory(whole) == [
                    "README.md", "adapter_config.json", "adapter_model.safetensors", "training",
                ])
            #expect(run(learn + ["--output", parts, "--steps", "4"]) == 0)
            #expect(run(["train", "--output", parts, "--resume", "--steps", "6", "--quiet"]) == 0)
            let weights = { (folder: String) in try readFile(joinPath(folder, "adapter_model.safetensors")) }
            let (left1, right1) = (try weights(whole), try weights(parts))
            #expect(left1 == right1)

            let further = joinPath(folder, "further")
            #expect(
                run(
                    ["train", "--init", model, "--adapter", whole, "--data", text, "--output", further, "--steps", "1"]
                        + short) == 0)
            let (left2, right2) = (try weights(whole), try weights(further))
            #expect(left2 != right2)
            let config = { (folder: String) in try readFile(joinPath(folder, "adapter_config.json")) }
            let (left3, right3) = (try config(whole), try config(further))
            #expect(left3 == right3)

            let input = joinPath(folder, "in.safetensors")
            var rows = TensorFile(place: "test")
            for name in ["input_ids", "labels"] { rows.append(name, shape: [1, 4], integers: [5, 6, 7, 8]) }
            try rows.write(path: input)
            let merged = joinPath(folder, "merged")
            #expect(run(["convert", model, merged, "--adapter", whole]) == 0)
            let outputs = try [["--adapter", whole, "--gradients"], []].enumerated().map { index, words in
                let output = joinPath(folder, "out\(index).safetensors")
                let place = index == 0 ? model : merged
                #expect(run(["pass", place, "--input", input, "--output", output] + words) == 0)
                return try TensorFile(path: output)
            }
            #expect(outputs[0].entries.filter { $0.name.hasPrefix("grad.base_model.model.") }.count == 4)
            guard case .floats(let apart)? = outputs[0]["logits"]?.values,
                case .floats(let together)? = outputs[1]["logits"]?.values
            else { throw HeedError(.missing, "no logits") }
            #expect(zip(apart, together).allSatisfy { abs($0 - $1) < 1e-5 })
        }
    }

    @Test(
        "options that do not go together are refused",
        arguments: [
            ["--lora-rank", "2"], ["--init", "M", "--lora-alpha", "2"], ["--init", "M", "--lora-rank", "0"],
            ["--init", "M", "--lora-rank", "2", "--adapter", "X"],
            ["--init", "M", "--lora-rank", "2", "--average", "2"],
            ["--init", "M", "--lora-rank", "2", "--lora-targets", "c_atn"], ["--freeze", "x"], ["--shards", "3"],
            ["--keep-best", "1", "--evaluate-every", "0"], ["--decay", "3"], ["--ema", "1"],
        ])
    func refused(words: [String]) throws {
        try withModel { folder, text, model in
            let words = words.map { $0 == "M" ? model : $0 }
            let output = joinPath(folder, "out")
            #expect(run(["train", "--data", text, "--output", output, "--steps", "4"] + short + words) == 2)
            #expect(!fileExists(joinPath(output, "training")))
        }
    }

    @Test("a run's own options in a file make it again, and what is given beside them goes before")
    func configuration() throws {
        try withModel { folder, text, model in
            let (first, again) = (joinPath(folder, "first"), joinPath(folder, "again"))
            let begin = [
                "train", "--init", model, "--data", text, "--steps", "3", "--optimizer", "lion", "--ema", "0.5",
            ]
            #expect(run(begin + ["--output", first] + short) == 0)
            let options = joinPath(first, "training/options.json")
            #expect(run(["train", "--config", options, "--output", again, "--quiet"]) == 0)
            let weights = { (folder: String) in try readFile(joinPath(folder, "model.safetensors")) }
            let (left4, right4) = (try weights(first), try weights(again))
            #expect(left4 == right4)
            let other = joinPath(folder, "other")
            #expect(run(["train", "--config", options, "--output", other, "--seed", "9", "--quiet"]) == 0)
            let (left5, right5) = (try weights(first), try weights(other))
            #expect(left5 != right5)
            #expect(run(["train", "--config", options, "--output", other, "--seeed", "9"]) == 2)
        }
    }

    @Test("TOML is read line by line")
    func toml() throws {
        let text = """
            # a run
            data = ["a.txt", 'b c.txt', ]  # two
            [optimisation]
            lr = 1e-3
            batch = 1_000
            "min-lr" = 0.5
            overwrite = true
            name = "a \\"b\\" \\n"
            """
        let members = try TOMLText(text, in: "run.toml").members
        #expect(members.map(\.key) == ["data", "lr", "batch", "min-lr", "overwrite", "name"])
        #expect(members.map(\.value) == [["a.txt", "b c.txt"], 0.001, 1000, 0.5, true, "a \"b\" \n"])
        for broken in [
            "a", "a =", "a = b", "a = \"x", "a = [1", "a = 1 2", "= 1", "a = 1\na = 2", "a = [[1]]", "a = \"\\x\"",
        ] {
            let error = #expect(throws: HeedError.self) { try TOMLText(broken, in: "run.toml") }
            #expect(error?.place?.hasPrefix("run.toml, line ") == true)
        }
        let command = try CommandDescription(of: Train.self)
        let path = temporaryPath("run.toml")
        defer { try? removeFile(path) }
        try writeAtomically(path: path, text: "batsh = 3")
        let error = #expect(throws: HeedError.self) { try RunConfiguration(path: path, of: command) }
        #expect(error?.advice?.contains("batch") == true)
    }

    @Test("of conversations and completions the answers alone are learned")
    func answers() throws {
        try withModel { folder, _, model in
            let template =
                "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
                + "{% if add_generation_prompt %}<assistant>{% endif %}"
            try writeAtomically(path: joinPath(model, "chat_template.jinja"), text: template)
            let path = joinPath(folder, "chats.jsonl")
            try writeAtomically(
                path: path,
                text: """
                    {"messages": [{"role": "user", "content": "the cat"}, {"role": "assistant", "content": "sat"}, \
                    {"role": "user", "content": "on"}, {"role": "assistant", "content": "a mat"}]}
                    {"prompt": "the cat", "completion": " slept"}
                    """)
            #expect(try AnsweredTexts.areIn(path))
            let tokenizer = try Tokenizer.load(path: model)
            var texts = AnsweredTexts(tokenizer, folder: model, end: 0, longest: 64)
            let rows = try texts.rows([path])
            guard case .integers(let ids)? = rows["input_ids"]?.values, let width = rows["labels"]?.shape.last,
                case .integers(let labels)? = rows["labels"]?.values
            else { throw HeedError(.missing, "no rows") }
            #expect(zip(ids, labels).allSatisfy { $1 == -100 || $0 == $1 })
            func learned(_ row: Int) throws -> String {
                let kept = labels[row * width..<(row + 1) * width].filter { $0 > 0 }.map { TokenID($0) }
                return try tokenizer.decode(kept)
            }
            #expect(try learned(0) == "sat\na mat\n")
            #expect(try learned(1) == " slept")
            #expect(labels[width...].contains(0), "the end of the text is learned")

            let output = joinPath(folder, "tuned")
            #expect(
                run(
                    ["train", "--init", model, "--data", path, "--output", output, "--steps", "2", "--batch", "2"]
                        + ["--quiet"]) == 0)
            try writeAtomically(path: path, text: #"{"messages": [{"role": "user", "content": "the cat"}]}"#)
            #expect(run(["train", "--init", model, "--data", path, "--output", joinPath(folder, "no")]) == 1)
        }
    }
}
