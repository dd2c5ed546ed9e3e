import HeedModels
import HeedSupport
import HeedTensor

/// Everything that a run is told beside model and data.
public struct TrainingOptions: Sendable, Equatable {
    /// What every step needs.
    public var step = StepOptions()
    /// Steps and their rates.
    public var schedule = LearningRateSchedule()
    /// In which order windows or rows are taken.
    public var order = WindowOrder.shuffled
    /// Steps between saves; 0: only at the end.
    public var saveEvery = 500
    /// Steps between measurements of the validation loss; 0: only at the end.
    public var evaluateEvery = 250
    /// Measurements without improvement after which the run ends; nil: never.
    public var patience: Int?

    /// The usual way.
    public init() {}

    /// Checks every option for itself.
    ///
    /// - Throws: `HeedError` (`usage`) naming the option.
    public func validate() throws {
        func positive(_ option: String, _ value: Int, most: Int = 1 << 24) throws {
            try requireOption(option, (1...most).contains(value), expected: "1 to \(most)", got: "\(value)")
        }
        func fraction(_ option: String, _ value: Double) throws {
            try requireOption(
                option, value >= 0 && value < 1, expected: "a number from 0 to below 1", got: "\(value)")
        }
        func notNegative(_ option: String, _ value: Double) throws {
            try requireOption(
                option, value.isFinite && value >= 0, expected: "a finite number of at least 0", got: "\(value)")
        }
        try positive("batch", step.batch)
        try positive("context", step.context)
        try positive("accumulate", step.accumulate)
        let (rows, overflow) = step.batch.multipliedReportingOverflow(by: step.context)
        try requireOption(
            "batch", !overflow && rows <= 1 << 28, expected: "at most \(1 << 28) tokens in batch × context",
            got: "\(step.batch) × \(step.context)", advice: "Use a smaller `batch` with `accumulate`.")
        try schedule.validate()
        try notNegative("weightDecay", step.weightDecay)
        try fraction("beta1", step.beta1)
        try fraction("beta2", step.beta2)
        try requireOption(
            "epsilon", step.epsilon.isFinite && step.epsilon > 0, expected: "a positive number",
            got: "\(step.epsilon)")
        if let clip = step.clip {
            try requireOption(
                "clip", clip.isFinite && clip > 0, expected: "a positive number, or 0 for no clipping",
                got: "\(clip)")
        }
        if let dropout = step.dropout { try fraction("dropout", Double(dropout)) }
        try requireOption(
            "logitPenalty", step.logitPenalty.isFinite && step.logitPenalty >= 0, expected: "a number of at least 0",
            got: "\(step.logitPenalty)")
        if let average = step.average { try fraction("average", average) }
        try fraction("labelSmoothing", Double(step.labelSmoothing))
        try requireOption("saveEvery", saveEvery >= 0, expected: "0 or more steps", got: "\(saveEvery)")
        try requireOption("evaluateEvery", evaluateEvery >= 0, expected: "0 or more steps", got: "\(evaluateEvery)")
        if let patience { try positive("patience", patience) }
    }

    /// Checks that a model can read windows of the context.
    public func validate(for configuration: DecoderConfiguration) throws {
        try requireOption(
            "context", step.context <= configuration.context,
            expected: "at most \(configuration.context), the model's", got: "\(step.context)")
    }

    /// What the bits of a run depend on, by option: a run is only resumed with the same.
    ///
    /// How a step is cut into micro-batches, threads and saving change no bit and are left out; so is the number of
    /// steps where the schedule does not read it, and a finished run may then be continued.
    func identity(data fingerprint: String) -> JSONObject {
        var identity: JSONObject = [
            "data": .string(fingerprint),
            "batch": .integer(step.batch * step.accumulate),
            "context": .integer(step.context),
            "order": .string(order.rawValue),
            "seed": .string(String(step.seed)),
            "schedule": .string(schedule.shape.rawValue),
            "peak": .number(schedule.peak),
            "minimum": .number(schedule.minimum),
            "warmup": .integer(schedule.warmup),
            "optimiser": .string(step.optimiser.rawValue),
            "shards": .integer(step.shards),
            "weightDecay": .number(step.weightDecay),
            "beta1": .number(step.beta1),
            "beta2": .number(step.beta2),
            "epsilon": .number(step.epsilon),
            "clip": step.clip.map { .number($0) } ?? .null,
            "dropout": step.dropout.map { .number(Double($0)) } ?? .null,
            "labelSmoothing": .number(Double(step.labelSmoothing)),
            "precision": .string(step.precision == .float32 ? "f32" : "bf16"),
            "patience": patience.map { .integer($0) } ?? .null,
        ]
        if schedule.shape.readsSteps { identity["steps"] = .integer(schedule.steps) }
        if let decay = schedule.decay { identity["decay"] = .integer(decay) }
        if step.logitPenalty > 0 { identity["logitPenalty"] = .number(Double(step.logitPenalty)) }
        if let average = step.average { identity["average"] = .number(average) }
        if patience != nil { identity["evaluateEvery"] = .integer(evaluateEvery) }
        return identity
    }
}
