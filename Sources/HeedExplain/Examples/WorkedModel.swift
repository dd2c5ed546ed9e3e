import HeedProcessor
import HeedSupport
import HeedTensor

/// A small model whose numbers fit a page: recorded, run, differentiated and trained as every model is, with every value
/// kept.
///
/// The loss is a function of the logits, `L(z)`, that is told with its gradient.
final class WorkedModel {
    /// L and ∂L/∂z.
    typealias Loss = (_ logits: NumberTable) -> (loss: Double, gradient: [Double])

    /// The operations in order.
    let nodes: [Trace.Node]
    private let pass: Pass<(logits: KeptTensor, seed: GradientSeed)>
    private let lossOfLogits: Loss
    private let runtime: Runtime
    private let start: [(Parameter, NumberTable)]

    /// Gives the parameters their numbers and runs forward and back.
    ///
    /// - Parameter record: records the model and returns its logits.
    /// - Throws: `HeedError` when memory is refused.
    init(
        _ layout: ParameterLayout, _ numbers: [(Parameter, NumberTable)], length: Int,
        runtime: Runtime, loss: @escaping Loss, record: (Trace) -> Tensor
    ) throws {
        let weights = try Weights(layout)
        start = numbers
        lossOfLogits = loss
        self.runtime = runtime
        let plain = Trace(for: .inference, maximumLength: length, keepsAttentionWeights: true)
        _ = record(plain)
        nodes = plain.nodes
        pass = try runtime.pass(weights, for: .training, maximumLength: length, keepsAttentionWeights: true) { trace in
            trace.following = WholePass.observing
            let logits = record(trace)
            trace.following = nil
            return (logits: logits.kept(), seed: logits.seeded())
        }
        try reset()
    }

    /// Puts the numbers back that the model started from, and runs.
    func reset() throws {
        let weights = try pass.weights.change()
        for (parameter, numbers) in start { fill(weights[parameter], numbers) }
        forward()
        backward()
    }

    private func fill(_ target: UnsafeMutableBufferPointer<Float>, _ numbers: NumberTable) {
        for (index, value) in numbers.values.enumerated() where index < target.count { target[index] = Float(value) }
    }

    /// The loss of the last forward pass.
    var loss: Double { lossOfLogits(table(pass[pass.outputs.logits])).loss }

    private func forward() {
        pass.forward()
        let gradient = lossOfLogits(table(pass[pass.outputs.logits])).gradient
        for (index, value) in gradient.enumerated() where index < pass.outputs.seed.shape.capacity {
            pass.outputs.seed.numbers[index] = Float(value)
        }
    }

    private func backward() {
        forgetGradients()
        pass.backward()
        pass.finishGradients()
    }

    private func forgetGradients() {
        guard let gradients = pass.gradients else { return }
        UnsafeMutableBufferPointer(start: gradients.base, count: gradients.count).update(repeating: 0)
    }

    private func table(_ values: PassValues) -> NumberTable {
        let numbers = values.array
        return NumberTable(rows: values.rows, columns: values.columns) { Double(numbers[$0 * values.columns + $1]) }
    }

    /// What the operation at `path` made, and the gradient of the loss by it.
    func value(_ path: String) -> (value: NumberTable, gradient: NumberTable)? {
        guard let place = nodes.firstIndex(where: { $0.path == path }), let values = self.values(place),
            let gradient = values.gradient
        else { return nil }
        return (table(values), table(gradient))
    }

    /// The operation at `path`.
    func operation(_ path: String) -> (any TensorOperation)? { nodes.first { $0.path == path }?.operation }

    private func values(_ place: Int) -> PassValues? { pass.observation(WholePass.name(place)) }

    /// The gradient of the loss by a parameter, as it stands in a file: [rows, columns].
    func gradient(_ parameter: Parameter) -> NumberTable {
        let columns = parameter.shape.last ?? 1
        guard let numbers = pass.gradients?[parameter], numbers.count == parameter.count else {
            return NumberTable([])
        }
        return NumberTable(rows: parameter.count / max(columns, 1), columns: columns) {
            Double(numbers[$0 * columns + $1])
        }
    }

    /// The attention at `path`, read as that of every model is, of the sequence of these rows.
    func attention(_ path: String, _ rows: Range<Int>) -> AttentionReader? {
        guard let place = nodes.firstIndex(where: { $0.path == path }),
            let operation = nodes[place].operation as? AttendOperation,
            let before = nodes.firstIndex(where: { $0.output == nodes[place].inputs[0] }), let inputs = values(before),
            let answers = values(place), let weights = pass.observation("weights")
        else { return nil }
        return AttentionReader(
            operation: operation, queries: inputs, keys: inputs, answers: answers, weights: weights,
            keyColumn: operation.shape.queryColumns, table: nil, stride: pass.trace.maximumLength,
            span: rows, firstQuery: rows.lowerBound, shownRow: rows.upperBound - 1, hasGradient: true)
    }

    /// Every gradient beside central differences.
    func checks(seed: UInt64 = 1) throws -> [GradientCheck] {
        forgetGradients()
        let checks = try GradientCheck.ofParameters(pass, seed: seed, mayGoOn: {}) {
            pass.forward()
            return loss
        }
        try reset()
        return checks
    }

    /// The losses before each of `steps` steps of AdamW and after the last; `kept` does not move. The numbers of the
    /// parameters `after` come with them, and then everything is as before.
    func train(
        steps: Int, rate: Double = 0.01, decay: Double, keeping kept: Parameter? = nil
    ) throws -> (losses: [Double], after: [NumberTable]) {
        guard let gradients = pass.gradients else { return ([], []) }
        try reset()
        let weights = try pass.weights.change()
        let update = try OptimiserUpdate(weights, gradients: gradients, decay: Float(decay), runtime: runtime)
        var losses: [Double] = []
        for step in 1...max(steps, 1) where steps > 0 {
            losses.append(loss)
            update.apply(step: step, rate: rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, clip: 1)
            for (parameter, numbers) in start where parameter == kept { fill(weights[parameter], numbers) }
            forward()
            backward()
        }
        losses.append(loss)
        let after = start.map { parameter, numbers in
            NumberTable(rows: numbers.rows, columns: numbers.columns) {
                Double(weights[parameter][$0 * numbers.columns + $1])
            }
        }
        try reset()
        return (losses, after)
    }
}
