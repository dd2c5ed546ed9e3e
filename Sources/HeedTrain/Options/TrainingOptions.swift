import HeedSupport

/// In which order windows or rows are read.
public enum DataOrder: String, Sendable, CaseIterable {
    /// Another permutation every epoch, which depends on the seed only.
    case shuffled
    /// As they stand in the file.
    case sequential
}

/// The numbers of AdamW (Loshchilov and Hutter 2019).
public struct AdamWOptions: Sendable, Equatable {
    /// Decay of the first moment.
    public var beta1 = 0.9
    /// Decay of the second moment.
    public var beta2 = 0.95
    /// Added to the root of the second moment.
    public var epsilon = 1e-8
    /// Decay of tensors of two or more dimensions, applied before the update.
    public var weightDecay = 0.1

    /// The usual numbers for a GPT.
    public init() {}
}

/// Everything that decides a training run but the model and the data; names are those of `heed train`.
public struct TrainingOptions: Sendable, Equatable {
    /// Rows of a micro-batch.
    public var batch = 12
    /// Tokens of a row.
    public var context = 64
    /// Micro-batches of a step.
    public var accumulate = 1
    /// Steps of the run.
    public var steps = 1000
    /// Peak learning rate.
    public var learningRate = 1e-3
    /// Least learning rate after the warm-up.
    public var leastRate = 0.0
    /// Steps of warm-up.
    public var warmup = 0
    /// Form of the schedule.
    public var schedule = ScheduleKind.cosine
    /// The optimiser.
    public var adamW = AdamWOptions()
    /// Largest gradient norm; 0 means no clipping.
    public var clip = 1.0
    /// Share of activations that dropout zeroes; nil takes the model's own.
    public var dropout: Double?
    /// Share of the target's probability that is spread over all ids.
    public var labelSmoothing = 0.0
    /// Seed of initialisation, shuffling and dropout.
    public var seed: UInt64 = 0
    /// Steps between saves; 0 saves at the end only.
    public var saveEvery = 0
    /// Steps between evaluations; 0 evaluates at the end only.
    public var evaluateEvery = 0
    /// Order of the data.
    public var order = DataOrder.shuffled
    /// Evaluations without improvement before the run ends; 0 means never.
    public var patience = 0

    /// The usual values for a small GPT.
    public init() {}

    /// The learning rates.
    public var learningRates: LearningRateSchedule {
        LearningRateSchedule(kind: schedule, peak: learningRate, least: leastRate, warmup: warmup, steps: steps)
    }

    /// Refuses values that mean nothing.
    ///
    /// - Parameter contextLength: the positions of the model, or nil where there is no end.
    /// - Throws: `HeedError` of kind `usage` naming the option as on the command line.
    public func validate(contextLength: Int? = nil) throws {
        try atLeast(1, batch, "--batch")
        try atLeast(1, context, "--context")
        try atLeast(1, accumulate, "--accumulate")
        try atLeast(1, steps, "--steps")
        try atLeast(0, warmup, "--warmup")
        try atLeast(0, saveEvery, "--save-every")
        try atLeast(0, evaluateEvery, "--evaluate-every")
        try atLeast(0, patience, "--patience")
        try require(
            learningRate.isFinite && learningRate > 0, "--lr", "a number above 0", "\(learningRate)")
        try require(
            leastRate.isFinite && leastRate >= 0 && leastRate <= learningRate, "--min-lr",
            "a number from 0 to --lr (\(learningRate))", "\(leastRate)")
        try require(warmup <= steps, "--warmup", "at most --steps (\(steps))", "\(warmup)")
        try require(adamW.beta1 >= 0 && adamW.beta1 < 1, "--beta1", "a number from 0 to below 1", "\(adamW.beta1)")
        try require(adamW.beta2 >= 0 && adamW.beta2 < 1, "--beta2", "a number from 0 to below 1", "\(adamW.beta2)")
        try require(
            adamW.epsilon.isFinite && adamW.epsilon > 0, "--epsilon", "a number above 0", "\(adamW.epsilon)")
        try require(
            adamW.weightDecay.isFinite && adamW.weightDecay >= 0, "--weight-decay", "a number of 0 or more",
            "\(adamW.weightDecay)")
        try require(clip.isFinite && clip >= 0, "--clip", "0 (off) or a positive number", "\(clip)")
        if let dropout {
            try require(dropout >= 0 && dropout < 1, "--dropout", "a number from 0 to below 1", "\(dropout)")
        }
        try require(
            labelSmoothing >= 0 && labelSmoothing < 1, "--label-smoothing", "a number from 0 to below 1",
            "\(labelSmoothing)")
        let (rows, overflow) = batch.multipliedReportingOverflow(by: accumulate)
        let (tokens, overflowToo) = rows.multipliedReportingOverflow(by: context)
        try require(
            !overflow && !overflowToo && tokens <= 1 << 40, "--batch", "fewer than 2^40 tokens a step",
            "--batch \(batch) × --accumulate \(accumulate) × --context \(context)")
        if let contextLength, context > contextLength {
            throw HeedError(
                .usage, "the model has fewer positions", in: "--context", expected: "at most \(contextLength)",
                got: "\(context)", advice: "Take a shorter --context")
        }
    }

    private func atLeast(_ least: Int, _ value: Int, _ option: String) throws {
        try require(value >= least, option, "\(least) or more", "\(value)")
    }

    private func require(_ holds: Bool, _ option: String, _ expected: String, _ got: String) throws {
        if !holds { throw HeedError(.usage, "the value makes no sense", in: option, expected: expected, got: got) }
    }
}

extension TrainingOptions {
    /// The options that a resumed run must share with the one before, by their names on the command line.
    ///
    /// `--steps` is not among them, so that a run can be made longer, nor are options that change no bits.
    public var fingerprint: JSONObject {
        [
            "--accumulate × --batch": .integer(batch * accumulate), "--context": .integer(context),
            "--lr": .number(learningRate), "--min-lr": .number(leastRate), "--warmup": .integer(warmup),
            "--schedule": .string(schedule.rawValue), "--beta1": .number(adamW.beta1), "--beta2": .number(adamW.beta2),
            "--epsilon": .number(adamW.epsilon), "--weight-decay": .number(adamW.weightDecay), "--clip": .number(clip),
            "--dropout": dropout.map { .number($0) } ?? .string("the model's own"),
            "--label-smoothing": .number(labelSmoothing), "--seed": .string(String(seed)),
            "--order": .string(order.rawValue),
        ]
    }
}
