import HeedTensor

/// A normalisation of each row with a learned gain and, for the layer norm, a learned offset.
///
/// `[rows, C] → [rows, C]`. Formulas at `NormKind`.
public struct Norm: Sendable {
    /// Where the layer stands in the model.
    public let path: String
    /// Layer norm or root-mean-square norm.
    public let kind: NormKind
    /// Gain [C].
    public let gain: Parameter
    /// Offset [C], in layer norm.
    public let offset: Parameter?
    /// Added to the variance (or mean square) before the root.
    public let epsilon: Float

    /// Declares gain 1 and offset 0 of `width` numbers in `scope`.
    public init(_ scope: ParameterScope, _ kind: NormKind, width: Int, epsilon: Float, offset: Bool? = nil) {
        path = scope.path
        self.kind = kind
        self.epsilon = epsilon
        gain = scope.parameter("gain", [width], .ones)
        self.offset = offset ?? (kind == .layer) ? scope.parameter("offset", [width], .zeros) : nil
    }

    /// Returns the rows normalised.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.normalised(kind, gain: gain, offset: offset, epsilon: epsilon)
    }
}
