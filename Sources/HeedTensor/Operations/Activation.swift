/// The functions between and inside layers, as published configurations name them.
public enum Activation: String, Sendable, CaseIterable {
    /// x
    case identity
    /// max(x, 0)
    case relu
    /// x · Φ(x) = x/2 · (1 + erf(x/√2)) (Hendrycks and Gimpel 2016)
    case gelu
    /// x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³))) (the same, section 2)
    case geluTanh
    /// x · σ(1.702·x) (the same)
    case quickGelu
    /// x · σ(x) (Elfwing et al. 2017)
    case silu
    /// tanh x
    case tanh
    /// σ(x) = 1 / (1 + e⁻ˣ)
    case sigmoid
    /// max(x, 0)² (So et al. 2021)
    case reluSquared
    /// log(1 + eˣ)
    case softplus
}
