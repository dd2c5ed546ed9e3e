import Heed
import HeedProcessor
import HeedRun
import HeedSupport

/// A run as a user sees it: what begins, how it goes, what came of it.
struct TrainingSession {
    private let run: TrainingRun
    private let options: TrainingOptions
    private let model: Model
    private let folder: String
    private let data: String
    private let step: String

    /// `data` and `step` say in words what an epoch and a sequence or micro-batch hold.
    init(
        _ run: TrainingRun, _ options: TrainingOptions, _ model: Model, folder: String, data: String, step: String
    ) {
        self.run = run
        self.options = options
        self.model = model
        self.folder = folder
        self.data = data
        self.step = step
    }

    /// Writes a card beside the model at the end; nil: none.
    var card: ModelCard?

    /// Runs to the end, with progress on standard error and the outcome on standard output.
    ///
    /// - Throws: `HeedError` of the run; `interrupted` after a signal, with what was saved.
    func perform() throws {
        let steps = options.schedule.steps
        StandardError.writeNote(opening)
        let progress = Progress("Training", total: steps)
        var validation: Double?
        var curve = ModelCard.Curve()
        let words = CommandPath(root: HeedCommand.self, words: ["train"])
        var isFirst = true
        let summary: TrainingSummary
        do {
            summary = try run.run(shouldStop: { Signals.isStopRequested }) { report in
                curve.add(report.row)
                validation = report.row.validationLoss ?? validation
                if isFirst { tellOfResuming(progress) }
                isFirst = false
                for alarm in report.alarms { progress.note("Alarm at \(words.inOwnWords(alarm)).") }
                progress.origin = run.resumedFrom
                progress.update(done: report.step, TrainingSession.details(report, validation))
            }
        } catch {
            progress.finish()
            throw error
        }
        progress.finish()
        guard run.isFirst else { return }
        // What the model gives is kept beside it, for heed verify.
        let isKept = fileExists(joinPath(folder, ModelFolderFiles.verification))
        if !isKept, fileExists(joinPath(folder, "model.safetensors")) {
            try GoldenVector.now(folder: folder, runtime: Runtime(threads: 1)).write(folder: folder)
        }
        if summary.ending != .wasFinished { try card?.write(curve, summary) }
        try StandardOutput.writeLine(outcome(summary))
        if case .decoder = model.architecture, summary.ending != .wasFinished {
            let words = model.adapter == nil ? folder : "MODEL --adapter \(folder)"
            StandardError.writeNote("Try: \(ProgramName.typed) generate \(words) --prompt \"…\" --sample")
        }
    }

    /// Says where a resumed run goes on, and what a new length does to its schedule.
    private func tellOfResuming(_ progress: Progress) {
        guard run.resumedFrom > 0 else { return }
        if let damage = run.damage { progress.note("The save before the last was used. \(damage)") }
        let next = run.resumedFrom + 1
        progress.note("Resuming from step \(grouped(run.resumedFrom)) of \(grouped(options.schedule.steps)).")
        guard let former = run.formerSteps else { return }
        progress.note(
            "The \(options.schedule.shape.rawValue) now ends at step \(grouped(options.schedule.steps)) instead of "
                + "\(grouped(former)): the rate of step \(grouped(next)) is \(TrainingDefaults.rounded(options.schedule.rate(next))). The bits are "
                + "not those of a run that was this long from the start.")
    }

    private static func details(_ report: StepReport, _ validation: Double?) -> [String] {
        var details = ["loss \(fixed(report.row.loss, 4))"]
        if let validation { details.append("validation \(fixed(validation, 4))") }
        if let scale = report.row.noiseScale { details.append("noise scale \(grouped(Int(min(scale, 1e12)))) tokens") }
        details.append("\(grouped(Int(min(report.row.tokensPerSecond, 1e12)))) tokens/s")
        return details
    }

    private var opening: String {
        let parts = options.step.accumulate > 1 ? "\(options.step.accumulate) × " : ""
        let sequences = model.architecture.readsSource ? "" : "\(options.step.batch) × "
        return
            "\(folder): \(model.family.name) with \(grouped(model.weights.layout.trainedCount)) parameters, \(data), "
            + "\(counted(options.schedule.steps, "step")) of \(parts)\(sequences)\(step)"
    }

    private func outcome(_ summary: TrainingSummary) -> String {
        switch summary.ending {
        case .wasFinished:
            return
                "\(folder) holds the finished run: \(counted(summary.step, "step")). There was nothing to do; a larger "
                + "--steps lengthens it."
        case .finished, .stoppedEarly:
            var parts = ["\(folder): \(counted(summary.step, "step"))"]
            if summary.resumedFrom > 0 { parts.append("resumed at \(grouped(summary.resumedFrom))") }
            if let loss = summary.loss { parts.append("loss \(fixed(loss, 4))") }
            if let loss = summary.validationLoss { parts.append("validation loss \(fixed(loss, 4))") }
            if summary.ending == .stoppedEarly { parts.append("stopped early") }
            return parts.joined(separator: ", ") + "."
        }
    }
}
