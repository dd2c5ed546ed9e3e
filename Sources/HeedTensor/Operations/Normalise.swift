import CHeedKernels

/// The two published normalisations of a row.
public enum NormKind: Sendable, Equatable {
    /// `γ ⊙ (x − μ)/√(σ² + ε) + β`, σ² the biased variance (Ba et al. 2016, "Layer Normalization").
    case layer
    /// `γ ⊙ x/√(mean(x²) + ε)` (Zhang and Sennrich 2019).
    case rootMeanSquare

    var code: Int32 { self == .layer ? Int32(HEED_LAYER_NORM.rawValue) : Int32(HEED_RMS_NORM.rawValue) }
}

/// `y = γ ⊙ x̂ + β` with x̂ the normalised row.
struct NormaliseOperation: Operation {
    let kind: NormKind
    let gain: Parameter?
    let offset: Parameter?
    let epsilon: Float
    let width: Int

    var name: String { kind == .layer ? "layer norm" : "root mean square norm" }
    var formula: String {
        kind == .layer ? "y = γ ⊙ (x − μ)/√(σ² + ε) + β" : "y = γ ⊙ x/√(mean(x²) + ε)"
    }
    var gradientFormula: String {
        kind == .layer
            ? "g = ∂y ⊙ γ; ∂x = (g − mean(g) − x̂ · mean(g ⊙ x̂))/σ; ∂γ += Σ ∂y ⊙ x̂; ∂β += Σ ∂y"
            : "g = ∂y ⊙ γ; ∂x = (g − x̂ · mean(g ⊙ x̂))/rms; ∂γ += Σ ∂y ⊙ x̂"
    }
    var parameters: [Parameter] { [gain, offset].compactMap { $0 } }
    var auxiliaries: [Int] { [1, 1] }
    var gradientInputs: [Int] { [0] }

    func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 8 * Double(width), bytes: 8 * Double(width))
    }

    func forward(_ binder: Binder) {
        binder.emit(
            binder.kernels.norm,
            heed_norm(
                window: binder.window, x: binder.input(0), residual: nil, sum: nil, gain: binder.value(gain),
                offset: binder.value(offset), y: binder.output, mean: binder.auxiliary(0), scale: binder.auxiliary(1),
                columns: Int32(width), kind: kind.code, epsilon: epsilon),
            rows: binder.rows, cost: cost(rows: 1))
    }

    func backward(_ binder: Binder) {
        guard let dy = binder.outputGradient else { return }
        if let dgain = binder.gradient(gain) {
            binder.emit(
                binder.kernels.norm_weight_gradient,
                heed_norm_weight_gradient(
                    window: binder.window, dy: dy, x: binder.input(0), mean: binder.auxiliary(0),
                    scale: binder.auxiliary(1), dgain: dgain, doffset: binder.gradient(offset),
                    columns: Int32(width), kind: kind.code),
                rows: binder.rows, cost: cost(rows: 1))
        }
        if let dx = binder.inputGradient(0) {
            binder.emit(
                binder.kernels.norm_input_gradient,
                heed_norm_input_gradient(
                    window: binder.window, dy: dy, x: binder.input(0), gain: binder.value(gain),
                    mean: binder.auxiliary(0), scale: binder.auxiliary(1), dx: dx.pointer, columns: Int32(width),
                    kind: kind.code, accumulate: dx.accumulate ? 1 : 0),
                rows: binder.rows, cost: 2 * cost(rows: 1))
        }
    }
}

extension Tensor {
    /// Returns the rows normalised: `[rows, C] → [rows, C]`. Cost: about 8 operations an element.
    public func normalised(_ kind: NormKind, gain: Parameter?, offset: Parameter?, epsilon: Float) -> Tensor {
        trace.record(
            NormaliseOperation(kind: kind, gain: gain, offset: offset, epsilon: epsilon, width: columns), [self],
            rows: rows, columns: columns)
    }
}
