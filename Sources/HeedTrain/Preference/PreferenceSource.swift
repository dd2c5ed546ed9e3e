import HeedModels
import HeedProcessor
import HeedRun
import HeedSupport
import HeedTensor

/// Pairs of answers, of which the first is preferred: direct preference optimisation (Rafailov et al. 2023).
///
/// `L = −log σ(β · ((log π(c) − log π₀(c)) − (log π(r) − log π₀(r))))`, c the chosen and r the rejected answer, π the model
/// and π₀ what it was before training. Since `∂L = −β · σ(−z) · (∂log π(c) − ∂log π(r))`, a step first measures z of its
/// pairs and then weights the cross-entropy of each answer by ±β · σ(−z). Memory: no second model, two numbers per pair.
final class PreferenceSource: BatchSource {
    private let rows: TrainingRows
    private let beta: Double
    private let order: WindowOrder
    private let seed: UInt64
    /// Pairs of a step.
    private let pairsPerStep: Int
    private let scorer: AnswerScorer
    /// log π₀ of every row.
    private let reference: [Double]

    /// - Parameters:
    ///   - rows: chosen and rejected answers by turns.
    ///   - scorer: measures the model; now, before training, π₀.
    /// - Throws: `HeedError` when a number is not finite.
    init(
        _ rows: TrainingRows, beta: Double, pairsPerStep: Int, order: WindowOrder, seed: UInt64, _ scorer: AnswerScorer
    ) throws {
        (self.rows, self.beta, self.order, self.seed) = (rows, beta, order, seed)
        (self.pairsPerStep, self.scorer) = (pairsPerStep, scorer)
        reference = try (0..<rows.count).map { try scorer.score(row: $0, of: rows) }
    }

    private var pairs: Int { rows.count / 2 }

    /// The pair at place `index` of the whole run.
    private func pair(_ index: Int) -> Int {
        let place = index % pairs
        return order == .sequential ? place : Permutation(count: pairs, seed: seed, epoch: index / pairs)[place]
    }

    func prepare(step: Int) throws -> PreparedStep? {
        var prepared = PreparedStep(scales: [], loss: 0)
        for index in (step - 1) * pairsPerStep..<step * pairsPerStep {
            let chosen = 2 * pair(index)
            let z =
                try beta
                * ((scorer.score(row: chosen, of: rows) - reference[chosen])
                    - (scorer.score(row: chosen + 1, of: rows) - reference[chosen + 1]))
            let weight = Float(beta * PreferenceSource.sigmoid(-z) / Double(pairsPerStep))
            prepared.scales += [weight, -weight]
            prepared.loss += PreferenceSource.surprise(z) / Double(pairsPerStep)
        }
        return prepared
    }

    func fill(_ input: StepInput, step: Int, part: Int) throws {
        let chosen = 2 * pair((step - 1) * pairsPerStep + part / 2)
        try rows.append(row: chosen + part % 2, to: input.tokens, source: input.source)
    }

    /// Mean loss over pairs, and how often the chosen answer gained on the rejected one.
    static func measure(
        _ rows: TrainingRows, beta: Double, reference: [Double], _ scorer: AnswerScorer
    ) throws -> Double {
        var sum = 0.0
        for chosen in stride(from: 0, to: rows.count - 1, by: 2) {
            let z =
                try beta
                * ((scorer.score(row: chosen, of: rows) - reference[chosen])
                    - (scorer.score(row: chosen + 1, of: rows) - reference[chosen + 1]))
            sum += surprise(z)
        }
        return sum / Double(max(rows.count / 2, 1))
    }

    static func sigmoid(_ x: Double) -> Double {
        x >= 0 ? 1 / (1 + ExactMathematics.exp(-x)) : ExactMathematics.exp(x) / (1 + ExactMathematics.exp(x))
    }

    /// −log σ(x).
    static func surprise(_ x: Double) -> Double {
        x >= 0
            ? ExactMathematics.log(1 + ExactMathematics.exp(-x))
            : -x + ExactMathematics.log(1 + ExactMathematics.exp(x))
    }
}

/// Measures the logarithm of the probability that a model gives the learned tokens of a row.
final class AnswerScorer {
    private let input: StepInput
    private let pass: Pass<[RecordedLoss]>

    /// Plans passes over one row of up to `longest` tokens.
    ///
    /// - Throws: `HeedError` when memory is refused.
    init(_ model: Model, longest: Int, precision: Precision, runtime: Runtime) throws {
        let input = StepInput(
            StepCapacity(tokens: longest, sequences: 1, length: longest), readsSource: model.architecture.readsSource)
        self.input = input
        pass = try runtime.pass(model.weights, for: .inference, maximumLength: longest, precision: precision) { trace in
            model.architecture.losses(input.tokens, source: input.source, in: trace)
        }
    }

    /// log π of the targets of a row, in nats, with the weights as they stand.
    ///
    /// - Throws: `HeedError` (`numeric`) when it is not finite.
    func score(row: Int, of rows: TrainingRows) throws -> Double {
        input.clear()
        try rows.append(row: row, to: input.tokens, source: input.source)
        pass.forward()
        var sum = 0.0
        for loss in pass.outputs { loss.readout.add(to: &sum) }
        guard sum.isFinite else {
            throw HeedError(
                .numeric, "the probability of an answer is not finite", expected: "a finite number", got: "\(-sum)",
                advice: "Lower `peak` or raise `warmup`.")
        }
        return -sum
    }
}

extension RunData {
    /// Pairs of answers for a decoder: rows by turns of the chosen and the rejected one.
    ///
    /// - Throws: `HeedError` when memory is refused or a number is not finite.
    public init(
        preferences rows: TrainingRows, validation: TrainingRows?, beta: Double, _ model: Model,
        _ options: StepOptions, order: WindowOrder, runtime: Runtime
    ) throws {
        _ = try model.weights.change()
        func scorer(_ rows: TrainingRows) throws -> AnswerScorer {
            try AnswerScorer(model, longest: rows.longest, precision: options.precision, runtime: runtime)
        }
        let source = try PreferenceSource(
            rows, beta: beta, pairsPerStep: options.accumulate / 2, order: order, seed: options.seed, scorer(rows))
        let measure = try validation.map { rows -> (() throws -> Double?) in
            let meter = try scorer(rows)
            let reference = try (0..<rows.count).map { try meter.score(row: $0, of: rows) }
            return { try PreferenceSource.measure(rows, beta: beta, reference: reference, meter) }
        }
        self.init(
            source: source,
            capacity: StepCapacity(tokens: rows.longest, sequences: 1, length: rows.longest),
            fingerprint: "preferences-\(String(rows.fingerprint, radix: 16))-\(rows.count)-\(beta)", measure: measure)
    }
}
