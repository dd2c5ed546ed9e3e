import ArgumentParser
import Heed
import HeedProcessor
import HeedSupport

/// `heed demo`: the whole way once, from a text to a model that continues it, in a few minutes.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a small GPT on a built-in text, write with it, explain it.",
        discussion: """
            heed demo
            heed demo --output first-model --steps 400

            Needs nothing but this program. Learns a tokenizer and a GPT of 0.9 million parameters from stories that \
            the program makes up, shows what was learned, saves the model as a folder that `transformers` loads too, \
            and explains one prediction. A few minutes on two cores.
            """)

    @Option(help: ArgumentHelp("Where the model goes.", valueName: "folder"))
    var output = "heed-demo"

    @Option(help: ArgumentHelp("Optimiser steps.", valueName: "n"))
    var steps = 1_200

    @Option(help: ArgumentHelp("What all random numbers come from.", valueName: "n"))
    var seed: UInt64 = 1

    @OptionGroup var compute: ComputeOptions

    func validate() throws { try check("--steps", steps, in: 10...1_000_000) }

    private static let opening = "One morning Mia took the red kite to the garden."
    private static let clue = "Tom had a green boat. At noon Tom went to the harbour with his green"

    func run() throws {
        let screen = DemoScreen()
        let runtime = try compute.runtime()
        let clock = ContinuousClock()
        let began = clock.now
        // The demo writes over its own model, never over another.
        try requireFreeFolder(
            output, overwrite: fileExists(joinPath(output, "stories.txt")), way: "Name another one with --output")

        let textPath = try writeText(screen)
        let (trained, tokenizer) = try learnTokenizer(textPath, screen)
        let model = try makeModel(tokenizer, runtime, screen)

        try screen.title("4. Training")
        let summary = try train(model, textPath, trained, tokenizer, runtime, screen)
        try screen.line(
            "Loss on stories it has not seen: \(decimals(summary.before, 3)) before, "
                + "\(decimals(summary.after, 3)) after \(grouped(steps)) steps. An even guess among "
                + "\(tokenizer.vocabularySize) tokens would be \(decimals(logarithm(tokenizer.vocabularySize), 3)).")
        try screen.line("Now it writes:")
        try screen.quote(try write(model, tokenizer, runtime))
        try screen.line("Saved in \(output): config.json, model.safetensors, tokenizer.json.")

        try screen.title("5. One prediction, explained")
        try explain(model, tokenizer, runtime, screen)

        try screen.title("6. What next")
        try screen.line("All of it took \(Progress.duration((clock.now - began).inSeconds)). Try:")
        for command in [
            "generate \(output) --prompt \"One evening Ben\" --max-new-tokens 60 --temperature 0.8 --stream",
            "train --data YOUR-TEXT.txt --output my-model",
            "inspect \(output)",
            "plan --preset gpt2 --batch 4 --context 256",
            "example cat-sleeps",
        ] { try screen.command(ProgramName.typed + " " + command) }
        try StandardOutput.flush()
    }

    /// Makes up the stories and returns the path of their file.
    private func writeText(_ screen: DemoScreen) throws -> String {
        try screen.title("1. A text")
        let text = Storyteller.text(stories: 3_000, seed: seed)
        try createDirectory(output)
        let path = joinPath(output, "stories.txt")
        try writeAtomically(path: path, text: text)
        try screen.line(
            "\(grouped(text.utf8.count)) bytes of stories in \(path), made up by this program. One of them:")
        try screen.quote(String(text.prefix(while: { $0 != "\n" })))
        return path
    }

    /// Learns a tokenizer from the text, saves it and shows what it makes of a sentence.
    private func learnTokenizer(_ textPath: String, _ screen: DemoScreen) throws -> (TrainedTokenizer, Tokenizer) {
        try screen.title("2. Text to ids")
        let trained = try ByteLevelBPETrainer(vocabularySize: 512, specialTokens: ["<|endoftext|>"])
            .train(files: [textPath])
        _ = try trained.save(to: output)
        let tokenizer = try Tokenizer.load(path: output)
        let ids = tokenizer.ids(of: Demo.opening)
        try screen.line("A byte-level BPE of \(tokenizer.vocabularySize) tokens, learned from the text:")
        let pieces = try ids.map { try tokenizer.decode([$0], skippingSpecialTokens: false) }
        try screen.quote(pieces.joined(separator: "|"))
        try screen.quote(ids.map(String.init).joined(separator: " "))
        return (trained, tokenizer)
    }

    /// Makes the model and shows what it writes before it has learned anything.
    private func makeModel(_ tokenizer: Tokenizer, _ runtime: Runtime, _ screen: DemoScreen) throws -> Model {
        try screen.title("3. A model")
        let configuration = DecoderConfiguration.gpt2(
            width: 128, layers: 4, heads: 4, vocabulary: tokenizer.vocabularySize, context: 128)
        let end = tokenizer.id(of: "<|endoftext|>").map { Int($0) }
        let model = try Model(
            configuration, family: .gpt2, specials: SpecialIds(begin: end, ends: end.map { [$0] } ?? []), seed: seed)
        try screen.line(
            "GPT-2's architecture, small: \(configuration.layers) layers, \(configuration.width) channels, "
                + "\(configuration.heads) heads, \(grouped(model.weights.layout.trainedCount)) parameters. "
                + "Before training it writes:")
        try screen.quote(try write(model, tokenizer, runtime))
        return model
    }

    private func logarithm(_ count: Int) -> Double { ExactMathematics.log(Double(count)) }

    private func train(
        _ model: Model, _ textPath: String, _ trained: TrainedTokenizer, _ tokenizer: Tokenizer, _ runtime: Runtime,
        _ screen: DemoScreen
    ) throws -> (before: Double, after: Double) {
        var options = TrainingOptions()
        options.step.batch = 16
        options.step.context = 128
        options.step.dropout = 0
        options.step.seed = seed
        options.schedule = LearningRateSchedule(
            .cosine, peak: 2e-3, minimum: 2e-4, warmup: min(100, steps / 10), steps: steps)
        options.evaluateEvery = 0
        options.saveEvery = 0
        let encoding = TextEncoding(documentEnd: nil) { tokenizer.ids(of: $0) }
        let data = try OpenedData(
            [textPath], validation: .fraction(0.1), encoding: encoding, vocabulary: tokenizer.vocabularySize,
            options: options.step, order: .shuffled)
        var before = 0.0
        if let validation = data.validation {
            let meter = try StreamLoss(model, context: 128, runtime: runtime)
            before = try meter.measure(validation)?.mean ?? 0
        }
        var output = TrainingOutput(folder: self.output)
        output.overwrite = true
        output.tokenizerFiles = { try trained.save(to: $0) }
        let run = try TrainingRun(model, data, options, output: output, runtime: runtime)
        let progress = Progress("Training", total: steps)
        let summary = try run.run(shouldStop: { Signals.isStopRequested }) { report in
            progress.update(
                done: report.step,
                ["loss \(decimals(report.row.loss, 3))", "\(grouped(Int(report.row.tokensPerSecond))) tokens/s"])
        }
        progress.finish()
        try Signals.check(saved: "What was learned so far is a model in \(self.output)")
        return (before, summary.validationLoss ?? 0)
    }

    private func write(_ model: Model, _ tokenizer: Tokenizer, _ runtime: Runtime) throws -> String {
        let decoding = try DecodingModel(model, runtime: runtime)
        var options = GenerationOptions()
        options.maxNewTokens = 60
        options.samples = true
        options.temperature = 0.7
        options.topK = 50
        options.seed = 7
        let prompt = tokenizer.ids(of: Demo.opening)
        let result = try Generator(model: decoding, options: options).generate([
            GenerationPrompt(ids: prompt.map { Int32($0) })
        ])
        let new = result.sequences.first?.first?.ids ?? []
        return try tokenizer.decode(prompt + new)
    }

    private func explain(
        _ model: Model, _ tokenizer: Tokenizer, _ runtime: Runtime, _ screen: DemoScreen
    ) throws {
        let ids = tokenizer.ids(of: Demo.clue)
        let story = try Explanation(
            model, ExplainedInput(ids.map { Int32($0) }), readings: [.lens, .gradients], runtime: runtime)
        func text(_ id: Int) throws -> String { try tokenizer.decode([TokenID(id)], skippingSpecialTokens: false) }
        try screen.line("After")
        try screen.quote(Demo.clue)
        try screen.line("it expects:")
        for candidate in try story.candidates(5) {
            try screen.bar(try text(candidate.id), candidate.probability)
        }
        try screen.line("How that grew, layer by layer (the stream read out after each):")
        for (layer, best) in try story.lens(count: 1).enumerated() {
            guard let best = best.first else { continue }
            try screen.line(
                "  after \(counted(layer, "layer")): \"\(try text(best.id))\" with "
                    + "\(decimals(best.probability * 100, 1)) %")
        }
        let influence = story.gradientTimesInput.first?.values.map { Double($0) } ?? []
        let largest = influence.map(abs).max() ?? 1
        try screen.line("What argues for it (gradient × input; ▇ strongly, · not):")
        let shades = ["·", "▁", "▂", "▃", "▄", "▅", "▆", "▇"]
        var words = ""
        for (index, id) in ids.enumerated() {
            let share = max(0, influence[index]) / max(largest, 1e-30)
            let shade = shades[min(7, Int(share * 7.99))]
            words += shade + (try tokenizer.decode([id], skippingSpecialTokens: false)) + " "
        }
        try screen.quote(words)
        try screen.line("These are views of the computation, not reasons: they say what the answer is sensitive to.")
    }
}

/// Number with a fixed count of decimals.
func decimals(_ value: Double, _ places: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let whole = Int((abs(value) * scale).rounded())
    let digits = String(whole)
    let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
    let split = padded.index(padded.endIndex, offsetBy: -places)
    return (value < 0 && whole > 0 ? "-" : "") + padded[..<split] + (places > 0 ? "." + padded[split...] : "")
}
