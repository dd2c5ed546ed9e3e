import HeedSupport

/// The worked example "The cat sleeps" told step by step, for people and for programs.
public struct CatSleepsReport {
    /// The example that was computed.
    public let example: CatSleeps
    /// Its values.
    public let values: CatSleeps.Values
    /// The gradients of the mean loss.
    public let gradients: CatSleeps.Gradients
    /// The same gradients of the parameters by central differences.
    public let differences: CatSleeps.Parameters
    /// The figures that the document prints; empty for other numbers than the document's.
    public let printed: [CatSleeps.PrintedFigure]
    /// The mean loss before each of five AdamW steps.
    public let trainedLosses: [Double]

    /// Computes the example.
    public init(_ example: CatSleeps) {
        self.example = example
        values = example.forward()
        gradients = example.backward(values)
        differences = example.parameters.centralDifferences { example.loss($0) }
        printed = example == .document ? CatSleeps.printedFigures : []
        trainedLosses = example.train(steps: 5).losses
    }

    /// The report for programs.
    public var json: JSON {
        var tensors = JSONObject()
        for (name, value) in namedValues {
            // A column is the document's list of one number per token.
            tensors[name] =
                value.columns == 1 ? .array(value.values.map { .number($0) }) : CatSleepsReport.json(value)
        }
        for (name, path) in CatSleeps.Parameters.fields {
            tensors["grad." + name] = CatSleepsReport.json(gradients.parameters[keyPath: path])
        }
        var checks = JSONObject()
        for (name, path) in CatSleeps.Parameters.fields {
            checks[name] = .number((gradients.parameters[keyPath: path] - differences[keyPath: path]).largest)
        }
        return [
            "loss_mean": .number(values.meanLoss),
            "loss_sum": .number(values.sumLoss),
            "tensors": .object(tensors),
            "printed_disagrees": .array(printed.filter(\.isWrong).map { .string($0.name) }),
            "central_differences_disagree_by": .object(checks),
            "losses_of_five_steps": .array(trainedLosses.map { .number($0) }),
        ]
    }

    /// The report for people.
    public var text: String {
        var lines = [
            "The cat sleeps: attention forward and backward, by hand",
            "",
            "Three tokens of five numbers each pass one attention head and a feed-forward layer; the",
            "answer to a yes-or-no question is wanted for each. L is the mean loss over the tokens.",
            "Right of each value stands ∂L/∂value: how L changes with it.",
        ]
        if printed.isEmpty { lines[2] = "The tokens of X pass one attention head and a feed-forward layer; the" }
        lines += ["", "X, the embeddings, one row per token  \(CatSleepsReport.shape(example.parameters.X))"]
        lines += CatSleepsReport.block(example.parameters.X)
        lines += ["", "FORWARD, AND WHAT COMES BACK"]
        for step in steps {
            lines += ["", "\(step.name)  \(CatSleepsReport.shape(step.value))   \(step.formula)"]
            if let backward = step.backward { lines.append("    backward: \(backward)") }
            lines += CatSleepsReport.block(step.value, beside: step.gradient)
        }
        lines += [
            "", "L = mean of −[y ln p + (1 − y) ln(1 − p)]",
            "    y = \(example.labels.map { CatSleepsReport.short($0) }.joined(separator: ", "))",
            "    mean \(CatSleepsReport.number(values.meanLoss)), sum \(CatSleepsReport.number(values.sumLoss))",
            "", "GRADIENTS OF WHAT IS LEARNED, AND OF X",
        ]
        for (name, path) in CatSleeps.Parameters.fields {
            let gradient = gradients.parameters[keyPath: path]
            let off = (gradient - differences[keyPath: path]).largest
            lines += [
                "", "∂L/∂\(name)  \(CatSleepsReport.shape(gradient))   \(CatSleepsReport.gradientFormulas[name] ?? "")",
            ]
            lines += CatSleepsReport.block(gradient)
            lines.append(
                "    central differences (L(θ + h) − L(θ − h)) / 2h differ by at most \(CatSleepsReport.number(off))")
        }
        lines += [
            "", "FIVE STEPS OF ADAMW (rate 0.01, β 0.9 and 0.999, ε 1e-8, decay 0.01; X stays)",
            "    L = " + trainedLosses.map { CatSleepsReport.number($0) }.joined(separator: "  "),
        ]
        lines += printedTable
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: Parts

    private struct Step {
        let name: String
        let formula: String
        let backward: String?
        let value: Matrix
        let gradient: Matrix?
    }

    private var steps: [Step] {
        let (v, g) = (values, gradients)
        return [
            Step(name: "Q", formula: "Q = X · W_Q", backward: "∂Q = ∂scores · K / √d", value: v.Q, gradient: g.Q),
            Step(name: "K", formula: "K = X · W_K", backward: "∂K = ∂scoresᵀ · Q / √d", value: v.K, gradient: g.K),
            Step(name: "V", formula: "V = X · W_V", backward: "∂V = weightsᵀ · ∂attn", value: v.V, gradient: g.V),
            Step(
                name: "scores", formula: "scores = Q · Kᵀ / √d, d = \(v.Q.columns)",
                backward: "∂scores = weights ⊙ (∂weights − row sums of weights ⊙ ∂weights)", value: v.scores,
                gradient: g.scores),
            Step(
                name: "weights", formula: "weights = softmax of each row of scores: rows sum to 1",
                backward: "∂weights = ∂attn · Vᵀ", value: v.weights, gradient: g.weights),
            Step(
                name: "attn", formula: "attn = weights · V", backward: "∂attn = ∂pre · W_FFN1ᵀ", value: v.attention,
                gradient: g.attention),
            Step(
                name: "pre", formula: "pre = attn · W_FFN1", backward: "∂pre = ∂hidden where pre > 0, else 0",
                value: v.preActivation, gradient: g.preActivation),
            Step(
                name: "hidden", formula: "hidden = max(0, pre)", backward: "∂hidden = ∂logits · W_FFN2ᵀ",
                value: v.hidden, gradient: g.hidden),
            Step(
                name: "logits", formula: "logits = hidden · W_FFN2", backward: "∂logits = (preds − y) / n",
                value: v.logits, gradient: g.logits),
            Step(
                name: "preds", formula: "preds = 1 / (1 + e^−logits)", backward: nil, value: v.predictions,
                gradient: nil),
        ]
    }

    private var namedValues: [(String, Matrix)] { steps.map { ($0.name, $0.value) } }

    private static let gradientFormulas = [
        "W_Q": "Xᵀ · ∂Q", "W_K": "Xᵀ · ∂K", "W_V": "Xᵀ · ∂V", "W_FFN1": "attnᵀ · ∂pre", "W_FFN2": "hiddenᵀ · ∂logits",
        "X": "∂Q · W_Qᵀ + ∂K · W_Kᵀ + ∂V · W_Vᵀ",
    ]

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

    private static func json(_ matrix: Matrix) -> JSON {
        .array(matrix.lists.map { .array($0.map { .number($0) }) })
    }

    private static func shape(_ matrix: Matrix) -> String { "[\(matrix.rows), \(matrix.columns)]" }

    private static func block(_ matrix: Matrix, beside gradient: Matrix? = nil) -> [String] {
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

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
