import HeedSupport

/// The worked example of a batch told by its shapes, for people and for programs.
public struct BatchReport {
    /// The layer that was computed.
    public let layer: BatchLayer
    /// Its values, one entry per sentence.
    public let values: [BatchLayer.Values]
    /// Its loss.
    public let loss: Double
    /// The gradients of what is learned.
    public let gradient: BatchLayer.Parameters
    /// The same by central differences.
    public let differences: BatchLayer.Parameters
    /// The loss before each of three steps of Adam and after the last.
    public let trainedLosses: [Double]

    /// Computes the example.
    public init(_ layer: BatchLayer) {
        self.layer = layer
        values = layer.forward()
        loss = layer.loss(values)
        gradient = layer.backward(values)
        differences = layer.parameters.centralDifferences { layer.loss($0) }
        trainedLosses = layer.train(steps: 3).losses
    }

    /// A stage of the way: its name, shape and formula.
    private struct Stage {
        let name: String
        let shape: [Int]
        let formula: String
    }

    private var stages: [Stage] {
        guard let first = values.first, let head = first.heads.first else { return [] }
        let batch = values.count
        func shape(_ matrix: Matrix) -> [Int] { [batch, matrix.rows, matrix.columns] }
        let scaling = layer.isScaled ? " / √\(head.Q.columns)" : ""
        var stages = [
            Stage(name: "ids", shape: [batch, first.x.rows], formula: "token numbers"),
            Stage(name: "embeddings", shape: shape(first.embedded), formula: "rows of the table E, one per id"),
            Stage(
                name: "positions", shape: [first.x.rows, first.x.columns],
                formula: "rows of the table P, the same for every sentence"),
            Stage(name: "x", shape: shape(first.x), formula: "embeddings + positions"),
        ]
        for number in first.heads.indices {
            let head = first.heads[number]
            let name = "head\(number)"
            stages += [
                Stage(name: "\(name).Q", shape: shape(head.Q), formula: "x · W_Q"),
                Stage(name: "\(name).K", shape: shape(head.K), formula: "x · W_K"),
                Stage(name: "\(name).V", shape: shape(head.V), formula: "x · W_V"),
                Stage(name: "\(name).scores", shape: shape(head.scores), formula: "Q · Kᵀ\(scaling)"),
                Stage(
                    name: "\(name).weights", shape: shape(head.weights), formula: "softmax of each row: rows sum to 1"),
                Stage(name: "\(name).out", shape: shape(head.output), formula: "weights · V"),
            ]
        }
        stages += [
            Stage(name: "concat", shape: shape(first.joined), formula: "the heads side by side"),
            Stage(name: "ffn.pre", shape: shape(first.preActivation), formula: "concat · W₁ + b₁"),
            Stage(name: "ffn.act", shape: shape(first.activation), formula: "max(0, ffn.pre)"),
            Stage(name: "ffn.out", shape: shape(first.output), formula: "ffn.act · W₂ + b₂"),
            Stage(name: "logits", shape: shape(first.logits), formula: "ffn.out · W + b"),
            Stage(name: "probabilities", shape: shape(first.probabilities), formula: "softmax of each row"),
        ]
        return stages
    }

    /// The report for programs.
    public var json: JSON {
        var shapes = JSONObject()
        for stage in stages { shapes[stage.name] = .array(stage.shape.map { .integer($0) }) }
        for (name, path) in BatchLayer.Parameters.fields {
            let matrix = gradient[keyPath: path]
            shapes["grad." + name] = [.integer(matrix.rows), .integer(matrix.columns)]
        }
        var checks = JSONObject()
        for (name, path) in BatchLayer.Parameters.fields {
            checks[name] = .number((gradient[keyPath: path] - differences[keyPath: path]).largest)
        }
        return [
            "shapes": .object(shapes),
            "scores_are_scaled": .bool(layer.isScaled),
            "loss": .number(loss),
            "losses_of_three_steps": .array(trainedLosses.map { .number($0) }),
            "central_differences_disagree_by": .object(checks),
        ]
    }

    /// The report for people.
    public var text: String {
        var lines = [
            "A batch through one layer: two sentences of five tokens, eight numbers per token, two heads",
            "", "FORWARD", "",
        ]
        for stage in stages {
            lines.append("    \(padded(stage.name, 16))\(padded("\(stage.shape)", 14))\(stage.formula)")
        }
        if let weights = values.first?.heads.first?.weights {
            lines += ["", "    head0.weights of the first sentence; a row says where that token looks:"]
            lines += weights.lists.map { "        " + $0.map { CatSleepsReport.number($0) }.joined(separator: "  ") }
        }
        lines += ["", "    loss = mean of −ln p(right class) = \(CatSleepsReport.number(loss))", "", "BACKWARD", ""]
        for (name, path) in BatchLayer.Parameters.fields {
            let matrix = gradient[keyPath: path]
            let off = (matrix - differences[keyPath: path]).largest
            lines.append(
                "    ∂\(padded(name, 15))\(padded("[\(matrix.rows), \(matrix.columns)]", 14))"
                    + "largest \(padded(CatSleepsReport.number(matrix.largest), 12))central differences off by \(CatSleepsReport.number(off))"
            )
        }
        lines += [
            "",
            "    Three steps of Adam (rate 0.01): loss "
                + trainedLosses.map { CatSleepsReport.number($0) }.joined(separator: " → "),
            "", "WHAT THE DOCUMENT LEAVES OUT", "",
            "    · It does not divide scores by √dₖ (here √4); without that, softmax saturates as heads grow.",
            "      This run \(layer.isScaled ? "does; --unscaled does as the document says" : "does not").",
            "    · Two linear maps without a function between them are one linear map; a ReLU stands there here.",
            "    · No residual path, normalisation or output projection: a layer of the 2017 design has all three.",
            "    · All gradients must be computed with the old weights; only then does the optimiser move them.",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
