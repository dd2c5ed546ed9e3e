import HeedTensor

/// A rule that turns gradients into changes of the weights; η is the rate, λ the decay, g the clipped gradient.
public enum Optimiser: String, Sendable, CaseIterable {
    /// `θ ← θ − η·λ·θ; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; θ ← θ − η · m̂/(√v̂ + ε)`, m̂ and v̂ being m and v
    /// divided by 1 − β₁ᵗ and 1 − β₂ᵗ (Loshchilov and Hutter 2019, algorithm 2).
    case adamW = "adamw"
    /// The same, but the decay is a part of the gradient, `g + λ·θ` (Kingma and Ba 2015).
    case adam
    /// `θ ← θ − η·λ·θ − η · sign(β₁m + (1 − β₁)g); m ← β₂m + (1 − β₂)g` (Chen et al. 2023, "Symbolic Discovery of
    /// Optimization Algorithms"). Memory: one moment.
    case lion
    /// `m ← β₁m + (g + λ·θ); θ ← θ − η·m`: stochastic gradient descent with momentum, as PyTorch has it. Memory: one
    /// moment.
    case sgd

    /// How many numbers per trained number it remembers.
    public var moments: Int {
        switch self {
        case .adamW, .adam: 2
        case .lion, .sgd: 1
        }
    }
}

/// What an optimiser remembers: one number per trained number, or per number of a slice of them.
public final class MomentBuffer {
    /// The trained numbers that it is of, by their place in the layout.
    public let range: Range<Int>
    private let memory: AlignedMemory

    /// Zeros.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    init(_ range: Range<Int>) throws {
        self.range = range
        memory = try AlignedMemory(byteCount: max(range.count, 1) * MemoryLayout<Float>.stride)
    }

    /// The numbers in order.
    public var values: UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: memory.floats, count: range.count)
    }
}
