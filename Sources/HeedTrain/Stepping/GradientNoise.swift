/// How much the gradients of parts of a step differ: how large a batch is worth its price.
///
/// A mean gradient over b targets has `E|g|² = |G|² + tr Σ/b`. From the norms of the shards' gradients and of their mean
/// both unknowns follow; `tr Σ/|G|²` is the noise scale in targets (McCandlish et al. 2018, "An Empirical Model of
/// Large-Batch Training", appendix A.1). Far below it a batch twice as large saves nearly half of the steps, far above it
/// next to none.
public struct GradientNoise: Sendable, Equatable {
    /// |G|².
    public var signal = 0.0
    /// tr Σ.
    public var noise = 0.0

    /// How much of the mean over the last steps stays in a step: single estimates vary too much, and may be negative.
    private static let memory = 0.98

    /// Nothing is known.
    init() {}

    /// What one step says.
    ///
    /// - Parameters:
    ///   - parts: the squared norm of each shard's gradient, of a sum over targets divided by the targets of the step,
    ///     with the targets of the shard.
    ///   - whole: the squared norm of their sum.
    /// - Returns: nil where fewer than two shards have targets.
    init?(parts: [(squares: Double, targets: Int)], whole: Double) {
        let parts = parts.filter { $0.targets > 0 }
        guard parts.count > 1 else { return nil }
        let total = Double(parts.reduce(0) { $0 + $1.targets })
        var (small, inverse) = (0.0, 0.0)
        for part in parts {
            let growth = total / Double(part.targets)
            small += part.squares * growth * growth / Double(parts.count)
            inverse += 1 / Double(part.targets) / Double(parts.count)
        }
        noise = (small - whole) / (inverse - 1 / total)
        signal = whole - noise / total
    }

    /// Takes the estimate of another step.
    mutating func take(_ other: GradientNoise) {
        signal = GradientNoise.memory * signal + (1 - GradientNoise.memory) * other.signal
        noise = GradientNoise.memory * noise + (1 - GradientNoise.memory) * other.noise
    }

    /// The noise scale in targets; nil while the estimates say nothing.
    public var scale: Double? { signal > 0 && noise > 0 ? noise / signal : nil }
}
