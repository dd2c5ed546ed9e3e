import Heed

/// Trains a small model on a text and writes with it: `Stories TEXT`.
@main
struct Stories {
    static func main() throws {
        guard let text = CommandLine.arguments.dropFirst().first else { return print("usage: Stories TEXT") }
        let folder = "stories-model"

        // Its own vocabulary, and a small model for it.
        let trained = try ByteLevelBPETrainer(vocabularySize: 1024).train(files: [text])
        let tokenizer = try trained.tokenizer()
        let shape = DecoderConfiguration.gpt2(
            width: 128, layers: 4, heads: 4, vocabulary: tokenizer.vocabularySize, context: 128)
        let model = try Model(shape, family: .gpt2, seed: 1)

        var options = TrainingOptions()
        options.step.batch = 16
        options.step.context = 128
        options.schedule = LearningRateSchedule(.cosine, peak: 1.3e-3, minimum: 0, warmup: 30, steps: 300)
        let encoding = TextEncoding(documentEnd: nil) { tokenizer.ids(of: $0) }
        let data = try OpenedData(
            [text], validation: .fraction(0.05), encoding: encoding, vocabulary: tokenizer.vocabularySize,
            options: options.step, order: .shuffled)
        var output = TrainingOutput(folder: folder)
        output.overwrite = true
        output.tokenizerFiles = { try trained.save(to: $0) }
        let runtime = try Runtime()
        let run = try TrainingRun(model, data, options, output: output, runtime: runtime)
        let summary = try run.run(shouldStop: { false }) { report in
            if report.step % 50 == 0 { print("step \(report.step) of \(report.steps): loss \(report.row.loss)") }
        }
        print("validation loss", summary.validationLoss ?? 0)

        // The folder is a model like any other.
        print(try TextGenerator(folder, runtime: runtime).generate("It was").text)
    }
}
