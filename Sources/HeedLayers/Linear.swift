import HeedTensor

/// An affine map of the last axis: `y = x · Wᵀ + b`.
///
/// `x [rows, in]`, `weight [out, in]`, `bias [out]`, `y [rows, out]`.
/// Cost: 2 · rows · in · out floating-point operations; twice that for the gradient.
public struct Linear: Sendable {
    /// Where the layer stands in the model.
    public let path: String
    /// The matrix `W`, stored output-first as PyTorch and safetensors store it.
    public let weight: Parameter
    /// The offset `b`, or nil for a pure matrix product.
    public let bias: Parameter?

    /// Declares `weight` and, unless left out, `bias` in `scope`.
    public init(
        _ scope: ParameterScope, in width: Int, out: Int, bias: Bool = true, initial: Initialiser = .normal(0.02)
    ) {
        path = scope.path
        weight = scope.parameter("weight", [out, width], initial)
        self.bias = bias ? scope.parameter("bias", [out], .zeros) : nil
    }

    /// Returns `residual + f(x · Wᵀ + b)`.
    public func callAsFunction(
        _ x: Tensor, activation: Activation = .identity, adding residual: Tensor? = nil
    ) -> Tensor {
        x.trace.at(path) { x.linear(weight, bias, activation: activation, adding: residual) }
    }
}

extension Linear {
    /// Returns `residual + s · dropped(x · Wᵀ + b)`: in one operation when nothing is dropped and s is 1.
    func answering(_ x: Tensor, adding residual: Tensor?, dropout: Float, scale: Float = 1) -> Tensor {
        if scale != 1 {
            let answer = self(x).dropped(dropout)
            return residual.map { answer.scaled(by: scale, adding: $0) } ?? answer.scaled(by: scale)
        }
        guard dropout > 0 else { return self(x, adding: residual) }
        return self(x).dropped(dropout, adding: residual)
    }
}
