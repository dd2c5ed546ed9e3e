/// The cross-entropy of logits that exist in full, for output matrices that an adapter updates.
///
/// `L[r] = (1 − ε)(−log p[target]) + ε · mean over classes of −log p`, p = softmax(z).
public struct LogitsCrossEntropyOperation: TensorOperation {
    /// What the rows are held against.
    public let targets: Targets
    /// ε.
    public let smoothing: Float
    /// c of `c · log²Z`, of which the gradient alone counts.
    public let penalty: Float
    /// The factor on the gradient.
    public let scale: RuntimeScalar
    /// Where the losses go.
    public let readout: LossReadout
    /// What is learned beside the targets.
    public let teacher: SoftTargets?
    /// V.
    public let classes: Int

    public var name: String { "cross-entropy" }
    public var formula: String {
        "L = −log softmax(z)[target]" + (smoothing > 0 ? ", smoothed by ε" : "") + SoftTargets.term(teacher)
    }
    public var gradientFormula: String { "∂z = (p · (1 + 2c · log Z) − y)/n" }
    public var gradientInputs: [Int] { [0] }
    public var isLoss: Bool { true }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        try inputs.require(0, columns: classes, rows: targets.rows)
        try teacher?.require(classes: classes)
        return Shape(inputs[0].rows, 1)
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 30 * Double(classes), bytes: 12 * Double(classes))
    }
}
