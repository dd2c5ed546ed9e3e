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
    /// Which saves are kept as models of their own.
    public var keep = KeptModels()
    /// How many of the last saves the model is the mean of at the end; below 2: of the last alone.
    public var averaged = 0
    /// The ranks that share the work; rank 0 writes.
    public var communicator: any Communicator = SingleRank()
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
    /// What goes wrong and what to try, in words.
    public let alarms: [String]
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
    /// What was wrong with the last save, where the run goes on from the one before it.
    public var damage: HeedError? { folder.damage }
    /// The pass of a micro-batch, for reports.
    public var pass: Pass<[RecordedLoss]> { stepper.pass }

    let model: Model
    private let data: RunData
    let options: TrainingOptions
    private let output: TrainingOutput
    let identity: JSONObject
    let stepper: TrainingStep
    let folder: RunFolder

    /// Plans a run; nothing is written yet.
    ///
    /// - Throws: `HeedError` naming the option that cannot be used, or when memory is refused.
    public convenience init(
        _ model: Model, _ opened: OpenedData, _ options: TrainingOptions, output: TrainingOutput, runtime: Runtime,
        teacher: Teacher? = nil
    ) throws {
        try options.validate()
        var data = try RunData(opened, model, options.step, runtime: runtime)
        data.teacher = teacher
        try self.init(model, data, options, output: output, runtime: runtime)
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
        if let adapter = model.adapter { identity["adapter"] = .string(adapter.identity) }
        if let teacher = data.teacher { identity["teacher"] = .string(teacher.identity) }
        self.identity = identity
        folder = RunFolder(
            path: output.folder, weightsFile: model.trainedFile,
            tokenizerFiles: model.adapter == nil ? output.tokenizerFiles : nil)
        folder.replacesModel = output.overwrite && !output.resume
        if output.communicator.rank == 0 { try output.requireFree(holdsRun: folder.holdsState) }
        stepper = try TrainingStep(
            model, stepOptions, capacity: data.capacity, runtime: runtime, communicator: output.communicator,
            teacher: data.teacher)
        folder.mean = stepper.mean
    }

    /// Called before each file operation with its name; for tests.
    var beforeFileOperation: ((String) throws -> Void)? {
        get { folder.beforeOperation }
        set { folder.beforeOperation = newValue }
    }

    /// Writes the model as it stands into a folder of its own.
    func write(_ folder: String) throws {
        try requireFreeFolder(folder, overwrite: false, isOwn: { _ in false })
        try model.saveTrained(folder: folder)
        if model.adapter == nil { try output.tokenizerFiles?(folder) }
    }

    /// One step at a rate of its own, of which nothing is written.
    func trial(step: Int, rate: Double) throws -> StepResult {
        try stepper.run(step: step, rate: rate, from: data.source)
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
        if isFirst { try folder.open() }
        defer { model.weights.settle() }
        do {
            return try steps(shouldStop, progress)
        } catch {
            folder.abandon()
            throw error
        }
    }

    /// Whether this rank writes.
    public var isFirst: Bool { output.communicator.rank == 0 }
    /// What a checkpoint holds beside the weights.
    var memory: OptimiserMemory {
        OptimiserMemory(update: stepper.update, slices: stepper.slices, mean: stepper.mean)
    }

    private func steps(
        _ shouldStop: () -> Bool, _ progress: (StepReport) -> Void
    ) throws -> TrainingSummary {
        let clock = ContinuousClock()
        let began = clock.now
        let last = options.schedule.steps
        let state = try restored()
        var course = RunCourse(patience: options.patience, from: state)
        if let state {
            resumedFrom = state.step
            formerSteps = state.formerSteps(now: identity)
            if state.isFinished && (state.step >= last || course.stopping.isOver) { return try finishedBefore(state) }
        }
        let (log, events) = try openLogs()
        var alarms = Alarms(tokensPerEpoch: data.tokensPerEpoch)
        while course.step < last, !course.isOver {
            let row = try advance(&course)
            try log?.append(row)
            try write(row, to: events)
            let isLast = row.step == last || course.isOver
            let isAskedToStop = try output.communicator.isTrueAnywhere(!isLast && shouldStop())
            let saves = isLast || isAskedToStop || isDue(row.step, options.saveEvery)
            if saves {
                log?.synchronise()
                try save(course.state(isFinished: isLast, identity: identity), loss: row.validationLoss)
            }
            progress(
                StepReport(
                    step: row.step, steps: last, row: row, isSaved: saves,
                    alarms: alarms.observe(row).map { "step \(grouped(row.step)), \($0.kind.rawValue): \($0.text)" }))
            if isAskedToStop { throw stopped(after: row.step) }
        }
        if isFirst, output.averaged > 1 { try folder.publishAverage(ofRunAt: course.step, last: output.averaged) }
        return TrainingSummary(
            ending: course.isOver && course.step < last ? .stoppedEarly : .finished, step: course.step,
            resumedFrom: resumedFrom, loss: course.loss, validationLoss: course.validationLoss,
            seconds: (clock.now - began).inSeconds, tokens: course.tokens)
    }

    /// Makes the next step, and measures the validation loss where that is due.
    private func advance(_ course: inout RunCourse) throws -> LogRow {
        course.step += 1
        let number = course.step
        let rate = options.schedule.rate(number)
        let clock = ContinuousClock()
        let start = clock.now
        let result = try step(number, rate: rate)
        let seconds = (clock.now - start).inSeconds
        course.take(result)
        var validationLoss: Double?
        if let measure = data.measure, number == options.schedule.steps || isDue(number, options.evaluateEvery),
            let value = try evaluated(by: measure)
        {
            validationLoss = value
            course.observe(value)
        }
        return LogRow(
            step: number, loss: result.loss, rate: rate, gradientNorm: result.gradientNorm, tokens: result.tokens,
            tokensPerSecond: seconds > 0 ? Double(result.tokens) / seconds : 0, validationLoss: validationLoss,
            layers: result.layers, noiseScale: result.noise == nil ? nil : course.noise.scale)
    }

    /// Opens the logs that this rank writes, and makes the folder that of this run.
    private func openLogs() throws -> (log: TrainingLog?, events: EventFile?) {
        let written = isFirst ? output : TrainingOutput(folder: output.folder)
        if let path = written.log { try RunFolder.sweep(beside: path) }
        let log = try written.log.map { try TrainingLog(path: $0, keepingUpTo: resumedFrom) }
        let events = try written.tensorboard.map { try EventFile(folder: $0, resumingFrom: resumedFrom) }
        if isFirst, !output.resume { try folder.removeState() }
        try written.describe?(output.folder)
        return (log, events)
    }

    /// The state of the run in the folder, whose numbers are now those of model and optimiser; nil for a new run.
    private func restored() throws -> RunState? {
        // Rank 0 decides and puts the folder in order, before the others look at it.
        var state: RunState?
        if isFirst, output.resume, folder.holdsState {
            state = try folder.restore(model, memory, identity: identity)
        }
        if try output.communicator.isTrueAnywhere(state != nil), state == nil {
            state = try folder.state(model, memory, identity: identity)
        }
        return state
    }

    /// What a resumed run that was finished already gives: its log in order and its average published.
    private func finishedBefore(_ state: RunState) throws -> TrainingSummary {
        if isFirst, let path = output.log, fileExists(path) {
            try RunFolder.sweep(beside: path)
            _ = try TrainingLog(path: path, keepingUpTo: state.step)
        }
        if isFirst, output.averaged > 1 {
            try folder.publishAverage(ofRunAt: state.step, last: output.averaged)
        }
        return TrainingSummary(
            ending: .wasFinished, step: state.step, resumedFrom: state.step, loss: nil,
            validationLoss: state.best, seconds: 0, tokens: 0)
    }

    private func step(_ number: Int, rate: Double) throws -> StepResult {
        do {
            return try stepper.run(step: number, rate: rate, from: data.source)
        } catch let error as HeedError where error.kind == .numeric {
            throw diverged(error)
        }
    }

    private func stopped(after step: Int) -> HeedError {
        HeedError(
            .interrupted, "stopped on request after step \(grouped(step)) of \(grouped(options.schedule.steps))",
            advice: "\(output.folder) holds the model and the run as of this step; `resume` goes on from it")
    }

    /// The validation loss, measured by rank 0; nil where there is nothing to measure.
    private func evaluated(by measure: () throws -> Double?) throws -> Double? {
        stepper.mean?.exchange()
        defer { stepper.mean?.exchange() }
        let value = try output.communicator.fromFirst(isFirst ? measure() ?? .nan : .nan)
        return value.isNaN ? nil : value
    }

    /// Rank 0 writes; the others send it what they alone know.
    private func save(_ state: RunState, loss: Double?) throws {
        guard isFirst else { return try memory.send() }
        try folder.save(state, model, memory)
        var kept = output.keep
        kept.last = max(kept.last, output.averaged)
        try folder.keep(model, step: state.step, loss: loss, kept)
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
        if let scale = row.noiseScale { try events.append(step: row.step, ["noise scale": scale]) }
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
