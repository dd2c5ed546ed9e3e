/// `y = residual + f(x · Wᵀ + b)`; `x [rows, in]`, `W [out, in]`, `y [rows, out]`.
public struct LinearOperation: TensorOperation {
    /// `W [out, in]`.
    public let weight: Parameter
    /// `b [out]`.
    public let bias: Parameter?
    /// f.
    public let activation: Activation
    /// Whether input 1 is added.
    public let addsResidual: Bool

    /// out.
    public var outColumns: Int { weight.shape.first ?? 0 }
    /// in.
    public var inColumns: Int { weight.shape.dropFirst().reduce(1, *) }

    public var name: String { "linear" }
    public var formula: String {
        let product = bias == nil ? "x · Wᵀ" : "x · Wᵀ + b"
        let activated = activation == .identity ? product : "\(activation.rawValue)(\(product))"
        return "y = " + (addsResidual ? "r + " : "") + activated
    }
    public var gradientFormula: String {
        let inner = activation == .identity ? "∂y" : "∂y ⊙ f′(pre)"
        return "g = \(inner); ∂x = g · W; ∂W += gᵀ · x" + (bias == nil ? "" : "; ∂b += Σ g")
            + (addsResidual ? "; ∂r = ∂y" : "")
    }
    public var parameters: [Parameter] { bias.map { [weight, $0] } ?? [weight] }
    public var auxiliaries: [Int] { activation == .identity ? [] : [outColumns] }
    public var gradientInputs: [Int] { [0] }
    public var passThrough: Int? { addsResidual ? 1 : nil }
    public var isRecomputable: Bool { activation != .identity && !addsResidual }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        let (out, width) = try weight.matrix("the weight")
        try inputs.require(count: addsResidual ? 2 : 1)
        try inputs.require(0, columns: width)
        try bias?.requireCount(out, "the bias")
        if addsResidual {
            try inputs.require(1, columns: out, rows: inputs[0].rows)
            guard activation == .identity else {
                throw ShapeMismatch(
                    "a residual", expected: "no function on the product it is added to", got: activation.rawValue)
            }
        }
        return Shape(inputs[0].rows, out)
    }

    /// The cost of one row, the matrix not counted.
    public var rowCost: Cost {
        Cost(
            operations: 2 * Double(inColumns) * Double(outColumns), bytes: 4 * Double(inColumns + outColumns))
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * rowCost + Cost(bytes: 4 * Double(inColumns) * Double(outColumns))
    }
}

extension Tensor {
    /// Returns `residual + f(x · Wᵀ + b)`.
    ///
    /// `self [rows, in]`, `weight [out, in]`, `bias [out]`, `residual [rows, out]`; the result is `[rows, out]`.
    /// What an adapter adds to W comes before f. Cost: 2 · rows · in · out operations, twice that for the gradient.
    public func linear(
        _ weight: Parameter, _ bias: Parameter? = nil, activation: Activation = .identity,
        adding residual: Tensor? = nil
    ) -> Tensor {
        if let updates = trace.updates[weight.index] {
            let product = product(weight, bias, .identity, residual).adding(updates, of: self)
            return activation == .identity ? product : product.activated(activation)
        }
        return product(weight, bias, activation, residual)
    }

    private func product(
        _ weight: Parameter, _ bias: Parameter?, _ activation: Activation, _ residual: Tensor?
    ) -> Tensor {
        trace.record(
            LinearOperation(weight: weight, bias: bias, activation: activation, addsResidual: residual != nil),
            residual.map { [self, $0] } ?? [self])
    }
}
