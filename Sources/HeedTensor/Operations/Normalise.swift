/// The two published normalisations of a row.
public enum NormKind: Sendable, Equatable {
    /// `γ ⊙ (x − μ)/√(σ² + ε) + β`, σ² the biased variance (Ba et al. 2016, "Layer Normalization").
    case layer
    /// `γ ⊙ x/√(mean(x²) + ε)` (Zhang and Sennrich 2019).
    case rootMeanSquare
}

/// `y = γ ⊙ x̂ + β` with x̂ the normalised row.
public struct NormaliseOperation: TensorOperation {
    /// Which normalisation.
    public let kind: NormKind
    /// γ.
    public let gain: Parameter?
    /// β.
    public let offset: Parameter?
    /// ε.
    public let epsilon: Float
    /// Columns.
    public let width: Int

    public var name: String { kind == .layer ? "layer norm" : "root mean square norm" }
    public var formula: String {
        kind == .layer ? "y = γ ⊙ (x − μ)/√(σ² + ε) + β" : "y = γ ⊙ x/√(mean(x²) + ε)"
    }
    public var gradientFormula: String {
        kind == .layer
            ? "g = ∂y ⊙ γ; ∂x = (g − mean(g) − x̂ · mean(g ⊙ x̂))/σ; ∂γ += Σ ∂y ⊙ x̂; ∂β += Σ ∂y"
            : "g = ∂y ⊙ γ; ∂x = (g − x̂ · mean(g ⊙ x̂))/rms; ∂γ += Σ ∂y ⊙ x̂"
    }
    public var parameters: [Parameter] { [gain, offset].compactMap { $0 } }
    /// Mean and factor of every row.
    public var auxiliaries: [Int] { [1, 1] }
    public var gradientInputs: [Int] { [0] }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        try gain?.requireCount(inputs[0].columns, "the gain")
        try offset?.requireCount(inputs[0].columns, "the offset")
        return inputs[0]
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 8 * Double(width), bytes: 8 * Double(width))
    }
}

extension Tensor {
    /// Returns the rows normalised: `[rows, C] → [rows, C]`. Cost: about 8 operations an element.
    public func normalised(_ kind: NormKind, gain: Parameter?, offset: Parameter?, epsilon: Float) -> Tensor {
        trace.record(
            NormaliseOperation(kind: kind, gain: gain, offset: offset, epsilon: epsilon, width: columns), [self])
    }
}
