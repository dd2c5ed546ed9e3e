import HeedTensor

/// Two maps with a function between, the same for every position: `W₂ · f(W₁ · x + b₁) + b₂` (Vaswani et al. 2017,
/// section 3.3), or gated, `W₂ · (f(G · x) ⊙ (U · x))` (Shazeer 2020), whose G and U are one matrix.
///
/// `[rows, C] → [rows, C]`. Cost: 4 · rows · C · F operations, 6 when gated.
public struct FeedForward: Sendable {
    /// `W₁ [F, C]`, or gate | up `[2F, C]`.
    public let up: Linear
    /// `W₂ [C, F]`.
    public let down: Linear
    /// f.
    public let activation: Activation
    /// Whether f(gate) multiplies a second product.
    public let gated: Bool
    /// Rate of dropout on the answer.
    public let dropout: Float
    /// Rate of dropout between the two maps.
    public let innerDropout: Float

    /// Declares both maps in `scope`.
    public init(
        _ scope: ParameterScope, width: Int, inner: Int, activation: Activation, gated: Bool = false,
        bias: Bool = true, dropout: Float = 0, innerDropout: Float = 0, initial: Initialiser = .normal(0.02),
        outputInitial: Initialiser = .normal(0.02)
    ) {
        self.activation = activation
        self.gated = gated
        self.dropout = dropout
        self.innerDropout = innerDropout
        up = Linear(scope / "up", in: width, out: gated ? 2 * inner : inner, bias: bias, initial: initial)
        down = Linear(scope / "down", in: inner, out: width, bias: bias, initial: outputInitial)
    }

    /// Returns `residual` + the answer to `x`.
    public func callAsFunction(_ x: Tensor, adding residual: Tensor?) -> Tensor {
        let hidden = gated ? up(x).gated(activation) : up(x, activation: activation)  // [rows, F]
        return down.answering(hidden.dropped(innerDropout), adding: residual, dropout: dropout)
    }
}
