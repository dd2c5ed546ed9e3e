import Heed
import HeedSupport
import HeedTexts
import Testing

@testable import HeedCommand

@Suite("Encoders from the command line")
struct EncoderCommandTests {
    private func run(_ words: [String]) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }

    private let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "food", "very", "a"]

    /// A folder with an encoder over a few words, removed at the end.
    private func withEncoder(
        _ head: EncoderHead, _ body: (_ folder: String, _ model: String) throws -> Void
    ) throws {
        let folder = temporaryPath("encoder")
        let model = joinPath(folder, "model")
        try createDirectory(model)
        defer { try? removeTree(folder) }
        let shape = EncoderConfiguration.bert(
            width: 32, layers: 1, heads: 2, vocabulary: words.count, context: 12, head: head)
        try Model(.encoder(shape), family: .bert, seed: 3).save(folder: model)
        try writeAtomically(path: joinPath(model, "vocab.txt"), text: words.map { $0 + "\n" }.joined())
        try body(folder, model)
    }

    @Test("texts with named classes make a classifier that evaluate and classify read")
    func classifier() throws {
        try withEncoder(.none) { folder, encoder in
            let data = joinPath(folder, "labelled.jsonl")
            let texts = ["a good film", "a bad film", "very good food", "very bad food", "good", "bad food"]
            let lines = texts.map {
                "{\"text\": \"\($0)\", \"label\": \"\($0.contains("good") ? "praise" : "blame")\"}\n"
            }
            try writeAtomically(path: data, text: lines.joined())
            let model = joinPath(folder, "classifier")
            let code = run([
                "train", "--init", encoder, "--data", data, "--validation", data, "--output", model, "--batch", "6",
                "--steps", "60", "--lr", "0.01", "--warmup", "5", "--evaluate-every", "20", "--dropout", "0",
                "--threads", "1",
            ])
            #expect(code == 0)
            let loaded = try Model.load(folder: model)
            #expect(try loaded.encoder.configuration.labelNames == ["blame", "praise"])
            let tokenizer = try Tokenizer.load(path: model)
            let reader = ClassifierTexts(tokenizer, try loaded.encoder.configuration, longest: nil)
            let encoded = try texts.map { try reader.encode($0, nil) }
            let runtime = try Runtime(threads: 1)
            let rows = try SequenceClassifier(loaded, runtime: runtime).probabilities(encoded.map(\.ids))
            for (text, row) in zip(texts, rows) {
                #expect((row[1] > row[0]) == text.contains("good"), "\(text): \(row)")
                #expect(abs(row[0] + row[1] - 1) < 1e-12)
            }
            // Company changes nothing, and the numbers are those of a pass.
            #expect(try SequenceClassifier(loaded, runtime: runtime).probabilities([encoded[3].ids]) == [rows[3]])
            var input = TensorFile()
            input.append("input_ids", shape: [1, encoded[3].ids.count], integers: encoded[3].ids.map { Int64($0) })
            let pass = try ForwardPass(loaded, options: PassOptions(), runtime: runtime).run(input)
            guard case .floats(let logits)? = pass["logits"]?.values else { return #expect(Bool(false), "no logits") }
            let odds = ExactMathematics.exp(Double(logits[1]) - Double(logits[0]))
            #expect(abs(rows[3][1] - odds / (1 + odds)) < 1e-9)

            // A file for each class: a part of each is set apart.
            for name in ["praise", "blame"] {
                let own = lines.filter { $0.contains(name) }.joined()
                try writeAtomically(path: joinPath(folder, "part-\(name).jsonl"), text: own)
            }
            let parts = joinPath(folder, "parts")
            let log = joinPath(folder, "parts.jsonl")
            let several = run([
                "train", "--init", encoder, "--data", joinPath(folder, "part-*.jsonl"), "--validation", "0.3",
                "--output", parts, "--batch", "4", "--steps", "60", "--lr", "0.01", "--warmup", "5", "--evaluate-every",
                "60",
                "--dropout", "0", "--threads", "1", "--log", log,
            ])
            #expect(several == 0)
            #expect(try Model.load(folder: parts).encoder.configuration.labelNames == ["blame", "praise"])
            let last = try JSON.parse(try #require(try TextFiles.lines(log).last))
            // One text of each class was set apart, the last, and the loss is theirs.
            let trained = try SequenceClassifier(Model.load(folder: parts), runtime: runtime)
            let apartIds = try ["bad food", "good"].map { try reader.encode($0, nil).ids }
            let given = try trained.probabilities(apartIds)
            let loss = -(ExactMathematics.log(given[0][0]) + ExactMathematics.log(given[1][1])) / 2
            #expect(abs(try #require(last["validation_loss"]?.doubleValue) - loss) < 1e-5)
            let both = try LabelledTexts(["blame", "praise"].map { joinPath(folder, "part-\($0).jsonl") })
            var apart = both
            #expect(apart.setApart(0.3) == 4)
            #expect(try both.labels(names: ["blame", "praise"], count: 2) == [0, 0, 0, 1, 1, 1])
            #expect(try apart.labels(names: ["blame", "praise"], count: 2) == [0, 0, 1, 1, 0, 1])

            #expect(run(["evaluate", model, "--data", data, "--json"]) == 0)
            #expect(run(["classify", model, "--text", "very good", "bad", "--json"]) == 0)
            #expect(run(["classify", model, "--input", data]) == 0)
            #expect(run(["classify", encoder, "--text", "good"]) == 1)
            #expect(run(["classify", model]) == 2)
            #expect(run(["fill-mask", model, "--text", "a [MASK]"]) == 1)
            let wrong = joinPath(folder, "wrong.jsonl")
            try writeAtomically(path: wrong, text: "{\"text\": \"good\", \"label\": \"prase\"}\n")
            #expect(run(["evaluate", model, "--data", wrong]) == 1)
            try writeAtomically(path: wrong, text: "{\"text\": \"good\", \"label\": 2}\n")
            #expect(run(["evaluate", model, "--data", wrong]) == 1)
            try writeAtomically(path: wrong, text: "{\"text\": \"good\"}\n")
            #expect(run(["evaluate", model, "--data", wrong]) == 1)
            #expect(run(["classify", model, "--input", wrong]) == 0)
        }
    }

    @Test("masked places are guessed as a pass says")
    func masks() throws {
        try withEncoder(.maskedLanguage) { _, model in
            #expect(run(["fill-mask", model, "--text", "a very [MASK] film", "--json"]) == 0)
            #expect(run(["fill-mask", model, "--ids", "2,10,4,4,3", "--mask-id", "4", "--top-k", "2"]) == 0)
            #expect(run(["fill-mask", model, "--text", "nothing is masked"]) == 1)
            #expect(run(["fill-mask", model, "--ids", "2,4,3"]) == 2)
            let loaded = try Model.load(folder: model)
            let runtime = try Runtime(threads: 1)
            let ids: [Int32] = [2, 10, 4, 9, 4, 3]
            let got = try MaskedPrediction.predict(loaded, ids: ids, mask: 4, count: 11, runtime: runtime)
            #expect(got.map(\.place) == [2, 4])
            var input = TensorFile()
            input.append("input_ids", shape: [1, 6], integers: ids.map { Int64($0) })
            let pass = try ForwardPass(loaded, options: PassOptions(), runtime: runtime).run(input)
            guard case .floats(let logits)? = pass["logits"]?.values else { return #expect(Bool(false), "no logits") }
            for prediction in got {
                let row = logits[prediction.place * 11..<prediction.place * 11 + 11].map { Double($0) }
                let sum = row.reduce(0) { $0 + ExactMathematics.exp($1) }
                #expect(abs(prediction.guesses.reduce(0) { $0 + $1.probability } - 1) < 1e-12)
                for guess in prediction.guesses {
                    #expect(abs(guess.probability - ExactMathematics.exp(row[Int(guess.id)]) / sum) < 1e-9)
                }
                #expect(prediction.guesses.map(\.probability) == prediction.guesses.map(\.probability).sorted(by: >))
            }
        }
    }

    @Test("plan and inspect know every kind of transformer", arguments: Preset.all.map(\.name))
    func presets(name: String) throws {
        #expect(run(["inspect", "--preset", name, "--json"]) == 0)
        // Measuring the machine takes a layer of the width: enough once per kind.
        if ["tiny", "translation-small", "bert-base"].contains(name) {
            #expect(run(["plan", "--preset", name, "--batch", "2", "--context", "16", "--threads", "1"]) == 0)
        }
    }

    @Test("plan and inspect read folders of other kinds")
    func folders() throws {
        try withEncoder(.sequenceClassifier(labels: 3)) { folder, model in
            #expect(run(["inspect", model]) == 0)
            #expect(run(["plan", model, "--threads", "1", "--json"]) == 0)
            #expect(run(["plan", model, "--context", "13"]) == 2)
            #expect(run(["inspect", model, "--preset", "tiny"]) == 2)
            #expect(run(["inspect"]) == 2)
            let other = joinPath(folder, "marian")
            try Model(
                .encoderDecoder(.original(width: 16, layers: 1, heads: 2, inner: 16, vocabulary: 20)), family: .marian,
                seed: 1
            ).save(folder: other)
            #expect(run(["inspect", other, "--json"]) == 0)
            #expect(run(["plan", other, "--batch", "2", "--context", "8", "--threads", "1", "--json"]) == 0)
        }
    }
}
