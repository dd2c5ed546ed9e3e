import HeedProcessor
import HeedSupport
import HeedTensor

/// The worked example of a batch: two sentences of five tokens through one layer of two heads, with every shape.
///
/// The layer is that of the document: no residual path, no normalisation and no output projection. Two things it
/// leaves open are decided here: a ReLU stands between the feed-forward maps, without which the two would be one,
/// and scores are divided by √dₖ unless `isScaled` is false.
public struct BatchExample: Sendable {
    /// What is learned, by the names of the document: `tok_emb [V, d]`, `pos_emb [n, d]`, `head0.W_Q` … `head1.W_V`
    /// `[d, dₖ]`, `ffn.W1 [d, m]`, `ffn.b1 [1, m]`, `ffn.W2 [m, d]`, `ffn.b2 [1, d]`, `cls.W [d, classes]`, `cls.b`.
    public var tables: [(name: String, numbers: NumberTable)]
    /// The token ids, one list per sentence.
    public var ids: [[Int]]
    /// The right class of every token.
    public var targets: [[Int]]
    /// Whether scores are divided by √dₖ.
    public var isScaled: Bool

    /// The sizes of the document with numbers of our own: 2 sentences of 5 tokens, d = 8, 2 heads, m = 16, and a
    /// vocabulary of 11 tokens and 7 classes, which the document leaves open.
    public static func document(isScaled: Bool = true) -> BatchExample {
        var counter = 0
        let sizes = [
            ("tok_emb", 11, 8), ("pos_emb", 5, 8), ("head0.W_Q", 8, 4), ("head0.W_K", 8, 4), ("head0.W_V", 8, 4),
            ("head1.W_Q", 8, 4), ("head1.W_K", 8, 4), ("head1.W_V", 8, 4), ("ffn.W1", 8, 16), ("ffn.b1", 1, 16),
            ("ffn.W2", 16, 8), ("ffn.b2", 1, 8), ("cls.W", 8, 7), ("cls.b", 1, 7),
        ]
        let tables = sizes.map { name, rows, columns in
            let numbers = NumberTable(rows: rows, columns: columns) { _, _ in
                counter += 1
                // The fractional parts of multiples of the golden ratio are spread evenly (Weyl 1916).
                let part = Double(counter) * 0.618_033_988_749_894_9
                return ((part - part.rounded(.down)) - 0.5) * 0.8
            }
            return (name: name, numbers: numbers)
        }
        return BatchExample(
            tables: tables, ids: [[1, 4, 2, 8, 5], [7, 0, 3, 10, 6]], targets: [[0, 3, 6, 2, 5], [1, 4, 0, 6, 2]],
            isScaled: isScaled)
    }

    func table(_ name: String) -> NumberTable { tables.first { $0.name == name }?.numbers ?? NumberTable([]) }
}

/// The worked example of a batch told by its shapes, for people and for programs.
public struct BatchReport {
    /// What is computed.
    public let example: BatchExample
    /// The mean over all tokens of `−ln p(right class)`.
    public let loss: Double
    /// The gradients of what is learned, by the names of the document.
    public let gradients: [(name: String, gradient: NumberTable)]
    /// The same beside central differences.
    public let checks: [GradientCheck]
    /// The loss before each of three steps of Adam and after the last.
    public let trainedLosses: [Double]
    private let model: WorkedModel
    private let width: Int

    /// Computes the example as a small model.
    ///
    /// - Throws: `HeedError` when memory is refused, or an id lies outside the table.
    public init(_ example: BatchExample) throws {
        self.example = example
        let width = example.table("head0.W_Q").columns
        self.width = width
        var shape = AttentionShape(heads: BatchReport.heads.count, width: width, causal: false)
        if !example.isScaled { shape.scale = 1 }
        let numbers = BatchReport.numbers(of: example)
        let (parameters, layout) = ParameterLayout.declare { scope in
            numbers.map { name, table in
                scope.parameter(
                    name, table.rows == 1 && name.contains(".b") ? [table.columns] : [table.rows, table.columns], .zeros
                )
            }
        }
        let batch = try BatchReport.batch(of: example)
        let targets = try BatchReport.targets(of: example)
        model = try WorkedModel(
            layout, zip(parameters, numbers).map { ($0, $1.1) }, length: example.ids.map(\.count).max() ?? 1,
            runtime: try Runtime(threads: 1), loss: { BatchReport.loss($0, targets) }
        ) { trace in
            let x = trace.at("x") { trace.embed(batch, table: parameters[0], positions: .learned(parameters[1])) }
            let projected = trace.at("Q | K | V") { x.linear(parameters[2]) }
            let joined = trace.at("concat") {
                projected.attending(shape, batch: batch, layer: 0, observedAs: "weights")
            }
            let pre = trace.at("ffn.pre") { joined.linear(parameters[3], parameters[4]) }
            let active = trace.at("ffn.act") { pre.activated(.relu) }
            let out = trace.at("ffn.out") { active.linear(parameters[5], parameters[6]) }
            return trace.at("logits") { out.linear(parameters[7], parameters[8]) }
        }
        loss = model.loss
        gradients = BatchReport.gradients(model, zip(parameters, numbers).map { ($0, $1.0) }, width: width)
        checks = try model.checks()
        trainedLosses = try model.train(steps: 3, decay: 0).losses
    }

    private static let heads = ["head0", "head1"]
    private static let kinds = ["W_Q", "W_K", "W_V"]

    /// What is learned as the model has it: matrices [out, in], and those of queries, keys and values as one.
    private static func numbers(of example: BatchExample) -> [(String, NumberTable)] {
        // Queries of both heads, then keys, then values: the rows of one matrix.
        let projections = kinds.flatMap { kind in heads.map { example.table("\($0).\(kind)").transposed } }
        var numbers = [
            ("tok_emb", example.table("tok_emb")), ("pos_emb", example.table("pos_emb")),
            ("W_QKV", NumberTable.stacked(projections)),
        ]
        for name in ["ffn.W1", "ffn.b1", "ffn.W2", "ffn.b2", "cls.W", "cls.b"] {
            let table = example.table(name)
            numbers.append((name, name.contains(".b") ? table : table.transposed))
        }
        return numbers
    }

    private static func batch(of example: BatchExample) throws -> TokenBatch {
        let tokens = example.ids.reduce(0) { $0 + $1.count }
        let batch = TokenBatch(rowCapacity: max(tokens, 1), sequenceCapacity: max(example.ids.count, 1))
        let (vocabulary, longest) = (example.table("tok_emb").rows, example.table("pos_emb").rows)
        for sentence in example.ids {
            guard sentence.allSatisfy({ (0..<vocabulary).contains($0) }), sentence.count <= longest else {
                throw HeedError(.badInput, "a sentence does not fit the tables of the example")
            }
            try batch.append(sentence.map { Int32($0) })
        }
        return batch
    }

    /// The right classes of all tokens, sentence after sentence.
    private static func targets(of example: BatchExample) throws -> [Int] {
        let tokens = example.ids.reduce(0) { $0 + $1.count }
        let targets = example.targets.flatMap { $0 }
        let classes = example.table("cls.W").columns
        guard targets.count == tokens, targets.allSatisfy({ (0..<classes).contains($0) }) else {
            throw HeedError(
                .badInput, "the right classes do not fit the sentences", expected: "\(tokens) of 0 ..< \(classes)",
                got: "\(targets.count)")
        }
        return targets
    }

    /// The gradients by the names of the document; `parameters` have those of `numbers`, in its order.
    private static func gradients(
        _ model: WorkedModel, _ parameters: [(Parameter, String)], width: Int
    ) -> [(name: String, gradient: NumberTable)] {
        var gradients: [(name: String, gradient: NumberTable)] = []
        for (parameter, name) in parameters {
            let gradient = model.gradient(parameter)
            guard name == "W_QKV" else {
                let isAsInDocument = name.contains(".b") || name.contains("emb")
                gradients.append((name: name, gradient: isAsInDocument ? gradient : gradient.transposed))
                continue
            }
            for (place, head) in heads.enumerated() {
                for (number, kind) in kinds.enumerated() {
                    let first = (number * heads.count + place) * width
                    gradients.append(
                        (name: "\(head).\(kind)", gradient: gradient.rows(first..<first + width).transposed))
                }
            }
        }
        return gradients
    }

    /// The value called `name`, of all sentences one below the other: `x`, `head0.Q` …, `head1.weights`, `head1.out`,
    /// `concat`, `ffn.pre`, `ffn.act`, `ffn.out`, `logits`; one of no numbers where there is none.
    public func value(_ name: String) -> NumberTable {
        if let found = model.value(name) { return found.value }
        let parts = name.split(separator: ".")
        guard parts.count == 2, let head = Int(parts[0].dropFirst(4)), (0..<2).contains(head) else {
            return NumberTable([])
        }
        if parts[1] == "weights" { return weights(head) }
        if parts[1] == "out" { return value("concat").columns(head * width..<(head + 1) * width) }
        guard let kind = ["Q", "K", "V"].firstIndex(of: parts[1]) else { return NumberTable([]) }
        let first = (2 * kind + head) * width
        return value("Q | K | V").columns(first..<first + width)
    }

    private func weights(_ head: Int) -> NumberTable {
        var first = 0
        let rows = example.ids.flatMap { sentence -> [[Double]] in
            let span = first..<first + sentence.count
            first = span.upperBound
            guard let reader = model.attention("concat", span) else { return [] }
            return span.map { reader.fastWeights(head, $0).map { Double($0) } }
        }
        return NumberTable(rows)
    }

    /// The mean of `−ln p(right class)`, and (p − y) / tokens.
    private static func loss(_ logits: NumberTable, _ targets: [Int]) -> (loss: Double, gradient: [Double]) {
        var (sum, gradient) = (0.0, [Double]())
        let count = Double(max(logits.rows, 1))
        for (row, values) in logits.lists.enumerated() {
            let largest = values.max() ?? 0
            let powers = values.map { ExactMathematics.exp($0 - largest) }
            let total = powers.reduce(0, +)
            sum += ExactMathematics.log(total) + largest - values[targets[row]]
            gradient += powers.enumerated().map { ($1 / total - ($0 == targets[row] ? 1 : 0)) / count }
        }
        return (sum / count, gradient)
    }

    /// A stage of the way: its name, shape and formula.
    private struct Stage {
        let name: String
        let shape: [Int]
        let formula: String
    }

    private var stages: [Stage] {
        let (batch, length) = (example.ids.count, example.ids.first?.count ?? 0)
        func stage(_ path: String, _ name: String? = nil, _ columns: Int? = nil) -> Stage {
            Stage(
                name: name ?? path, shape: [batch, length, columns ?? model.value(path)?.value.columns ?? 0],
                formula: model.operation(path)?.formula ?? "")
        }
        let parts = model.attention("concat", 0..<length)?.parts(of: 0) ?? []
        func formula(_ kind: AttentionPart.Kind) -> String { parts.first { $0.kind == kind }?.formula ?? "" }
        var stages = [Stage(name: "ids", shape: [batch, length], formula: "token numbers"), stage("x")]
        for head in BatchReport.heads {
            stages += ["Q", "K", "V"].map { stage("Q | K | V", "\(head).\($0)", width) }
            stages += [
                Stage(
                    name: "\(head).scores", shape: [batch, length, length],
                    formula: "\(formula(.scores)); \(formula(.scale))"),
                Stage(name: "\(head).weights", shape: [batch, length, length], formula: formula(.softmax)),
                Stage(name: "\(head).out", shape: [batch, length, width], formula: formula(.sum)),
            ]
        }
        stages.append(Stage(name: "concat", shape: stage("concat").shape, formula: "the heads side by side"))
        stages += ["ffn.pre", "ffn.act", "ffn.out", "logits"].map { stage($0) }
        return stages + [Stage(name: "probabilities", shape: stage("logits").shape, formula: "softmax of each row")]
    }

    /// The report for programs.
    public var json: JSON {
        var shapes = JSONObject()
        for stage in stages { shapes[stage.name] = .array(stage.shape.map { .integer($0) }) }
        for (name, gradient) in gradients {
            shapes["grad." + name] = [.integer(gradient.rows), .integer(gradient.columns)]
        }
        return [
            "shapes": .object(shapes), "scores_are_scaled": .bool(example.isScaled), "loss": .number(loss),
            "losses_of_three_steps": .array(trainedLosses.map { .number($0) }),
            "gradient_checks": .array(checks.map(\.json)),
        ]
    }

    /// The report for people.
    public var text: String {
        func padded(_ text: String, _ width: Int) -> String { CatSleepsReport.padded(text, width) }
        var lines = [
            "A batch through one layer: two sentences of five tokens, eight numbers per token, two heads",
            "", "FORWARD", "",
        ]
        for stage in stages {
            lines.append("    \(padded(stage.name, 16))\(padded("\(stage.shape)", 14))\(stage.formula)")
        }
        lines += ["", "    head0.weights of the first sentence; a row says where that token looks:"]
        lines += value("head0.weights").lists.prefix(example.ids.first?.count ?? 0).map { row in
            "        " + row.map { CatSleepsReport.number($0) }.joined(separator: "  ")
        }
        lines += ["", "    loss = mean of −ln p(right class) = \(CatSleepsReport.number(loss))", "", "BACKWARD", ""]
        for (name, gradient) in gradients {
            lines.append(
                "    ∂\(padded(name, 15))\(padded("[\(gradient.rows), \(gradient.columns)]", 14))"
                    + "largest \(CatSleepsReport.number(gradient.largest))")
        }
        let off = checks.count { !$0.agrees }
        lines += [
            "",
            "    \(checks.count) gradients beside central differences: "
                + (off == 0 ? "all agree." : "\(off) disagree."),
            "    Three steps of Adam (rate 0.01): loss "
                + trainedLosses.map { CatSleepsReport.number($0) }.joined(separator: " → "),
            "", "WHAT THE DOCUMENT LEAVES OUT", "",
            "    · It does not divide scores by √dₖ (here √4); without that, softmax saturates as heads grow.",
            "      This run \(example.isScaled ? "does; --unscaled does as the document says" : "does not").",
            "    · Two linear maps without a function between them are one linear map; a ReLU stands there here.",
            "    · No residual path, normalisation or output projection: a layer of the 2017 design has all three.",
            "    · All gradients must be computed with the old weights; only then does the optimiser move them.",
        ]
        return lines.joined(separator: "\n") + "\n"
    }
}
