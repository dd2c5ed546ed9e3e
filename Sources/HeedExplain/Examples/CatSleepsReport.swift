import HeedSupport

/// The worked example "The cat sleeps" told step by step, for people and for programs.
public struct CatSleepsReport {
    /// The example that was computed.
    public let example: CatSleeps
    /// Its values and gradients.
    public let run: CatSleepsRun
    /// Its gradients beside central differences.
    public let checks: [GradientCheck]
    /// The figures that the document prints; empty for other numbers than the document's.
    public let printed: [CatSleeps.PrintedFigure]
    /// The mean loss before each of five AdamW steps and after the last.
    public let trainedLosses: [Double]

    /// Computes the example.
    ///
    /// - Throws: `HeedError` when memory is refused.
    public init(_ example: CatSleeps) throws {
        self.example = example
        run = try CatSleepsRun(example)
        checks = try run.checks()
        printed = example == .document ? run.printedFigures : []
        trainedLosses = try run.train(steps: 5).losses
    }

    /// The report for programs.
    public var json: JSON {
        var tensors = JSONObject()
        for step in run.steps {
            // A column is the document's list of one number per token.
            tensors[step.name] =
                step.value.columns == 1
                ? .array(step.value.values.map { .number($0) }) : CatSleepsReport.json(step.value)
        }
        for (name, gradient) in run.gradients { tensors["grad." + name] = CatSleepsReport.json(gradient) }
        return [
            "loss_mean": .number(run.meanLoss), "loss_sum": .number(run.sumLoss), "tensors": .object(tensors),
            "printed_disagrees": .array(printed.filter(\.isWrong).map { .string($0.name) }),
            "gradient_checks": .array(checks.map(\.json)),
            "losses_of_five_steps": .array(trainedLosses.map { .number($0) }),
        ]
    }

    /// The report for people.
    public var text: String {
        var lines = [
            "The cat sleeps: attention forward and backward, by hand",
            "",
            printed.isEmpty
                ? "The tokens of X pass one attention head and a feed-forward layer; the"
                : "Three tokens of five numbers each pass one attention head and a feed-forward layer; the",
            "answer to a yes-or-no question is wanted for each. L is the mean loss over the tokens.",
            "Right of each value stands ∂L/∂value: how L changes with it. Formulas are those of the",
            "model's operations: a matrix W stands in a file transposed, so that x · Wᵀ is the document's X · W.",
            "", "X, the embeddings, one row per token  \(CatSleepsReport.shape(example.X))",
        ]
        lines += CatSleepsReport.block(example.X) + ["", "FORWARD, AND WHAT COMES BACK"]
        for step in run.steps {
            lines += [
                "", "\(step.name)  \(CatSleepsReport.shape(step.value))   \(step.formula)",
                "    backward: \(step.gradientFormula)",
            ]
            lines += CatSleepsReport.block(step.value, beside: step.gradient)
        }
        lines += [
            "", "L = mean of −[y ln p + (1 − y) ln(1 − p)]",
            "    y = \(example.labels.map { CatSleepsReport.short($0) }.joined(separator: ", "))",
            "    mean \(CatSleepsReport.number(run.meanLoss)), sum \(CatSleepsReport.number(run.sumLoss))",
            "", "GRADIENTS OF WHAT IS LEARNED, AND OF X",
        ]
        for (name, gradient) in run.gradients {
            lines += ["", "∂L/∂\(name)  \(CatSleepsReport.shape(gradient))"] + CatSleepsReport.block(gradient)
        }
        lines += [
            "", "THE SAME BY CENTRAL DIFFERENCES",
            "    The slope of L in one direction of all elements, by the gradient and by (L(θ + h) − L(θ − h)) / 2h:",
        ]
        for check in checks {
            lines.append(
                "    " + CatSleepsReport.padded(check.path, 12)
                    + CatSleepsReport.padded(CatSleepsReport.number(check.byGradient), 13)
                    + CatSleepsReport.padded(CatSleepsReport.number(check.byDifferences), 13)
                    + (check.agrees ? "agrees" : "disagrees"))
        }
        lines += [
            "", "FIVE STEPS OF ADAMW (rate 0.01, β 0.9 and 0.999, ε 1e-8, decay 0.01; X stays)",
            "    L = " + trainedLosses.map { CatSleepsReport.number($0) }.joined(separator: "  "),
        ]
        lines += printedTable
        return lines.joined(separator: "\n") + "\n"
    }

    private var printedTable: [String] {
        guard !printed.isEmpty else { return [] }
        var lines = [
            "", "WHAT THE DOCUMENT PRINTS", "",
            "The first row of each figure, as printed and as its own numbers give it:", "",
        ]
        for figure in printed {
            let verdict = figure.isWrong ? "wrong by up to \(CatSleepsReport.number(figure.difference))" : "right"
            let printed = figure.printed.lists[0].map { CatSleepsReport.short($0) }.joined(separator: ", ")
            let computed = figure.computed.lists[0].map { CatSleepsReport.number($0) }.joined(separator: ", ")
            lines.append("    " + CatSleepsReport.padded(figure.name, 12) + verdict)
            lines.append("    " + CatSleepsReport.padded("", 12) + "printed \(printed); right \(computed)")
        }
        let wrong = printed.filter(\.isWrong).count
        lines += [
            "",
            "    \(wrong) of \(printed.count) figures are wrong. The loss is right as a mean over the tokens, though the formula beside",
            "    it is that of a sum; its attention output is right although the weights above it are not.",
        ]
        return lines
    }

    // MARK: Printing

    private static func json(_ matrix: NumberTable) -> JSON {
        .array(matrix.lists.map { .array($0.map { .number($0) }) })
    }

    private static func shape(_ matrix: NumberTable) -> String { "[\(matrix.rows), \(matrix.columns)]" }

    private static func block(_ matrix: NumberTable, beside gradient: NumberTable? = nil) -> [String] {
        matrix.lists.enumerated().map { index, row in
            var line = "    " + row.map { padded(number($0), 13) }.joined()
            if let gradient { line += "  │ " + gradient.lists[index].map { padded(number($0), 13) }.joined() }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// Five significant digits.
    static func number(_ value: Double) -> String {
        guard value != 0, value.isFinite else { return value == 0 ? "0" : "\(value)" }
        var exponent = 0
        var scaled = abs(value)
        while scaled < 1 {
            scaled *= 10
            exponent -= 1
        }
        while scaled >= 10 {
            scaled /= 10
            exponent += 1
        }
        let sign = value < 0 ? "−" : ""
        if exponent < -5 || exponent > 6 {
            let digits = Double(Int((scaled * 100).rounded())) / 100
            return "\(sign)\(digits)e\(exponent)"
        }
        var factor = 1.0
        for _ in 0..<max(0, 4 - exponent) { factor *= 10 }
        let rounded = (abs(value) * factor).rounded() / factor
        return exponent < -3 ? sign + plain(rounded, digits: 4 - exponent) : "\(sign)\(rounded)"
    }

    /// A small number without an exponent.
    private static func plain(_ value: Double, digits: Int) -> String {
        var text = String(Int((value * 1e9).rounded()))
        text = String(repeating: "0", count: max(0, 9 - text.count)) + text
        return "0." + text.prefix(min(digits, 9))
    }

    private static func short(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e9 ? String(Int(value)) : "\(value)"
    }

    static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
