#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A set of matrices that a loss depends on, each with a name: what gradients and optimisers walk over.
public protocol NamedParameters {
    /// The matrices by name, in a fixed order.
    static var fields: [(name: String, path: WritableKeyPath<Self, Matrix>)] { get }
}

extension NamedParameters {
    /// The gradient of `loss` by central differences, `(L(θ + h) − L(θ − h)) / 2h`, one element after the other.
    ///
    /// Independent of every formula for gradients, and therefore a check of them. Its error is about h² · L‴ / 6 from
    /// the curve and ε · L / h from rounding, which h = 10⁻⁵ balances near 10⁻¹¹.
    /// Cost: two losses per element.
    public func centralDifferences(step h: Double = 1e-5, of loss: (Self) -> Double) -> Self {
        var result = self
        for (_, path) in Self.fields {
            for index in self[keyPath: path].values.indices {
                var moved = self
                moved[keyPath: path].values[index] += h
                let above = loss(moved)
                moved[keyPath: path].values[index] = self[keyPath: path].values[index] - h
                let below = loss(moved)
                result[keyPath: path].values[index] = (above - below) / (2 * h)
            }
        }
        return result
    }

    /// The same set with zeros.
    public var zeros: Self {
        var result = self
        for (_, path) in Self.fields { result[keyPath: path] = 0 * self[keyPath: path] }
        return result
    }
}

/// The optimiser AdamW: running means of the gradient and its square set each element's own pace.
///
/// ```
/// θ ← θ − lr · λ · θ                                  weight decay, apart from the gradient
/// m ← β₁ m + (1 − β₁) g      v ← β₂ v + (1 − β₂) g²
/// θ ← θ − lr · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
/// ```
/// Sources: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2. With λ = 0 it is Adam.
public struct AdamW<Parameters: NamedParameters> {
    /// The step length.
    public var learningRate = 0.01
    /// How slowly the mean of the gradient forgets.
    public var beta1 = 0.9
    /// How slowly the mean of its square forgets.
    public var beta2 = 0.999
    /// What keeps the division finite.
    public var epsilon = 1e-8
    /// The share of the learning rate by which weights shrink.
    public var weightDecay = 0.01
    /// The steps taken.
    public private(set) var steps = 0
    private var mean: Parameters
    private var square: Parameters

    /// An optimiser that has not seen a gradient.
    public init(for parameters: Parameters) {
        mean = parameters.zeros
        square = parameters.zeros
    }

    /// Moves the parameters one step down their gradient.
    public mutating func update(_ parameters: inout Parameters, gradient: Parameters) {
        steps += 1
        let correction1 = 1 - pow(beta1, Double(steps))
        let correction2 = 1 - pow(beta2, Double(steps))
        for (_, path) in Parameters.fields {
            let g = gradient[keyPath: path]
            mean[keyPath: path] = beta1 * mean[keyPath: path] + (1 - beta1) * g
            square[keyPath: path] = beta2 * square[keyPath: path] + (1 - beta2) * g.map { $0 * $0 }
            let step = mean[keyPath: path].combined(with: square[keyPath: path]) { m, v in
                (m / correction1) / ((v / correction2).squareRoot() + epsilon)
            }
            parameters[keyPath: path] =
                (1 - learningRate * weightDecay) * parameters[keyPath: path] - learningRate * step
        }
    }
}
