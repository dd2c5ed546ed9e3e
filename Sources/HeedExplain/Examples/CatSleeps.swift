import HeedProcessor
import HeedSupport
import HeedTensor

/// The worked example "The cat sleeps": three tokens, one attention head, a feed-forward layer and a yes-or-no
/// question per token, in numbers that fit a page.
public struct CatSleeps: Sendable, Equatable {
    /// The embeddings `X [n, d]`, one row per token.
    public var X: NumberTable
    /// The projections to queries, keys and values, `W_Q`, `W_K`, `W_V` `[d, dₖ]`.
    public var query, key, value: NumberTable
    /// The feed-forward matrices `W_FFN1 [dₖ, m]` and `W_FFN2 [m, 1]`.
    public var feedForward1, feedForward2: NumberTable
    /// The answers: 1 or 0 for each token.
    public var labels: [Double]

    /// An example with other numbers, which must fit each other.
    public init(
        X: NumberTable, query: NumberTable, key: NumberTable, value: NumberTable, feedForward1: NumberTable,
        feedForward2: NumberTable, labels: [Double]
    ) {
        self.X = X
        (self.query, self.key, self.value) = (query, key, value)
        (self.feedForward1, self.feedForward2) = (feedForward1, feedForward2)
        self.labels = labels
    }
}

/// The example as a small model, run forward and back: every value with its formula, shape and gradient.
///
/// `L = mean of −y ln σ(z) − (1 − y) ln(1 − σ(z))`.
public struct CatSleepsRun {
    /// One value on the way.
    public struct Step: Sendable {
        /// The name of the document.
        public let name: String
        /// What computes it, and how its gradient flows back: those of the model's operation.
        public let formula, gradientFormula: String
        /// Its numbers.
        public let value: NumberTable
        /// The gradient of the mean loss by it; nil where it is told by that of the logits.
        public let gradient: NumberTable?
    }

    /// The values in order: Q, K, V, scores, weights, attn, pre, hidden, logits, preds.
    public let steps: [Step]
    /// The gradient of the mean loss by everything that the example starts from, by the names of the document.
    public let gradients: [(name: String, gradient: NumberTable)]
    /// The mean of the tokens' losses, and their sum.
    public let meanLoss, sumLoss: Double
    private let model: WorkedModel
    private let start: [Parameter]

    /// Runs the example.
    ///
    /// - Throws: `HeedError` when memory is refused.
    public init(_ example: CatSleeps) throws {
        let (rows, width, inner) = (example.X.rows, example.query.columns, example.feedForward1.columns)
        let shape = AttentionShape(heads: 1, width: width, causal: false)
        let (parameters, layout) = ParameterLayout.declare { scope in
            [
                scope.parameter("X", [rows, example.X.columns], .zeros),
                scope.parameter("W_QKV", [3 * width, example.X.columns], .zeros),
                scope.parameter("W_FFN1", [inner, width], .zeros), scope.parameter("W_FFN2", [1, inner], .zeros),
            ]
        }
        let batch = TokenBatch(rowCapacity: rows, sequenceCapacity: 1)
        try batch.append((0..<rows).map { Int32($0) })
        let projections = [example.query, example.key, example.value].map(\.transposed)
        let numbers = [
            example.X, .stacked(projections), example.feedForward1.transposed, example.feedForward2.transposed,
        ]
        let labels = example.labels
        let model = try WorkedModel(
            layout, Array(zip(parameters, numbers)), length: rows, runtime: try Runtime(threads: 1),
            loss: { logits in CatSleepsRun.loss(logits.values, labels) }
        ) { trace in
            let x = trace.at("X") { trace.embed(batch, table: parameters[0]) }  // [n, d]
            let projected = trace.at("Q | K | V") { x.linear(parameters[1]) }  // [n, 3 dₖ]
            let answer = trace.at("attn") { projected.attending(shape, batch: batch, layer: 0, observedAs: "weights") }
            let pre = trace.at("pre") { answer.linear(parameters[2]) }  // [n, m]
            let hidden = trace.at("hidden") { pre.activated(.relu) }
            return trace.at("logits") { hidden.linear(parameters[3]) }  // [n, 1]
        }
        self.model = model
        start = parameters
        meanLoss = model.loss
        sumLoss = model.loss * Double(rows)
        steps = CatSleepsRun.steps(model, width: width)
        let stacked = model.gradient(parameters[1])
        func projection(_ index: Int) -> NumberTable { stacked.rows(index * width..<(index + 1) * width).transposed }
        gradients = [
            ("W_Q", projection(0)), ("W_K", projection(1)), ("W_V", projection(2)),
            ("W_FFN1", model.gradient(parameters[2]).transposed), ("W_FFN2", model.gradient(parameters[3]).transposed),
            ("X", model.gradient(parameters[0])),
        ]
    }

    /// The value called `name`, or one of no numbers.
    public func value(_ name: String) -> NumberTable { steps.first { $0.name == name }?.value ?? NumberTable([]) }

    /// The gradient by the table called `name`, or one of no numbers.
    public func gradient(_ name: String) -> NumberTable {
        gradients.first { $0.name == name }?.gradient ?? NumberTable([])
    }

    /// The gradients beside central differences: of X, of W_Q, W_K and W_V together, and of W_FFN1 and W_FFN2.
    ///
    /// - Throws: `HeedError` when memory is refused.
    public func checks() throws -> [GradientCheck] { try model.checks() }

    /// Trains the weights, not the embeddings, with AdamW: the loss before each step, and W_QKV, W_FFN1
    /// and W_FFN2 as they then are, transposed as files have them.
    ///
    /// - Throws: `HeedError` when memory is refused.
    public func train(steps: Int) throws -> (losses: [Double], matrices: [NumberTable]) {
        let trained = try model.train(steps: steps, decay: 0.01, keeping: start[0])
        return (trained.losses.dropLast(), Array(trained.after.dropFirst()))
    }

    /// The mean of `max(z, 0) − z y + ln(1 + e^−|z|)`, a form that no z makes infinite, and (σ(z) − y) / n.
    private static func loss(_ logits: [Double], _ labels: [Double]) -> (loss: Double, gradient: [Double]) {
        let count = Double(max(labels.count, 1))
        let losses = zip(logits, labels).map { z, y in
            max(z, 0) - z * y + ExactMathematics.log(1 + ExactMathematics.exp(-abs(z)))
        }
        return (losses.reduce(0, +) / count, zip(logits, labels).map { (sigmoid($0) - $1) / count })
    }

    private static func sigmoid(_ z: Double) -> Double { 1 / (1 + ExactMathematics.exp(-z)) }

    private static func steps(_ model: WorkedModel, width: Int) -> [Step] {
        func step(_ path: String, _ name: String? = nil, columns: Range<Int>? = nil) -> Step? {
            guard let found = model.value(path), let operation = model.operation(path) else { return nil }
            return Step(
                name: name ?? path, formula: operation.formula, gradientFormula: operation.gradientFormula,
                value: columns.map { found.value.columns($0) } ?? found.value,
                gradient: columns.map { found.gradient.columns($0) } ?? found.gradient)
        }
        var steps = ["Q", "K", "V"].enumerated().map { index, name in
            step("Q | K | V", name, columns: index * width..<(index + 1) * width)
        }
        if let reader = model.attention("attn", 0..<(model.value("attn")?.value.rows ?? 0)) {
            func step(_ name: String, _ kind: AttentionPart.Kind) -> Step {
                let parts = (0..<reader.queries.rows).compactMap { query in
                    reader.parts(of: query).first { $0.kind == kind }
                }
                return Step(
                    name: name, formula: parts.first?.formula ?? "",
                    gradientFormula: parts.first?.gradientFormula ?? "",
                    value: NumberTable(parts.map { $0.numbers.map { Double($0) } }),
                    gradient: NumberTable(parts.map { ($0.gradientNumbers ?? []).map { Double($0) } }))
            }
            steps += [
                step("scores", .scale), step("weights", .softmax),
                step("attn", .sum),
            ]
        }
        steps += ["pre", "hidden", "logits"].map { step($0) }
        if let logits = model.value("logits")?.value {
            let predictions = NumberTable(rows: logits.rows, columns: 1) { row, _ in sigmoid(logits[row, 0]) }
            steps.append(
                Step(
                    name: "preds", formula: "p = 1 / (1 + e^−z)", gradientFormula: "∂z = (p − y) / n",
                    value: predictions, gradient: nil))
        }
        return steps.compactMap { $0 }
    }
}
