import Heed
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

    /// Runs to the end, with progress on standard error and the outcome on standard output.
    ///
    /// - Throws: `HeedError` of the run; `interrupted` after a signal, with what was saved.
    func perform() throws {
        let steps = options.schedule.steps
        StandardError.writeLine(opening)
        let progress = Progress("Training", total: steps)
        var validation: Double?
        let summary: TrainingSummary
        do {
            summary = try run.run(shouldStop: { Signals.isStopRequested }) { report in
                validation = report.row.validationLoss ?? validation
                progress.origin = run.resumedFrom
                progress.update(done: report.step, TrainingSession.details(report, validation))
            }
        } catch {
            progress.finish()
            throw error
        }
        progress.finish()
        try StandardOutput.writeLine(outcome(summary))
    }

    private static func details(_ report: StepReport, _ validation: Double?) -> [String] {
        var details = ["loss \(fixed(report.row.loss, 4))"]
        if let validation { details.append("validation \(fixed(validation, 4))") }
        details.append("\(grouped(Int(min(report.row.tokensPerSecond, 1e12)))) tokens/s")
        return details
    }

    private var opening: String {
        let parts = options.step.accumulate > 1 ? "\(options.step.accumulate) × " : ""
        let sequences = model.architecture.readsSource ? "" : "\(options.step.batch) × "
        return
            "\(model.family.name) with \(grouped(model.parameters.layout.learnedCount)) parameters, \(data), "
            + "\(grouped(options.schedule.steps)) steps of \(parts)\(sequences)\(step)"
    }

    private func outcome(_ summary: TrainingSummary) -> String {
        switch summary.ending {
        case .wasFinished:
            return "\(folder) holds the finished run: \(grouped(summary.step)) steps. There was nothing to do."
        case .finished, .stoppedEarly:
            var parts = ["\(folder): \(grouped(summary.step)) steps"]
            if summary.resumedFrom > 0 { parts.append("resumed at \(grouped(summary.resumedFrom))") }
            if let loss = summary.loss { parts.append("loss \(fixed(loss, 4))") }
            if let loss = summary.validationLoss { parts.append("validation loss \(fixed(loss, 4))") }
            if summary.ending == .stoppedEarly { parts.append("stopped early") }
            return parts.joined(separator: ", ") + "."
        }
    }
}
