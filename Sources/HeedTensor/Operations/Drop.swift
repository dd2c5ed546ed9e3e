/// `y = r + m ⊙ x/(1 − p)`, m a mask of the step's random numbers (Srivastava et al. 2014).
public struct DropOperation: TensorOperation {
    /// p.
    public let rate: Float
    /// The number of this place in the counters of random numbers.
    public let site: UInt32
    /// Whether input 1 is added.
    public let addsResidual: Bool
    /// Columns.
    public let width: Int
    /// Seed, step and first row of the masks.
    public let random: RandomState

    public var name: String { "dropout" }
    public var formula: String { (addsResidual ? "y = r + " : "y = ") + "m ⊙ x/(1 − p)" }
    public var gradientFormula: String { "∂x = m ⊙ ∂y/(1 − p)" + (addsResidual ? "; ∂r = ∂y" : "") }
    public var passThrough: Int? { addsResidual ? 1 : nil }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: addsResidual ? 2 : 1)
        if addsResidual { try inputs.require(1, columns: inputs[0].columns, rows: inputs[0].rows) }
        return inputs[0]
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 30 * Double(width), bytes: 12 * Double(width))
    }
}

extension Tensor {
    /// Returns `residual + dropped(x)`; in inference or at rate 0 nothing is dropped.
    public func dropped(_ rate: Float, adding residual: Tensor? = nil) -> Tensor {
        guard rate > 0, trace.purpose == .training else { return residual.map { self + $0 } ?? self }
        return trace.record(
            DropOperation(
                rate: rate, site: trace.nextDropoutSite(), addsResidual: residual != nil, width: columns,
                random: trace.randomState),
            residual.map { [self, $0] } ?? [self])
    }
}
