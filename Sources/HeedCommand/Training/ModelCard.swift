import Heed
import HeedSupport

/// The `README.md` beside a trained model: data, settings, curve and evaluation, with a licence to fill in.
struct ModelCard {
    /// The folder of the model.
    let folder: String
    let model: Model
    /// The files that it learned from.
    let data: [String]
    /// What an epoch holds, in words.
    let amount: String
    /// The options of the run.
    let options: [(name: String, values: [String])]

    /// Tells cards of ours from those that somebody wrote.
    private static let mark = "<!-- written by heed train; a card without this line is left alone -->"

    /// Losses as the run went, every so many steps.
    struct Curve {
        private(set) var points: [(step: Int, loss: Double, validation: Double?)] = []
        private var every = 1

        /// Takes note of a step; keeps at most forty, evenly.
        mutating func add(_ row: LogRow) {
            guard row.step % every == 0 || row.validationLoss != nil else { return }
            points.append((row.step, row.loss, row.validationLoss))
            guard points.count > 40 else { return }
            every *= 2
            points = points.filter { $0.step % every == 0 }
        }
    }

    /// Writes the card, unless there is one that somebody else wrote.
    func write(_ curve: Curve, _ summary: TrainingSummary) throws {
        let path = joinPath(folder, "README.md")
        if fileExists(path), try !String(decoding: readFile(path), as: UTF8.self).contains(ModelCard.mark) { return }
        try writeAtomically(path: path, text: text(curve, summary))
    }

    private func text(_ curve: Curve, _ summary: TrainingSummary) -> String {
        var lines = ["---", "license: \"\"  # to be filled in"]
        if let base = options.first(where: { $0.name == "--init" })?.values.first {
            lines.append("base_model: \(JSON.string(lastPathComponent(base)).serialised())")
        }
        lines += [
            "library_name: \(model.adapter == nil ? "transformers" : "peft")", "tags:", "- heed",
            "- \(model.family.name)",
            "---", ModelCard.mark, "", "# \(lastPathComponent(folder))", "",
            model.adapter == nil
                ? "A \(model.family.name) model with \(grouped(model.weights.layout.trainedCount)) trained parameters."
                : "A LoRA adapter with \(grouped(model.weights.layout.trainedCount)) parameters for a "
                    + "\(model.family.name) model.",
            "", "## Data", "",
            "\(amount), from " + data.map { "`\(lastPathComponent($0))`" }.joined(separator: ", ") + ".",
            "", "## Settings", "", "| option | value |", "|---|---|",
        ]
        lines += options.filter { !["--data", "--output", "--log", "--tensorboard"].contains($0.name) }.map { option in
            "| `\(option.name)` | \(option.values.map { lastPathComponent($0) }.joined(separator: " ")) |"
        }
        lines += ["", "## Curve", "", "| step | loss | validation loss |", "|---|---|---|"]
        lines += curve.points.map {
            "| \($0.step) | \(fixed($0.loss, 4)) | \($0.validation.map { fixed($0, 4) } ?? "") |"
        }
        lines += ["", "## Evaluation", ""]
        var outcome = "\(counted(summary.step, "step")) were done"
        if let loss = summary.loss { outcome += "; the last loss is \(fixed(loss, 4)) nats per token" }
        if let loss = summary.validationLoss { outcome += ", on validation data \(fixed(loss, 4))" }
        lines += [
            outcome + ".", "", "## Licence and use", "", "To be filled in: licence, intended use, known limits.", "",
        ]
        return lines.joined(separator: "\n")
    }
}
