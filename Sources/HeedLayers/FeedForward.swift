import HeedTensor

/// Two maps with a function between, the same for every position: `W₂ · f(W₁ · x + b₁) + b₂` (Vaswani et al. 2017,
/// section 3.3), or gated, `W₂ · (f(G · x) ⊙ (U · x))` (Shazeer 2020), whose G and U are one matrix.
///
/// `[rows, C] → [rows, C]`. Cost: 4 · rows · C · F operations, 6 when gated.
public struct FeedForward: Sendable {
    /// Where the layer stands in the model.
    public let path: String
    /// `W₁ [F, C]`, or gate | up `[2F, C]`.
    public let up: Linear
    /// `W₂ [C, F]`.
    public let down: Linear
    /// F.
    public let inner: Int
    /// f.
    public let activation: Activation
    /// Whether f(gate) multiplies a second product.
    public let gated: Bool
    /// Factor on the answer.
    public let residualScale: Float
    /// Rate of dropout on the answer.
    public let dropout: Float
    /// Rate of dropout between the two maps.
    public let innerDropout: Float

    /// Declares both maps of a stack's blocks in `scope`.
    init(_ scope: ParameterScope, _ stack: StackShape) {
        path = scope.path
        activation = stack.activation
        gated = stack.gated
        residualScale = stack.residualScale
        dropout = stack.residualDropout
        innerDropout = stack.innerDropout
        inner = stack.inner
        let width = stack.width
        up = Linear(
            scope / "up", in: width, out: gated ? 2 * inner : inner, bias: stack.feedForwardBias,
            initial: stack.initialMatrix(in: width, out: inner))
        down = Linear(
            scope / "down", in: inner, out: width, bias: stack.feedForwardBias,
            initial: stack.initialMatrix(in: inner, out: width, writes: true))
    }

    /// Returns `residual` + the answer to `x`.
    public func callAsFunction(_ x: Tensor, adding residual: Tensor?) -> Tensor {
        x.trace.at(path) {
            let hidden = gated ? up(x).gated(activation) : up(x, activation: activation)  // [rows, F]
            return down.answering(
                hidden.dropped(innerDropout), adding: residual, dropout: dropout, scale: residualScale)
        }
    }
}
