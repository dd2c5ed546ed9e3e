import HeedTensor

/// The way from states to logits: `z = s · x · Wᵀ + b`.
///
/// `[rows, C] → [rows, V]`. Cost: 2 · rows · C · V operations.
public struct OutputMatrix: Sendable {
    /// Where the matrix stands in the model.
    public let path: String
    /// W [V, C]; the embedding table itself when tied.
    public let weight: Parameter
    /// b [V], where there is one.
    public let bias: Parameter?
    /// s.
    public let scale: Float
    /// c of logits that are bent to c · tanh(z / c); nil: they are not.
    public let cap: Float?

    /// A matrix that is declared elsewhere, because it may be an embedding's table.
    public init(
        _ scope: ParameterScope, _ weight: Parameter, bias: Parameter? = nil, scale: Float = 1, cap: Float? = nil
    ) {
        path = scope.path
        self.weight = weight
        self.bias = bias
        self.scale = scale
        self.cap = cap
    }

    /// The map to a few classes, as one that has a loss.
    public init(_ linear: Linear) {
        path = linear.path
        weight = linear.weight
        bias = linear.bias
        scale = 1
        cap = nil
    }

    /// Returns the logits of `states`.
    public func callAsFunction(_ states: Tensor) -> Tensor {
        states.trace.at(path) {
            let logits = scaled(states).linear(weight, bias)
            return cap.map { logits.capped(at: $0) } ?? logits
        }
    }

    /// Records the cross-entropy of the logits of `states` against `targets`.
    ///
    /// Logits never exist in full. The gradient is scaled by `scale`, by default the trace's `lossScale`.
    public func loss(
        _ states: Tensor, targets: Targets, smoothing: Float = 0, scale: RuntimeScalar? = nil
    ) -> LossReadout {
        states.trace.at(path) {
            scaled(states).crossEntropy(weight, bias, targets: targets, cap: cap, smoothing: smoothing, scale: scale)
        }
    }

    private func scaled(_ states: Tensor) -> Tensor { scale == 1 ? states : states.scaled(by: scale) }
}
