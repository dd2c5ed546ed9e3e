import Heed
import HeedProcessor
import HeedRun
import HeedSupport
import HeedWeights
import Testing

@testable import HeedCommand

@Suite("heed train")
struct TrainCommandTests {
    private func run(_ words: [String]) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }

    /// A folder with a text, removed at the end.
    private func withText(_ body: (_ folder: String, _ text: String) throws -> Void) throws {
        let folder = temporaryPath("train")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        let text = joinPath(folder, "novel.txt")
        let words = ["the", "cat", "sat", "on", "a", "mat", "and", "slept"]
        let lines = (0..<400).map { (line: Int) -> String in
            let chosen: [String] = (0..<8).map { (place: Int) -> String in words[(line * 7 + place * place * 3) % 8] }
            return chosen.joined(separator: " ")
        }
        try writeAtomically(path: text, text: lines.joined(separator: "\n"))
        try body(folder, text)
    }

    private let small = ["--layers", "1", "--heads", "2", "--width", "16", "--context", "16", "--batch", "4"]

    @Test("--data alone chooses the rest; --resume alone goes on; --steps lengthens")
    func newcomer() throws {
        try withText { folder, text in
            let model = joinPath(folder, "model")
            let first = ["train", "--data", text, "--output", model, "--steps", "4", "--threads", "1"] + small
            #expect(run(first) == 0)
            let shape = try Model.load(folder: model).decoder.configuration
            #expect(shape.stack.layers == 1 && shape.stack.heads == 2 && shape.stack.width == 16)
            #expect(shape.context == 16)
            #expect(shape.stack.inner == 64, "in the preset's ratio")
            #expect(shape.vocabulary <= 512)
            #expect(run(first) == 2, "a run is not written over")
            #expect(run(["train", "--output", model, "--resume"]) == 0, "a finished run is left alone")

            #expect(run(["train", "--output", model, "--resume", "--steps", "7", "--threads", "2"]) == 0)
            let state = try SafetensorsFile(path: joinPath(model, "training/state.safetensors"))
            #expect(state.metadata["step"] == "7")
            #expect(run(["train", "--output", model, "--resume"]) == 0, "the new length is kept")

            let options = try #require(
                try StoredOptions(folder: model, of: CommandDescription(of: Train.self)))
            #expect(options["--steps"] == ["7"])
            #expect(options["--tokenizer-kind"] == ["byte-bpe"] && options["--vocab-size"] == ["512"])
            #expect(options["--lr"] != nil && options["--warmup"] == ["0"])
            #expect(options["--data"] == [text])
            #expect(options["--threads"] == nil && options["--output"] == nil)
        }
    }

    @Test("a teacher with the same tokenizer, data by a pattern, and a tensor of a step")
    func teacher() throws {
        try withText { folder, text in
            let teacher = joinPath(folder, "teacher")
            #expect(run(["train", "--data", text, "--output", teacher, "--steps", "3"] + small) == 0)
            let taught = joinPath(folder, "taught")
            let pattern = ["train", "--data", joinPath(folder, "*.txt"), "--output", taught, "--steps", "4"] + small
            let words = pattern + ["--tokenizer", teacher, "--teacher", teacher, "--temperature", "3"]
            #expect(run(words) == 0)
            #expect(run(["train", "--output", taught, "--resume", "--steps", "5"]) == 0)
            #expect(run(pattern + ["--temperature", "3", "--overwrite"]) == 2, "there is no teacher")
            #expect(
                run(pattern + ["--teacher", teacher, "--tokenizer-kind", "char", "--overwrite"]) == 2,
                "another tokenizer")

            let (file, before) = (joinPath(folder, "step.safetensors"), joinPath(folder, "before"))
            let name = try #require(try Model.load(folder: taught).trainedTensors.first?.name)
            let replay = ["replay", taught, "--step", "3", "--tensor", name]
            #expect(run(replay + ["--output", file, "--before", before]) == 0)
            let names = try SafetensorsFile(path: file).tensors.map(\.name)
            #expect(Set(names) == ["\(name).before", "\(name).gradient", "\(name).after"])
            #expect(try Model.load(folder: before).weights.layout.count > 0)
            #expect(run(replay + ["--output", file]) == 2, "a file is not written over")
            #expect(run(["replay", taught, "--step", "3", "--tensor", "nonsense"]) == 2)
        }
    }

    @Test("an option that differs is named as it was given")
    func differing() throws {
        try withText { folder, text in
            let model = joinPath(folder, "model")
            #expect(run(["train", "--data", text, "--output", model, "--steps", "2", "--lr", "1e-3"] + small) == 0)
            let command = try CommandDescription(of: Train.self)
            let stored = try #require(try StoredOptions(folder: model, of: command))
            func completed(_ words: String...) throws -> StoredOptions {
                try stored.completed(by: StoredOptions(words, of: command), in: model)
            }
            for (words, name) in [
                (["--learning-rate", "2e-3"], "--lr"), (["--seed=3"], "--seed"), (["--batch-size", "8"], "--batch"),
                (["--preset", "llama-tiny"], "--preset"), (["--schedule", "linear"], "--schedule"),
                (["--n-layer", "2"], "--layers"),
            ] {
                let given = StoredOptions(words, of: command)
                let error = #expect(throws: HeedError.self) { _ = try stored.completed(by: given, in: model) }
                #expect(error?.what.hasPrefix(name + " differs") == true, "\(words): \(error?.what ?? "")")
                #expect(error?.kind == .usage)
            }
            // The same in other words, and what changes no bit of what is done.
            _ = try completed("--lr", "0.001", "--seed", "1", "--resume", "--threads", "1", "--save-every", "7")
            let half = try completed("--batch", "2", "--accumulate", "2")
            #expect(half["--batch"] == ["2"])
            let epochs = try completed("--epochs", "3")
            #expect(epochs["--steps"] == nil && epochs["--epochs"] == ["3"])
            #expect(run(["train", "--output", model, "--resume", "--seed", "9"]) == 2)
        }
    }

    @Test("foreign folders, and the model itself, are not written over")
    func protection() throws {
        try withText { folder, text in
            let model = joinPath(folder, "model")
            #expect(run(["train", "--data", text, "--output", model, "--steps", "1"] + small) == 0)
            let weights = try readFile(joinPath(model, "model.safetensors"))
            let tune = ["train", "--init", model, "--data", text, "--steps", "1", "--context", "16", "--output"]
            #expect(run(tune + [model]) == 2)
            #expect(run(tune + [joinPath(folder, "model/../model")] + ["--overwrite"]) == 2)
            #expect(run(tune + [folder]) == 2, "a folder with other things in it")
            #expect(try readFile(joinPath(model, "model.safetensors")) == weights)
            #expect(run(tune + [joinPath(folder, "tuned")]) == 0)
        }
    }

    @Test("tokenizers of every kind are made of the data", arguments: TokenizerKind.allCases)
    func kinds(kind: TokenizerKind) throws {
        try withText { folder, text in
            let model = joinPath(folder, "model")
            let size = kind == .character ? [] : ["--vocab-size", kind == .byteLevelBPE ? "300" : "40"]
            // A vocabulary of words or pieces cannot have more than the text.
            let code = run(
                ["train", "--data", text, "--tokenizer-kind", kind.rawValue, "--output", model, "--steps", "2"] + size
                    + small)
            #expect(code == 0, "\(kind)")
            let count = try Tokenizer.load(path: model).vocabularySize
            #expect(count > 4)
        }
    }

    @Test("documents of a JSONL file make a tokenizer too; a bad line stops or is left out")
    func documents() throws {
        try withText { folder, _ in
            let data = joinPath(folder, "texts.jsonl")
            let lines = (0..<200).map { "{\"text\": \"the cat sat on mat number \($0)\"}\n" }
            try writeAtomically(path: data, text: lines.joined() + "{\"other\": 1}\n")
            let words = ["train", "--data", data, "--steps", "2", "--output"]
            #expect(run(words + [joinPath(folder, "a")] + small) == 1)
            #expect(!fileExists(joinPath(folder, "a")))
            #expect(run(words + [joinPath(folder, "b"), "--on-error", "skip"] + small) == 0)
            #expect(try Model.load(folder: joinPath(folder, "b")).family == .gpt2)
        }
    }

    @Test("an encoder learns from plain text and fills masks")
    func masked() throws {
        try withText { folder, text in
            let model = joinPath(folder, "encoder")
            #expect(
                run([
                    "train", "--preset", "bert-tiny", "--data", text, "--validation", "0.2", "--vocab-size", "40",
                    "--output", model, "--steps", "4", "--epochs",
                ]) == 2)
            #expect(
                run(
                    [
                        "train", "--preset", "bert-tiny", "--data", text, "--validation", "0.2", "--vocab-size", "40",
                        "--output", model, "--steps", "4",
                    ] + small) == 0)
            #expect(run(["fill-mask", model, "--text", "the [MASK] sat"]) == 0)
            #expect(run(["evaluate", model, "--data", text, "--context", "16", "--json"]) == 0)
            #expect(run(["train", "--output", model, "--resume", "--steps", "6"]) == 0)
        }
    }

    @Test("shapes by flags", arguments: ["llama-tiny", "translation-small", "bert-base", "gpt2"])
    func shapes(name: String) throws {
        let preset = try Preset.named(name)
        let options = try ShapeOptions.parse(["--n-layer", "3", "--n-head", "2", "--n-embd", "24"])
        let shape = try options.applied(to: preset.configuration, context: 40)
        #expect(shape.context == 40)
        let model = try Model(shape.adapted(vocabulary: 30, padding: 0), family: preset.family, seed: 1)
        #expect(model.weights.layout.trainedCount > 0)
        #expect(throws: HeedError.self) {
            _ = try ShapeOptions.parse(["--heads", "7"]).applied(to: preset.configuration, context: nil)
        }
        #expect(try ShapeOptions.parse([]).applied(to: preset.configuration, context: nil) == preset.configuration)
    }

    @Test("what is chosen where nothing is given")
    func choices() throws {
        #expect(TrainingDefaults.vocabulary(bytes: 1000) == 512)
        #expect(TrainingDefaults.vocabulary(bytes: 1_115_394) == 1024)
        #expect(TrainingDefaults.vocabulary(bytes: 1 << 40) == 32_768)
        #expect(TrainingDefaults.output(for: "texts/novel.txt") == "novel-model")
        #expect(TrainingDefaults.output(for: "a.jsonl.gz") == "a-model")
        #expect(TrainingDefaults.output(for: "-") == "heed-model")
        #expect(TrainingDefaults.output(for: ".hidden") == ".hidden-model")
        let model = try Model(Preset.named("tiny").configuration, family: .gpt2, seed: 1)
        #expect(TrainingDefaults.rate(of: model, isNew: true) == 3e-3)
        #expect(TrainingDefaults.rate(of: model, isNew: false) == 5e-5)
    }

    @Test("verify finds a flipped bit, a swapped tokenizer and a changed configuration")
    func verification() throws {
        try withText { folder, text in
            let model = joinPath(folder, "model")
            #expect(run(["train", "--data", text, "--output", model, "--steps", "2", "--threads", "1"] + small) == 0)
            #expect(run(["verify", model]) == 0)
            let kept = try #require(try GoldenVector(keptIn: model))
            #expect(kept.outputs.count == 16 && kept.ids?.isEmpty == false)

            func expectFault(in name: String, _ change: ([UInt8]) throws -> [UInt8], _ words: String) throws {
                let path = joinPath(model, name)
                let sound = try readFile(path)
                try writeAtomically(path: path, bytes: try change(sound))
                #expect(run(["verify", model]) == 1, "\(name)")
                let error = #expect(throws: HeedError.self) {
                    try kept.check(GoldenVector.now(folder: model, runtime: Runtime(threads: 1)), folder: model)
                }
                #expect(error?.description.contains(words) == true, "\(name): \(error?.description ?? "")")
                try writeAtomically(path: path, bytes: sound)
                #expect(run(["verify", model]) == 0)
            }
            try expectFault(in: "model.safetensors", { $0.dropLast() + [($0.last ?? 0) ^ 1] }, "weights")
            try expectFault(
                in: "tokenizer.json",
                { bytes in
                    // Two tokens change places.
                    var text = String(decoding: bytes, as: UTF8.self)
                    for (from, to) in [("\"e\":", "\"@1\":"), ("\"a\":", "\"e\":"), ("\"@1\":", "\"a\":")] {
                        text = text.replacing(from, with: to)
                    }
                    return Array(text.utf8)
                }, "tokenizer")
            try expectFault(
                in: "config.json",
                { bytes in
                    Array(
                        String(decoding: bytes, as: UTF8.self)
                            .replacing("\"layer_norm_epsilon\": 1e-05", with: "\"layer_norm_epsilon\": 0.01").utf8)
                }, "numbers")
            try removeFile(joinPath(model, ModelFolderFiles.verification))
            #expect(run(["verify", model]) == 0)
            #expect(run(["verify", model, "--record"]) == 0)
            #expect(try GoldenVector(keptIn: model) == kept)
        }
    }
}
