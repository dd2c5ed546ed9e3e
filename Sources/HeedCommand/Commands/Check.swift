import ArgumentParser
import Heed
import HeedSupport

/// `heed check`: gradients beside central differences.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hold every gradient against central differences.",
        discussion: """
            heed check model
            heed check --all --html gradients.html

            Every value that flows and every learned tensor: the slope of the loss in one direction by the gradient \
            and by differences. --all checks every operation, in small models that together use them all. Exit code 1 \
            where some disagree.
            """)

    @Argument(help: ArgumentHelp("A model folder; or use --all.", valueName: "model"))
    var model: String?

    @Flag(help: "Check small models that together use every operation.")
    var all = false

    @Option(help: ArgumentHelp("What ids, labels and directions are drawn from.", valueName: "n"))
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("How many tokens a model reads.", valueName: "n"))
    var tokens = 8

    @Option(help: ArgumentHelp("Write every check as a page; no page where not given.", valueName: "file"))
    var html: String?

    @OptionGroup var overwriting: OverwriteOption
    @OptionGroup var adapter: AdapterOption
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        guard adapter.adapter == nil || !all else { throw ValidationError("--adapter: expected a model folder.") }
        guard (model == nil) == all else { throw ValidationError("expected either a model folder or --all.") }
        try check("--tokens", tokens, in: 1...4096)
    }

    func run() throws {
        if let html { try overwriting.check(page: html) }
        let runtime = try compute.runtime()
        let survey: GradientSurvey
        if let model {
            let loaded = try adapter.load(model)
            let progress = Progress("Checking", total: max(2 * loaded.weights.layout.parameters.count, 1))
            var done = 0
            survey = try GradientSurvey(
                loaded, name: lastPathComponent(model), seed: seed, tokens: tokens, runtime: runtime
            ) {
                try Signals.check()
                done += 1
                progress.update(done: done)
            }
            progress.finish()
        } else {
            survey = try GradientSurvey(ofEverything: seed, runtime: runtime) { try Signals.check() }
        }
        if let html { try writeAtomically(path: html, bytes: Page(survey).html) }
        if json.json { try StandardOutput.writeLine(survey.json) } else { try StandardOutput.write(text(survey)) }
        let off = survey.checks.filter { !$0.agrees }
        guard off.isEmpty else {
            throw HeedError(
                .numeric,
                "\(counted(off.count, "gradient")) of \(survey.checks.count) disagree with central differences",
                in: off[0].path, expected: fixed(off[0].byDifferences, 5), got: fixed(off[0].byGradient, 5))
        }
    }

    private func text(_ survey: GradientSurvey) -> String {
        var lines = [
            "Gradients beside central differences, seed \(survey.seed)", "",
            "  " + columns(("operation", 32), ("checks", 8), ("worst", 10), ("gradient", 0)),
        ]
        for operation in survey.operations {
            lines.append(
                "  "
                    + columns(
                        (operation.name, 32), ("\(operation.checks)", 8), ("\(fixed(100 * operation.worst, 3)) %", 10),
                        (operation.gradientFormula, 0)))
        }
        let off = survey.checks.count { !$0.agrees }
        lines += ["", "\(survey.checks.count) checks: " + (off == 0 ? "all agree" : "\(off) disagree")]
        for part in survey.parts {
            for check in part.checks where !check.agrees {
                lines.append(
                    "  \(part.name), \(check.path): by gradient \(fixed(check.byGradient, 5)), by differences "
                        + fixed(check.byDifferences, 5))
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
