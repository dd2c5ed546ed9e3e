#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// Where a run writes.
public struct TrainingOutput {
    /// The folder that becomes the model.
    public var folder: String
    /// A file for one JSON object per step.
    public var log: String?
    /// A folder for TensorBoard's event files.
    public var tensorboard: String?
    /// Whether to go on from what `folder` holds.
    public var resume = false
    /// Whether a run that `folder` holds may be thrown away.
    public var overwrite = false
    /// How many of the last saves are kept as models of their own, and averaged at the end when more than one.
    public var keep = 0
    /// Writes the tokenizer's files into a folder.
    public var tokenizerFiles: ((String) throws -> Void)?
    /// Writes what a resumed run is to know into the folder, once it is locked.
    public var describe: ((String) throws -> Void)?

    /// A run that writes into `folder`.
    public init(folder: String) { self.folder = folder }

    /// Refuses a folder with a run that is not to go on, or with what no run wrote, unless either may be thrown away;
    /// and a log that is none.
    ///
    /// - Throws: `HeedError` (`usage`) naming folder or file.
    func requireFree(holdsRun: Bool) throws {
        if holdsRun, !resume, !overwrite {
            throw HeedError(
                .usage, "`output` holds a training run already", in: folder,
                advice: "Go on with `resume`, start anew with `overwrite`, or choose another folder.")
        }
        if !holdsRun {
            let own = ["training"] + [log, tensorboard].compactMap { $0.map(lastPathComponent) }
            try requireFreeFolder(folder, overwrite: overwrite, isOwn: own.contains)
        }
        if let log { try requireFreeFile(log, overwrite: overwrite, isOwn: TrainingLog.isLog) }
    }
}

/// What has happened since the last report.
public struct StepReport: Sendable {
    /// The last step that is done.
    public let step: Int
    /// The steps of the whole run.
    public let steps: Int
    /// What that step wrote down.
    public let row: LogRow
    /// Whether the step was saved.
    public let isSaved: Bool
}

/// How a run ended.
public struct TrainingSummary: Sendable, Equatable {
    /// Why a run ended.
    public enum Ending: Sendable, Equatable {
        /// All steps are done.
        case finished
        /// The validation loss no longer fell.
        case stoppedEarly
        /// The run had ended before; nothing was done.
        case wasFinished
    }
    /// Why it ended.
    public let ending: Ending
    /// The last step.
    public let step: Int
    /// The step that the run went on from; 0 for a new one.
    public let resumedFrom: Int
    /// Mean loss of the last step in nats, where one was done.
    public let loss: Double?
    /// The last validation loss in nats, where one was measured.
    public let validationLoss: Double?
    /// Seconds of this start of the run.
    public let seconds: Double
    /// Tokens read since this start.
    public let tokens: Int
}

/// Steps with their rates, measurements, log and saves: what `heed train` runs.
///
/// A run that is killed at any moment and started again with `resume` ends in the same bits as one that was not; see
/// `RunFolder` for how. The bits depend on weights, data, options and seed only.
public final class TrainingRun {
    /// The step that the run goes on from; 0 for a new one.
    public private(set) var resumedFrom = 0
    /// The steps that the run had before, where it is now longer or shorter and its schedule depends on them.
    public private(set) var formerSteps: Int?
    /// The pass of a micro-batch, for reports.
    public var pass: Pass<[RecordedLoss]> { stepper.pass }

    private let model: Model
    private let data: RunData
    private let options: TrainingOptions
    private let output: TrainingOutput
    private let identity: JSONObject
    private let stepper: TrainingStep
    private let folder: RunFolder

    /// Plans a run; nothing is written yet.
    ///
    /// - Throws: `HeedError` naming the option that cannot be used, or when memory is refused.
    public convenience init(
        _ model: Model, _ opened: OpenedData, _ options: TrainingOptions, output: TrainingOutput, runtime: Runtime
    ) throws {
        try options.validate()
        try self.init(
            model, RunData(opened, model, options.step, runtime: runtime), options, output: output, runtime: runtime)
    }

    /// Plans a run over data of any kind; nothing is written yet.
    ///
    /// - Throws: `HeedError` naming the option that cannot be used, or when memory is refused.
    public init(
        _ model: Model, _ data: RunData, _ options: TrainingOptions, output: TrainingOutput, runtime: Runtime
    ) throws {
        try options.validate()
        var stepOptions = options.step
        stepOptions.context = data.capacity.length
        self.model = model
        self.data = data
        self.options = options
        self.output = output
        var identity = options.identity(data: data.fingerprint)
        identity["context"] = .integer(stepOptions.context)
        self.identity = identity
        folder = RunFolder(path: output.folder, tokenizerFiles: output.tokenizerFiles)
        folder.replacesModel = output.overwrite && !output.resume
        try output.requireFree(holdsRun: folder.holdsState)
        stepper = try TrainingStep(model, stepOptions, capacity: data.capacity, runtime: runtime)
    }

    /// Called before each file operation with its name; for tests.
    var beforeFileOperation: ((String) throws -> Void)? {
        get { folder.beforeOperation }
        set { folder.beforeOperation = newValue }
    }

    /// Runs to the end.
    ///
    /// - Parameters:
    ///   - shouldStop: asked after every step; on true the step is saved and the run ends with an error that says so.
    ///   - progress: told after every step.
    /// - Throws: `HeedError`: of kind `numeric` when a loss or gradient is not finite (what was saved last stays as it
    ///   is), `interrupted` when asked to stop, `io` when a file cannot be written.
    public func run(
        shouldStop: () -> Bool = { false }, progress: (StepReport) -> Void = { _ in }
    ) throws -> TrainingSummary {
        try folder.open()
        defer { model.weights.settle() }
        do {
            return try steps(shouldStop, progress)
        } catch {
            folder.abandon()
            throw error
        }
    }

    private func steps(
        _ shouldStop: () -> Bool, _ progress: (StepReport) -> Void
    ) throws -> TrainingSummary {
        let clock = ContinuousClock()
        let began = clock.now
        var stopping = EarlyStopping(patience: options.patience)
        let last = options.schedule.steps
        if output.resume, folder.holdsState {
            let state = try folder.restore(model, stepper.update, identity: identity)
            resumedFrom = state.step
            formerSteps = state.formerSteps(now: identity)
            stopping = EarlyStopping(patience: options.patience, best: state.best, waited: state.waited)
            if state.isFinished && (state.step >= last || stopping.isOver) {
                if let path = output.log, fileExists(path) {
                    try RunFolder.sweep(beside: path)
                    _ = try TrainingLog(path: path, keepingUpTo: state.step)
                }
                if output.keep > 1 { try folder.publishAverage(ofRunAt: state.step) }
                return TrainingSummary(
                    ending: .wasFinished, step: state.step, resumedFrom: state.step, loss: nil,
                    validationLoss: state.best, seconds: 0, tokens: 0)
            }
        }
        if let path = output.log { try RunFolder.sweep(beside: path) }
        let log = try output.log.map { try TrainingLog(path: $0, keepingUpTo: resumedFrom) }
        let events = try output.tensorboard.map { try EventFile(folder: $0, resumingFrom: resumedFrom) }
        if !output.resume { try folder.removeState() }
        try output.describe?(output.folder)

        var (loss, measured): (Double?, Double?) = (nil, nil)
        var tokens = 0
        var number = resumedFrom
        var isOver = false
        while number < last, !isOver {
            number += 1
            let rate = options.schedule.rate(number)
            let start = clock.now
            let result: StepResult
            do {
                result = try stepper.run(step: number, rate: rate, from: data.source)
            } catch let error as HeedError where error.kind == .numeric {
                throw diverged(error)
            }
            let seconds = (clock.now - start).inSeconds
            loss = result.loss
            tokens += result.tokens
            var validationLoss: Double?
            if let measure = data.measure, number == last || isDue(number, options.evaluateEvery),
                let value = try measure()
            {
                validationLoss = value
                measured = value
                stopping.observe(value)
                isOver = stopping.isOver
            }
            let row = LogRow(
                step: number, loss: result.loss, rate: rate, gradientNorm: result.gradientNorm, tokens: result.tokens,
                tokensPerSecond: seconds > 0 ? Double(result.tokens) / seconds : 0, validationLoss: validationLoss)
            try log?.append(row)
            try write(row, to: events)
            let isLast = number == last || isOver
            let isAskedToStop = !isLast && shouldStop()
            let saves = isLast || isAskedToStop || isDue(number, options.saveEvery)
            if saves {
                log?.synchronise()
                let state = RunState(
                    step: number, isFinished: isLast, best: stopping.best, waited: stopping.waited, identity: identity)
                try folder.save(state, model, stepper.update)
                try folder.keep(model, step: number, atMost: output.keep)
            }
            progress(StepReport(step: number, steps: last, row: row, isSaved: saves))
            if isAskedToStop {
                throw HeedError(
                    .interrupted, "stopped on request after step \(grouped(number)) of \(grouped(last))",
                    advice: "\(output.folder) holds the model and the run as of this step; `resume` goes on from it"
                )
            }
        }
        if output.keep > 1 { try folder.publishAverage(ofRunAt: number) }
        return TrainingSummary(
            ending: isOver && number < last ? .stoppedEarly : .finished, step: number, resumedFrom: resumedFrom,
            loss: loss, validationLoss: measured, seconds: (clock.now - began).inSeconds, tokens: tokens)
    }

    private func isDue(_ step: Int, _ every: Int) -> Bool { every > 0 && step % every == 0 }

    private func write(_ row: LogRow, to events: EventFile?) throws {
        guard let events else { return }
        try events.append(
            step: row.step,
            [
                "loss/train": row.loss, "learning rate": row.rate, "gradient norm": row.gradientNorm,
                "tokens per second": row.tokensPerSecond,
            ])
        if let value = row.validationLoss { try events.append(step: row.step, ["loss/validation": value]) }
    }

    /// The error of the step with what is on the disk.
    private func diverged(_ error: HeedError) -> HeedError {
        let kept =
            folder.holdsState
            ? "\(output.folder) keeps the last good save" : "nothing had been saved yet"
        return HeedError(
            .numeric, error.what, expected: error.expected, got: error.got,
            advice: "Stopped; \(kept). Lower `peak`, raise `warmup` or set `clip`.")
    }
}
