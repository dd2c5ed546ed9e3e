import ArgumentParser
import Heed
import HeedSupport

/// `heed train`: text in, a model folder out.
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a model on text.",
        discussion: """
            heed train --data novel.txt --tokenizer-kind byte-bpe --vocab-size 512 --preset tiny --output model

            Data are text files (UTF-8), JSONL files with a field "text", files of 16-bit token ids (.bin), or rows of \
            ids (.safetensors with input_ids and, where they apply, labels and attention_mask). The output is a folder \
            in the Hugging Face layout at the end and at every save, and beside it, in training/, what --resume needs: \
            a run that was killed at any moment goes on to the same bits.

            Rates: step t of a warm-up of w has lr·t/w; then cosine and linear fall to --min-lr at the last step, \
            constant stays, and inverse-sqrt is lr·√(w/t). Presets: \(Preset.all.map(\.name).joined(separator: ", ")).
            """)

    @OptionGroup(title: "Data") var data: TrainingDataOptions
    @OptionGroup(title: "Sentence pairs") var pairs: ParallelTextOptions
    @OptionGroup(title: "Model") var model: TrainingModelOptions
    @OptionGroup(title: "Optimisation") var optimiser: OptimiserOptions

    @Option(help: ArgumentHelp("The folder that becomes the model.", valueName: "folder"))
    var output: String

    @Option(help: ArgumentHelp("Steps between saves; 0: only at the end.", valueName: "n"))
    var saveEvery: Int = 500

    @Option(
        help: ArgumentHelp("Steps between measurements of the validation loss; 0: only at the end.", valueName: "n"))
    var evaluateEvery: Int = 250

    @Option(
        help: ArgumentHelp("End after this many measurements without a better validation loss.", valueName: "n"))
    var patience: Int?

    @Option(help: ArgumentHelp("Write one JSON object per step to this file.", valueName: "file.jsonl"))
    var log: String?

    @Option(help: ArgumentHelp("Write curves for TensorBoard to this folder.", valueName: "folder"))
    var tensorboard: String?

    @Flag(help: "Go on from the last save in the output folder; from the beginning where there is none.")
    var resume = false

    @Flag(help: "Throw away the run that the output folder holds.")
    var overwrite = false

    @Option(help: ArgumentHelp("The number format of products; weights and sums are f32.", valueName: "f32|bf16"))
    var dtype: ComputeType = .f32

    @OptionGroup(title: "Computing") var compute: ComputeOptions

    func run() throws {
        var options = try optimiser.options()
        options.order = try WindowOrder.named(data.order)
        options.saveEvery = saveEvery
        options.evaluateEvery = evaluateEvery
        options.patience = patience
        options.step.precision = dtype.precision
        if let context = data.context { options.step.context = context }
        try options.validate()
        if patience != nil, data.validation == nil, pairs.validationSource == nil {
            throw ValidationError("--patience: there is nothing to measure; give --validation FILE or FRACTION.")
        }
        guard pairs.isGiven || !data.data.isEmpty else {
            throw ValidationError("expected --data FILE…, or --source FILE… and --target FILE….")
        }
        if pairs.isGiven {
            try translate(options)
            return
        }
        let choice = try data.validation.map { try ValidationChoice($0) }

        let start = try model.start(
            data: data.data, output: output, resume: resume, seed: options.step.seed, dropout: optimiser.dropout)
        guard case .decoder = start.model.architecture else {
            try learnRows(start, options, choice)
            return
        }
        let shape = try start.model.decoder.configuration
        let context = shape.context
        options.step.context = data.context ?? min(context, 256)
        try options.validate(for: shape)
        let isRows = data.data.first.map { DataKind(path: $0) == .rows } ?? false
        let opened = try OpenedData(
            data.data, validation: choice, encoding: start.encoding,
            vocabulary: shape.vocabulary, context: isRows ? context : options.step.context,
            givenContext: data.context, options: options.step, order: options.order)

        let run = try TrainingRun(
            start.model, opened, options, output: trainingOutput(start), runtime: try compute.runtime())
        try TrainingSession(
            run, options, start.model, folder: output,
            data: "\(grouped(opened.tokens)) tokens an epoch", step: "\(opened.training.context) tokens"
        ).perform()
    }

    /// Trains on sentence pairs.
    private func translate(_ options: TrainingOptions) throws {
        guard data.data.isEmpty, data.validation == nil else {
            throw ValidationError(
                "--data and --validation: expected --source, --target, --validation-source and --validation-target "
                    + "alone.")
        }
        let start = try model.start(
            data: pairs.source + pairs.target, translates: true, output: output, resume: resume,
            seed: options.step.seed, dropout: optimiser.dropout)
        let text = try TranslationData(pairs, start, seed: options.step.seed)
        let runtime = try compute.runtime()
        let run = try TrainingRun(
            start.model,
            RunData(text.training, validation: text.validation, start.model, options.step, runtime: runtime), options,
            output: trainingOutput(start), runtime: runtime)
        var description = "\(grouped(text.training.pairs.count)) pairs"
        if text.leftOut > 0 { description += " (\(grouped(text.leftOut)) left out as empty or too long)" }
        try TrainingSession(
            run, options, start.model, folder: output,
            data: description + " in \(grouped(text.training.batches(ofEpoch: 0).count)) batches an epoch",
            step: "at most \(grouped(text.training.tokensPerBatch)) tokens a side"
        ).perform()
    }

    /// Trains a model that is no decoder on rows.
    private func learnRows(
        _ start: TrainingStart, _ options: TrainingOptions, _ choice: ValidationChoice?
    ) throws {
        let rows = try RowTrainingData(data.data, choice, start, context: data.context)
        let runtime = try compute.runtime()
        let run = try TrainingRun(
            start.model,
            RunData(
                rows.training, validation: rows.validation, start.model, options.step, order: options.order,
                runtime: runtime), options, output: trainingOutput(start), runtime: runtime)
        try TrainingSession(
            run, options, start.model, folder: output, data: "\(grouped(rows.training.count)) rows",
            step: "rows of at most \(grouped(rows.training.longest)) tokens"
        ).perform()
    }

    private func trainingOutput(_ start: TrainingStart) -> TrainingOutput {
        var output = TrainingOutput(folder: output)
        output.log = log
        output.tensorboard = tensorboard
        output.resume = resume
        output.overwrite = overwrite
        output.keep = pairs.average
        output.tokenizerFiles = start.tokenizerFiles?.write
        return output
    }
}

/// Where the text comes from and how it is cut.
struct TrainingDataOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Text, JSONL, token (.bin) or row (.safetensors) files.", valueName: "file"))
    var data: [String] = []

    @Option(
        help: ArgumentHelp(
            "Measure the loss on another file, or on the last part of the data.", valueName: "file|fraction"))
    var validation: String?

    @Option(
        help: ArgumentHelp("Tokens of a window; the model's context, at most 256, where not given.", valueName: "T"))
    var context: Int?

    @Option(help: ArgumentHelp("The order of windows: shuffled or sequential.", valueName: "order"))
    var order: String = "shuffled"
}

/// How steps are made.
struct OptimiserOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Sequences of a micro-batch.", valueName: "B"))
    var batch: Int = 8

    @Option(help: ArgumentHelp("Micro-batches of a step; the same bits as a batch that much larger.", valueName: "A"))
    var accumulate: Int = 1

    @Option(help: ArgumentHelp("Optimiser steps.", valueName: "N"))
    var steps: Int = 1000

    @Option(help: ArgumentHelp("The largest learning rate.", valueName: "x"))
    var lr: Double = 5e-4

    @Option(help: ArgumentHelp("The learning rate at the end.", valueName: "x"))
    var minLr: Double = 0

    @Option(help: ArgumentHelp("Steps in which the rate rises; a tenth, at most 100, where not given.", valueName: "n"))
    var warmup: Int?

    @Option(help: ArgumentHelp("cosine, linear, constant or inverse-sqrt.", valueName: "shape"))
    var schedule: String = "cosine"

    @Option(help: ArgumentHelp("AdamW's decay of matrices and embeddings.", valueName: "x"))
    var weightDecay: Double = 0.1

    @Option(help: ArgumentHelp("AdamW's memory of gradients.", valueName: "x"))
    var beta1: Double = 0.9

    @Option(help: ArgumentHelp("AdamW's memory of squared gradients.", valueName: "x"))
    var beta2: Double = 0.95

    @Option(help: ArgumentHelp("AdamW's ε.", valueName: "x"))
    var epsilon: Double = 1e-8

    @Option(help: ArgumentHelp("The largest norm of a gradient; 0: no limit.", valueName: "x"))
    var clip: Double = 1

    @Option(help: ArgumentHelp("One dropout rate everywhere; the model's own where not given.", valueName: "x"))
    var dropout: Double?

    @Option(help: ArgumentHelp("The share of the target that is spread over the vocabulary.", valueName: "x"))
    var labelSmoothing: Double = 0

    @Option(help: ArgumentHelp("What all random numbers come from.", valueName: "n"))
    var seed: UInt64 = 1

    func options() throws -> TrainingOptions {
        var options = TrainingOptions()
        options.step.batch = batch
        options.step.accumulate = accumulate
        options.step.weightDecay = weightDecay
        options.step.beta1 = beta1
        options.step.beta2 = beta2
        options.step.epsilon = epsilon
        options.step.clip = clip == 0 ? nil : clip
        options.step.dropout = dropout.map { Float($0) }
        options.step.labelSmoothing = Float(labelSmoothing)
        options.step.seed = seed
        options.schedule = LearningRateSchedule(
            try ScheduleShape.named(schedule), peak: lr, minimum: minLr, warmup: warmup ?? min(100, max(steps, 0) / 10),
            steps: steps)
        return options
    }
}
