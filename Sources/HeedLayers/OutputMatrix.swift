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
    /// Whether training moves b.
    public let trainsBias: Bool
    /// s.
    public let scale: Float

    /// A matrix that is declared elsewhere, because it may be an embedding's table.
    public init(
        _ scope: ParameterScope, _ weight: Parameter, bias: Parameter? = nil, trainsBias: Bool = true, scale: Float = 1
    ) {
        path = scope.path
        self.weight = weight
        self.bias = bias
        self.trainsBias = trainsBias
        self.scale = scale
    }

    /// The map to a few classes, as one that has a loss.
    public init(_ linear: Linear) {
        path = linear.path
        weight = linear.weight
        bias = linear.bias
        trainsBias = true
        scale = 1
    }

    /// Returns the logits of `states`.
    public func callAsFunction(_ states: Tensor) -> Tensor { scaled(states).linear(weight, bias) }

    /// Records the cross-entropy of the logits of `states` against `targets`, one id per row.
    ///
    /// Logits never exist in full. The gradient is scaled by `scale`, by default the trace's `lossScale`.
    public func loss(
        _ states: Tensor, targets: UnsafeMutablePointer<Int32>, smoothing: Float = 0, scale: RuntimeScalar? = nil
    ) -> LossReadout {
        scaled(states).crossEntropy(
            weight, bias, trainsBias: trainsBias, targets: targets, smoothing: smoothing, scale: scale)
    }

    private func scaled(_ states: Tensor) -> Tensor { scale == 1 ? states : states.scaled(by: scale) }
}
