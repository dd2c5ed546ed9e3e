import HeedTensor

/// A mixture of experts (Shazeer et al. 2017; Jiang et al. 2024): a router chooses a few of many gated feed-forward layers
/// for each token, `y = Σ w_e · W₂ₑ · (f(Gₑ · x) ⊙ (Uₑ · x))` over its experts, w the router's probabilities.
///
/// `[rows, C] → [rows, C]`. A row's experts and bits do not depend on its company. Cost: 6 · rows · chosen · C · F
/// operations.
public struct Experts: Sendable {
    /// Where the layer stands in the model.
    public let path: String
    /// How many there are, and how many a token meets.
    public let shape: ExpertShape
    /// The router [experts, C].
    public let router: Linear
    /// gate | up of each expert, `[2F, C]`.
    public let up: [Parameter]
    /// The way back of each expert, `[C, F]`.
    public let down: [Parameter]
    /// f.
    public let activation: Activation

    /// Declares router and experts of a stack's blocks in `scope`.
    init(_ scope: ParameterScope, _ shape: ExpertShape, _ stack: StackShape) {
        path = scope.path
        self.shape = shape
        activation = stack.activation
        let (width, inner) = (stack.width, shape.inner)
        router = Linear(
            scope / "router", in: width, out: shape.count, bias: false,
            initial: stack.initialMatrix(in: width, out: shape.count))
        up = (0..<shape.count).map {
            (scope / "experts" / $0 / "up").parameter(
                "weight", [2 * inner, width], stack.initialMatrix(in: width, out: inner))
        }
        down = (0..<shape.count).map {
            (scope / "experts" / $0 / "down").parameter(
                "weight", [width, inner], stack.initialMatrix(in: inner, out: width, writes: true))
        }
    }

    /// Returns `residual` + the answer to `x`.
    func callAsFunction(_ x: Tensor, adding residual: Tensor?) -> Tensor {
        x.trace.at(path) {
            let routing = Routing(
                x.rows, experts: shape.count, chosen: shape.chosen, normalises: shape.normalises)
            let weights = router(x).routed(routing)
            let hidden = x.dispatched(routing).linear(up, routing).gated(activation)
            return hidden.linear(down, routing).mixed(weights, routing, adding: residual)
        }
    }
}
