/// The functions between and inside layers, as published configurations name them.
public enum Activation: String, Sendable, CaseIterable {
    case identity, relu, gelu, geluTanh, quickGelu, silu, tanh, sigmoid, reluSquared, softplus
}
