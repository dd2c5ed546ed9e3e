import HeedSupport
import HeedTensor
import HeedWeights

/// What a pass is asked for beside the logits.
public struct PassOptions: Sendable {
    /// Every hidden state and attention map.
    public var everything = false
    /// The gradient of the loss with respect to every parameter; wants labels.
    public var gradients = false
    /// ε of label smoothing.
    public var labelSmoothing: Float = 0
    public var precision = Precision.float32

    public init() {}
}

/// One forward (and backward) pass over rows of ids, every tensor written out with its published name and meaning.
public struct ForwardPass {
    private let model: Model
    private let options: PassOptions
    private let runtime: Runtime

    public init(_ model: Model, options: PassOptions, runtime: Runtime) {
        self.model = model
        self.options = options
        self.runtime = runtime
    }

    /// Runs the rows of `file` (`input_ids` and what goes with it) and returns `logits`, `loss`, …
    ///
    /// Padding is never computed: a row that the mask excludes is zero in the result.
    /// - Throws: `HeedError` naming the tensor that is missing, malformed or out of range.
    public func run(_ file: TensorFile) throws -> TensorFile {
        var decoder = try model.decoder
        let input = try PassInput(file, decoder.configuration)
        if options.gradients, input.labels == nil {
            throw HeedError(
                .badInput, "--gradients wants labels, and the input has none", in: file.place,
                expected: "labels I64 [\(input.rows), \(input.columns)]")
        }
        let batch = TokenBatch(
            rowCapacity: max(input.visible.reduce(0) { $0 + $1.count }, 1), sequenceCapacity: input.rows)
        let counted = try fill(batch, input)
        if input.labels != nil, counted == 0 {
            throw HeedError(
                .badInput, "no element of labels counts", in: file.place,
                expected: "at least one label that is not -100 behind the first column")
        }
        let longest = max(input.columns, (input.positions.max().map { Int($0) } ?? 0) + 1)
        let trace = Trace(
            for: options.gradients ? .training : .inference, maximumLength: longest, precision: options.precision,
            keepsAttentionWeights: options.everything)
        if options.gradients { decoder = decoder.withoutDropout() }
        let states = decoder(batch, in: trace, observing: options.everything)
        decoder.logits(states).observed(as: "logits")
        let loss =
            input.labels == nil
            ? nil : decoder.loss(states, targets: batch, smoothing: options.labelSmoothing)
        trace.lossScale.value = 1 / Float(max(counted, 1))
        let gradients = options.gradients ? try ParameterBuffer(model.parameters.layout) : nil
        let packed = options.gradients ? nil : PackedWeights(model.parameters, kernels: runtime.kernels)
        let plan = try Plan(
            trace, parameters: model.parameters, gradients: gradients, packed: packed, kernels: runtime.kernels,
            team: runtime.team)
        plan.forward()
        if options.gradients {
            plan.backward()
            plan.finishGradients()
        }
        return result(input, longest, plan, loss, counted, gradients)
    }

    private func fill(_ batch: TokenBatch, _ input: PassInput) throws -> Int {
        var counted = 0
        for row in 0..<input.rows {
            let columns = input.visible[row]
            let start = row * input.columns
            let first = batch.rows.current
            try batch.append(
                columns.map { Int32(input.ids[start + $0]) },
                positions: columns.map { Int32(input.positions[start + $0]) })
            guard let labels = input.labels else { continue }
            // The state of column t predicts the label of column t + 1.
            for (index, column) in columns.enumerated() where column + 1 < input.columns {
                let label = labels[start + column + 1]
                if label != -100 {
                    batch.targets[first + index] = Int32(label)
                    counted += 1
                }
            }
        }
        return counted
    }

    private func result(
        _ input: PassInput, _ maximumKeys: Int, _ plan: Plan, _ loss: LossReadout?, _ counted: Int,
        _ gradients: ParameterBuffer?
    ) -> TensorFile {
        var output = TensorFile(place: "output")
        for name in ["logits"] + plan.observationNames.filter({ $0 != "logits" }) {
            guard let observation = plan.observation(name) else { continue }
            if name.hasPrefix("attentions.") {
                let heads = observation.columns / maximumKeys
                output.append(
                    name, shape: [input.rows, heads, input.columns, input.columns],
                    maps(observation, input, heads: heads, keys: maximumKeys))
            } else {
                output.append(
                    name, shape: [input.rows, input.columns, observation.columns], padded(observation, input))
            }
        }
        if let loss {
            var sum = 0.0
            loss.add(to: &sum)
            output.append("loss", shape: [], [Float(sum / Double(counted))])
        }
        if let gradients {
            for tensor in model.checkpoint {
                output.append("grad." + tensor.name, shape: tensor.storedShape, tensor.stored(in: gradients))
            }
        }
        return output
    }

    /// Rows back at their columns, zeros between.
    private func padded(_ observation: Plan.Observation, _ input: PassInput) -> [Float] {
        let width = observation.columns
        var result = [Float](repeating: 0, count: input.rows * input.columns * width)
        var packed = 0
        for row in 0..<input.rows {
            for column in input.visible[row] {
                let target = (row * input.columns + column) * width
                for i in 0..<width { result[target + i] = observation.values[packed * width + i] }
                packed += 1
            }
        }
        return result
    }

    /// Attention weights [row, head, query, key] back at their columns, zeros between.
    private func maps(_ observation: Plan.Observation, _ input: PassInput, heads: Int, keys: Int) -> [Float] {
        let t = input.columns
        var result = [Float](repeating: 0, count: input.rows * heads * t * t)
        var packed = 0
        for row in 0..<input.rows {
            for query in input.visible[row] {
                for head in 0..<heads {
                    let weights = observation.values + (packed * heads + head) * keys
                    let target = ((row * heads + head) * t + query) * t
                    for (index, key) in input.visible[row].enumerated() { result[target + key] = weights[index] }
                }
                packed += 1
            }
        }
        return result
    }
}
