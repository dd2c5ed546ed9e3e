import ArgumentParser
import Heed
import HeedSupport

/// `heed train`: text in, a model folder out.
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a model on text.",
        discussion: """
            heed train --data novel.txt
            heed train --data a.jsonl b.txt.gz --validation 0.05 --preset tiny --layers 6 --context 256 --output model
            heed train --output novel-model --resume --steps 4000
            heed train --init model --data more.txt --output tuned
            heed train --init model --lora-rank 8 --lora-alpha 16 --lora-targets q_proj,v_proj --data more.txt
            heed train --source a.de --target a.en --output translator
            heed train --preset bert-tiny --data novel.txt --output encoder

            Data are text files (UTF-8), JSONL files with a field "text", files of 16-bit token ids (.bin), or rows of \
            ids (.safetensors with input_ids and, where they apply, labels and attention_mask); text and ids may be \
            compressed with gzip or zstd, and - is standard input. Of conversations ("messages" with roles, through \
            the model's chat template) and of lines with "prompt" and "completion" a decoder learns the answers \
            alone. Where no tokenizer is given, one is made of the data. An encoder learns from plain text by \
            guessing masked words, and classes from JSONL with "text" and "label".

            The output is a folder in the Hugging Face layout at the end and at every save, and beside it, in \
            training/, what --resume needs: a run that was killed at any moment resumes to the same bits. --resume \
            alone uses the options of the run; a larger --steps lengthens it, and then a cosine or line falls to \
            its new end from where it is.

            Rates: step t of a warm-up of w has lr·t/w; then cosine and linear fall to --min-lr at the last step, \
            constant stays, and inverse-sqrt is lr·√(w/t). Presets: \(Preset.all.map(\.name).joined(separator: ", ")).
            """)

    @OptionGroup(title: "Data") var data: TrainingDataOptions
    @OptionGroup(title: "Sentence pairs") var pairs: ParallelTextOptions
    @OptionGroup(title: "Model") var model: TrainingModelOptions
    @OptionGroup(title: "Data") var unknown: UnknownOption
    @OptionGroup(title: "Optimisation") var optimiser: OptimiserOptions
    @OptionGroup(title: "Optimisation") var teaching: TeacherOptions

    @Option(
        help: ArgumentHelp(
            "The folder that becomes the model. (default: the name of the first file with -model)", valueName: "folder")
    )
    var output: String?

    @Option(help: ArgumentHelp("Steps between saves; 0: only at the end.", valueName: "n"))
    var saveEvery: Int = TrainingOptions().saveEvery

    @Option(
        help: ArgumentHelp("Steps between measurements of the validation loss; 0: only at the end.", valueName: "n"))
    var evaluateEvery: Int = TrainingOptions().evaluateEvery

    @Option(
        help: ArgumentHelp("End after this many measurements without a better validation loss.", valueName: "n"))
    var patience: Int?

    @Option(help: ArgumentHelp("Keep the last n saves as models of their own, in checkpoints/step-N.", valueName: "n"))
    var keepLast: Int = 0

    @Option(
        help: ArgumentHelp(
            "Keep the n saves with the lowest validation loss as models of their own; --save-every is then a multiple of "
                + "--evaluate-every.", valueName: "n"))
    var keepBest: Int = 0

    @Option(help: ArgumentHelp("Write one JSON object per step to this file.", valueName: "file.jsonl"))
    var log: String?

    @Flag(help: "Write the norm of each layer's gradient into the log, as layer_grad_norms.")
    var logLayers = false

    @Option(help: ArgumentHelp("Write curves for TensorBoard to this folder.", valueName: "folder"))
    var tensorboard: String?

    @Flag(
        help: ArgumentHelp(
            "Continue from the last save in the output folder, with the options of the run; from the beginning where "
                + "there is none."))
    var resume = false

    @Option(help: .hidden)
    var replayStep: Int?

    @Flag(help: .hidden)
    var replayJSON = false

    @Option(parsing: .upToNextOption, help: .hidden)
    var replayTensor: [String] = []

    @Option(help: .hidden)
    var replayOutput: String?

    @Option(help: .hidden)
    var replayBefore: String?

    @Flag(help: "Throw away the run or model that the output folder holds.")
    var overwrite = false

    @Option(
        name: [.long, .customLong("weights")],
        help: ArgumentHelp("The number format of products; weights and sums are f32.", valueName: "f32|bf16"))
    var dtype: ComputeType = .f32

    @OptionGroup(title: "Computing") var compute: ComputeOptions

    func run() throws { try run([]) }
}

extension Train: CompletesWords {
    /// With `--config` of a run, the options in that file, and behind them what is given beside it; with `--resume`, the
    /// options of the run that the output folder holds, and behind them what is given now.
    static func completed(_ words: [String]) throws -> [String] {
        guard !words.contains("--help"), !words.contains("-h") else { return words }
        let command = try CommandDescription(of: Train.self)
        var given = StoredOptions(words, of: command)
        var words = words
        if let path = given["--config"]?.first, RunConfiguration.isOne(path) {
            let isKnown = { (word: String) in
                !word.hasPrefix("--") || command.argument(named: String(word.prefix { $0 != "=" })) != nil
            }
            // The parser complains of what is unknown better than this could.
            guard words.dropFirst().allSatisfy(isKnown) else { return words }
            given = given.behind(try RunConfiguration(path: path, of: command))
            words = words.prefix(1) + given.words
        }
        guard given["--resume"] != nil else { return words }
        let folder =
            given["--output"]?.first
            ?? given["--data"]?.first.map { path in
                TrainingDefaults.output(for: (try? expandPatterns([path]))?.first ?? path)
            }
        guard let folder, let stored = try StoredOptions(folder: folder, of: command)
        else { return words }
        var all = try stored.completed(by: given, in: folder)
        all.set("--output", [folder])
        return words.prefix(1) + all.words
    }

    func run(_ words: [String]) throws { try RankedJob.run { try run(words, $0) } }

    private func run(_ words: [String], _ ranked: RankedJob) throws {
        let options = try trainingOptions(ranks: ranked.ranks)
        guard let first = data.data.first ?? pairs.source.first else {
            throw ValidationError("expected --data FILE…, or --source FILE… and --target FILE….")
        }
        let folder = output ?? TrainingDefaults.output(for: first)
        try requireOtherFolder(folder)
        StandardInput.prepare(data.data + pairs.source + pairs.target)
        let start = try model.start(
            data: pairs.isGiven ? pairs.source + pairs.target : data.data, translates: pairs.isGiven,
            format: data.format, skipsLines: data.onError == .skip, context: data.context, output: folder,
            resume: resume, seed: options.step.seed,
            dropout: optimiser.dropout)
        if replayStep != nil, let initial = model.initial, !fileExists(initial) {
            throw HeedError(.missing, "the model that the run began with is gone", in: initial)
        }
        var job = TrainingJob(
            start: start, options: options, optimiser: optimiser,
            runtime: try Runtime(
                threads: RankedJob.threads(compute.threads, isShared: ranked.ranks != nil),
                instructionSet: compute.instructionSet),
            output: trainingOutput(folder, start, ranked.communicator))
        job.replay = replayStep.map {
            StepReplay(
                step: $0, json: replayJSON, tensors: replayTensor, output: replayOutput, before: replayBefore,
                tokenizer: start.tokenizer)
        }
        job.words = words.isEmpty ? nil : StoredOptions(words, of: try CommandDescription(of: Train.self))
        if teaching.teacher != nil {
            guard case .decoder = start.model.architecture, optimiser.preference == nil else {
                throw ValidationError("--teacher: expected a decoder that learns the next token, without --dpo.")
            }
            job.teacher = try teaching.loaded(for: start.tokenizer)
        }
        try learn(job, start, from: first)
    }

    /// The options as the library has them.
    private func trainingOptions(ranks: Int?) throws -> TrainingOptions {
        var options = try optimiser.options(ranks: ranks)
        options.order = try WindowOrder.named(data.order)
        options.saveEvery = saveEvery
        options.evaluateEvery = evaluateEvery
        options.patience = patience
        options.step.precision = dtype.precision
        options.step.reportsLayers = logLayers || replayStep != nil
        if let context = data.context { options.step.context = context }
        try options.validate()
        if patience != nil, data.validation == nil, pairs.validationSource == nil {
            throw ValidationError("--patience: there is nothing to measure; give --validation FILE or FRACTION.")
        }
        for (option, count) in [("--keep-last", keepLast), ("--keep-best", keepBest)] {
            try check(option, count, in: 0...10_000)
        }
        if keepBest > 0, evaluateEvery == 0 || saveEvery % evaluateEvery != 0 {
            throw ValidationError(
                "--keep-best: expected --save-every (\(saveEvery)) to be a multiple of --evaluate-every (\(evaluateEvery))."
            )
        }
        if pairs.average > 1, let option = model.part.adapterOption {
            throw ValidationError("--average and \(option): expected one of them; --ema averages an adapter.")
        }
        return options
    }

    private func requireOtherFolder(_ folder: String) throws {
        for (option, path) in [("--init", model.initial), ("--tokenizer", model.tokenizer)] {
            if let path, isSamePlace(path, folder), option == "--init" || overwrite {
                throw HeedError(
                    .usage, "\(option) and --output are one folder, which would be written over while it is read",
                    in: folder, advice: "Choose another --output")
            }
        }
    }

    /// Trains in the way that data and architecture ask for.
    private func learn(_ job: consuming TrainingJob, _ start: TrainingStart, from first: String) throws {
        if optimiser.preference != nil {
            guard !pairs.isGiven, model.initial != nil else {
                throw ValidationError("--dpo: expected --init MODEL and --data FILE with two answers on every line.")
            }
            _ = try start.model.decoder
        }
        if pairs.isGiven {
            guard data.data.isEmpty, data.validation == nil else {
                throw ValidationError(
                    "--data and --validation: expected --source, --target, --validation-source and "
                        + "--validation-target alone.")
            }
            return try job.learnPairs(pairs, maxUnknown: unknown.maxUnknown)
        }
        let skipped = SkippedLines()
        let lacking = UnknownCharacters()
        let encoding = start.encoding(data.format, lacking, skip: data.skipping(skipped))
        let choice = try data.validation.map { try ValidationChoice($0) }
        let told = {
            skipped.tell()
            try lacking.check(limit: self.unknown.maxUnknown, place: data.data.joined(separator: ", "))
        }
        if let beta = optimiser.preference { return try job.learnPreferences(data, choice, beta: beta) }
        switch start.model.architecture {
        case .decoder where try data.data.allSatisfy(start.learnsAnswers):
            try job.learnRows(data, choice)
        case .decoder where DataKind(path: first, format: data.format) != .rows:
            try job.learnText(data, encoding, choice, whenRead: told)
        case .encoder(let encoder) where try isPlainText(encoder):
            try job.learnMasked(data, encoding, choice, whenRead: told)
        default: try job.learnRows(data, choice)
        }
    }

    /// Whether an encoder is to learn from text as such, and not from rows or classes.
    private func isPlainText(_ encoder: TransformerEncoder) throws -> Bool {
        try encoder.configuration.labels == nil
            && data.data.allSatisfy { path in
                switch DataKind(path: path, format: data.format) {
                case .text: true
                case .jsonLines: try !LabelledTexts.isLabelled(path)
                case .rows, .tokens: false
                }
            }
    }

    private func trainingOutput(
        _ folder: String, _ start: TrainingStart, _ communicator: any Communicator
    ) -> TrainingOutput {
        var output = TrainingOutput(folder: folder)
        output.communicator = communicator
        output.log = log
        output.tensorboard = tensorboard
        output.resume = resume
        output.overwrite = overwrite
        output.keep = KeptModels(last: keepLast, best: keepBest)
        output.averaged = pairs.average
        output.tokenizerFiles = start.tokenizerFiles?.write
        return output
    }
}
