import ArgumentParser
import Heed
import HeedSupport

/// A run of `heed train` over data of one kind.
struct TrainingJob {
    let start: TrainingStart
    var options: TrainingOptions
    let optimiser: OptimiserOptions
    let runtime: Runtime
    var output: TrainingOutput
    /// The options that were given, to be kept for a resumed run; nil: none are kept.
    var words: StoredOptions?
    /// Who says more than the data do.
    var teacher: Teacher?
    /// What is computed again instead of training.
    var replay: StepReplay?
    /// The same with what was chosen.
    var described: StoredOptions?

    private var model: Model { start.model }

    /// Trains a decoder on windows of text.
    ///
    /// - Parameter whenRead: called when all text is read, to say what is not as it should be.
    mutating func learnText(
        _ data: TrainingDataOptions, _ encoding: TextEncoding?, _ choice: ValidationChoice?,
        whenRead: () throws -> Void
    ) throws {
        let shape = try model.decoder.configuration
        options.step.context = data.context ?? min(shape.context, 256)
        try options.validate(for: shape)
        let opened = try OpenedData(
            data.data, validation: choice, encoding: encoding, vocabulary: shape.vocabulary, options: options.step,
            order: options.order)
        try whenRead()
        try complete(epoch: opened.training.windows)
        try perform(
            TrainingRun(model, opened, options, output: output, runtime: runtime, teacher: teacher),
            data: "\(counted(opened.tokens, "token")) an epoch", step: counted(opened.training.context, "token"))
    }

    /// Trains an encoder to guess masked ids of text.
    mutating func learnMasked(
        _ data: TrainingDataOptions, _ encoding: TextEncoding?, _ choice: ValidationChoice?,
        whenRead: () throws -> Void
    ) throws {
        let shape = try model.encoder.configuration
        guard shape.predictsIds else {
            throw HeedError(
                .usage, "the encoder has no masked-language head, so it cannot learn from plain text",
                in: data.data.first, expected: "texts with classes (.jsonl), rows of ids, or an encoder with the head")
        }
        let tokenizer = try start.requiredTokenizer(for: data.data.first ?? "--data")
        let masking = try Masking(tokenizer)
        options.step.context = data.context ?? min(shape.context, 256)
        try requireContext(shape.context)
        let (training, validation, fingerprint) = try OpenedData.streams(
            data.data, choice, encoding, vocabulary: shape.vocabulary)
        try whenRead()
        let run = try RunData(
            masking: masking, training: training, validation: validation, fingerprint: fingerprint, model, options.step,
            order: options.order, runtime: runtime)
        let windows = training.reduce(0) { $0 + $1.count / max(options.step.context - masking.frame, 1) }
        try complete(epoch: windows)
        try perform(
            TrainingRun(model, run, options, output: output, runtime: runtime),
            data: "\(counted(training.reduce(0) { $0 + $1.count }, "token")) an epoch",
            step: counted(options.step.context, "token"))
    }

    /// Trains an encoder-decoder on sentence pairs.
    mutating func learnPairs(_ pairs: ParallelTextOptions, maxUnknown: Double) throws {
        let text = try TranslationData(pairs, start, seed: options.step.seed)
        let batches = text.training.batches(ofEpoch: 0).count
        try complete(epoch: batches)
        let data = try RunData(text.training, validation: text.validation, model, options.step, runtime: runtime)
        var description = counted(text.training.pairs.count, "pair")
        try text.unknown.check(limit: maxUnknown, place: "--source and --target")
        if text.leftOut > 0 { description += " (\(grouped(text.leftOut)) left out as empty or too long)" }
        try perform(
            TrainingRun(model, data, options, output: output, runtime: runtime),
            data: description + " in \(grouped(batches)) batch\(batches == 1 ? "" : "es") an epoch",
            step: "at most \(counted(text.training.tokensPerBatch, "token")) a side")
    }

    /// Trains on rows of ids, or an encoder on texts with a class each.
    mutating func learnRows(_ data: TrainingDataOptions, _ choice: ValidationChoice?) throws {
        let rows = try RowTrainingData(data.data, choice, start, context: data.context)
        options.step.context = rows.training.longest
        try complete(epoch: rows.training.count)
        var run = try RunData(
            rows.training, validation: rows.validation, model, options.step, order: options.order, runtime: runtime)
        run.teacher = teacher
        try perform(
            TrainingRun(model, run, options, output: output, runtime: runtime),
            data: counted(rows.training.count, "row"),
            step: "rows of at most \(counted(rows.training.longest, "token"))")
    }

    /// Trains a decoder to prefer one of two answers.
    mutating func learnPreferences(_ data: TrainingDataOptions, _ choice: ValidationChoice?, beta: Double) throws {
        let rows = try RowTrainingData(data.data, choice, start, context: data.context, prefers: true)
        try complete(epoch: rows.training.count / 2)
        let validation: TrainingRows? = if case .rows(let rows)? = rows.validation { rows } else { nil }
        let run = try RunData(
            preferences: rows.training, validation: validation, beta: beta, model, options.step,
            order: options.order, runtime: runtime)
        try perform(
            TrainingRun(model, run, options, output: output, runtime: runtime),
            data: counted(rows.training.count / 2, "pair"),
            step: "answers of at most \(counted(rows.training.longest, "token"))")
    }

    private func requireContext(_ longest: Int) throws {
        guard options.step.context <= longest else {
            throw HeedError(
                .usage, "--context cannot be used", expected: "at most \(longest), the model's",
                got: "\(options.step.context)")
        }
    }

    /// Completes the schedule and keeps what was chosen for a resumed run.
    private mutating func complete(epoch: Int) throws {
        try optimiser.complete(&options, start, epoch: epoch)
        guard var words else { return }
        var chosen = start.chosen
        chosen["--lr"] = "\(options.schedule.peak)"
        // So that another number of ranks, or none, goes on to the same bits.
        if options.step.shards > 1 { chosen["--shards"] = "\(options.step.shards)" }
        chosen["--warmup"] = "\(options.schedule.warmup)"
        if !model.architecture.readsSource { chosen["--context"] = "\(options.step.context)" }
        for (name, value) in chosen.sorted(by: { $0.key < $1.key }) where words[name] == nil {
            words.set(name, [value])
        }
        described = words
        output.describe = { [words] in try words.write(folder: $0) }
    }

    private func perform(_ run: TrainingRun, data: String, step: String) throws {
        if let replay { return try replay.perform(run) }
        if optimiser.findLr { return try RateSearch(run).perform() }
        var session = TrainingSession(run, options, model, folder: output.folder, data: data, step: step)
        session.card = described.map { words in
            ModelCard(
                folder: output.folder, model: model, data: words["--data"] ?? words["--source"] ?? [], amount: data,
                options: words.entries.map { ($0.name, $0.values) })
        }
        try session.perform()
    }
}
