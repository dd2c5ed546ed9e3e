/// The cross-entropy of one logit per row against a target of 0 or 1.
///
/// `L[r] = log(1 + eᶻ) − y · z`, which is −log σ(z) for y = 1 and −log(1 − σ(z)) for y = 0.
public struct BinaryCrossEntropyOperation: TensorOperation {
    /// What the rows are held against.
    public let targets: Targets
    /// The factor on the gradient.
    public let scale: RuntimeScalar
    /// Where the losses go.
    public let readout: LossReadout

    public var name: String { "binary cross-entropy" }
    public var formula: String { "L = log(1 + eᶻ) − y · z" }
    public var gradientFormula: String { "∂z = (σ(z) − y)/n" }
    public var gradientInputs: [Int] { [0] }
    public var isLoss: Bool { true }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        try inputs.require(0, columns: 1, rows: targets.rows)
        return inputs[0]
    }

    public func cost(rows: Int) -> Cost { Double(rows) * Cost(operations: 60, bytes: 12) }
}

extension Tensor {
    /// Records the binary cross-entropy of the logits `[rows, 1]` against `targets`.
    ///
    /// The gradient is scaled by `scale`, by default the trace's `lossScale`.
    public func binaryCrossEntropy(targets: Targets, scale: RuntimeScalar? = nil) -> LossReadout {
        let readout = LossReadout(rows: rows)
        _ = trace.record(
            BinaryCrossEntropyOperation(targets: targets, scale: scale ?? trace.lossScale, readout: readout), [self])
        return readout
    }
}
