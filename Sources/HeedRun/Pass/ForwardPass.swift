import HeedModels
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
    /// Operand format of matrix products.
    public var precision = Precision.float32

    /// Logits, and the loss where labels are given.
    public init() {}
}

/// One forward (and backward) pass over rows of ids, every tensor written out with its published name and meaning.
public struct ForwardPass {
    let model: Model
    let options: PassOptions
    let backend: any Backend

    /// A pass of `model`; nothing is computed yet.
    public init(_ model: Model, options: PassOptions, runtime backend: any Backend) {
        self.model = model
        self.options = options
        self.backend = backend
    }

    /// Runs the rows of `file` (`input_ids` and what goes with it) and returns `logits`, `loss`, …
    ///
    /// Padding is never computed: a row that the mask excludes is zero in the result.
    /// - Throws: `HeedError` naming the tensor that is missing, malformed or out of range.
    public func run(_ file: TensorFile) throws -> TensorFile {
        if options.gradients, file["labels"] == nil {
            throw HeedError(
                .badInput, "gradients need labels, and the input has none", in: file.place,
                expected: "labels I64, one per element of the ids; -100 to ignore")
        }
        return switch model.architecture {
        case .decoder(let decoder): try run(decoder, file)
        case .encoder(let layers): try run(layers, file)
        case .encoderDecoder(let layers): try run(layers, file)
        }
    }

    private func run(_ decoder: TransformerDecoder, _ file: TensorFile) throws -> TensorFile {
        let configuration = decoder.configuration
        let input = try PassInput(file, vocabulary: configuration.vocabulary, context: configuration.context)
        let labels = try PassInput.labels(
            file, shape: [input.rows, input.columns], vocabulary: configuration.vocabulary)
        let batch = try input.batch()
        // The state of column t predicts the label of column t + 1.
        let counted = try labels.map { try input.setTargets($0.values, ahead: 1, in: batch) } ?? 1
        let layers = options.gradients ? decoder.withoutDropout() : decoder
        let pass = try compute(length: input.length, counted: counted) { trace in
            let states = layers(batch, in: trace, observing: options.everything)
            layers.logits(states).observed(as: "logits")
            return labels.map { _ in layers.loss(states, targets: batch, smoothing: options.labelSmoothing) }
        }
        var output = TensorFile(place: "output")
        append(pass, to: &output) { _ in (input.side, input.side) }
        if let loss = pass.outputs { append([(loss, counted)], to: &output) }
        append(pass.gradients, to: &output)
        return output
    }

    /// Records and runs a pass over sequences and positions below `length`; the loss is a mean over `counted` targets.
    func compute<Outputs>(
        length: Int, counted: Int, _ record: (Trace) throws -> Outputs
    ) throws -> Pass<Outputs> {
        let pass = try backend.pass(
            model.weights, for: options.gradients ? .training : .inference, maximumLength: length,
            precision: options.precision, keepsAttentionWeights: options.everything, record)
        pass.trace.lossScale.value = 1 / Float(max(counted, 1))
        pass.forward()
        if options.gradients {
            pass.backward()
            pass.finishGradients()
        }
        return pass
    }

    /// Appends every observation of `pass`, `logits` first; `sides` names the queries' and the keys' side of a tensor.
    ///
    /// A value whose rows are `sequences` has one row per row of the input.
    func append<Outputs>(
        _ pass: Pass<Outputs>, to output: inout TensorFile, sequences: RowCount? = nil,
        _ sides: (String) -> (PassSide, PassSide)
    ) {
        for name in ["logits"] + pass.observationNames.filter({ $0 != "logits" }) {
            guard let observation = pass.observation(name) else { continue }
            let (side, keys) = sides(name)
            if name.contains("attentions.") {
                let stride = pass.trace.maximumLength
                output.append(
                    name, shape: [side.rows, observation.columns / stride, side.columns, keys.columns],
                    side.maps(observation, over: keys, stride: stride))
            } else if let sequences, observation.shape.rows === sequences {
                output.append(
                    name, shape: [side.rows, observation.columns],
                    observation.withRows(0..<side.rows) { Array($0) })
            } else {
                output.append(
                    name, shape: [side.rows, side.columns, observation.columns], side.padded(observation))
            }
        }
    }

    /// Appends `loss`, the sum of the means.
    func append(_ losses: [(LossReadout, counted: Int)], to output: inout TensorFile) {
        var loss = 0.0
        for (readout, counted) in losses {
            var sum = 0.0
            readout.add(to: &sum)
            loss += sum / Double(counted)
        }
        output.append("loss", shape: [], [Float(loss)])
    }

    /// Appends `grad.NAME` of everything learned, under published names; with an adapter of its tensors alone.
    func append(_ gradients: ParameterBuffer?, to output: inout TensorFile) {
        guard let gradients else { return }
        let tensors = model.adapter.map { $0.checkpoint.flatMap(\.everyName) } ?? model.checkpoint
        for tensor in tensors where gradients.layout.isTrained(tensor.parameter) {
            output.append("grad." + tensor.name, shape: tensor.storedShape, tensor.stored(in: gradients))
        }
    }
}
