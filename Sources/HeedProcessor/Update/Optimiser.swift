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
    /// `V ← β V + (1 − β)(g² + 10⁻³⁰)` with `β = 1 − t^−0.8`, of which a matrix keeps only the means R of rows and C of
    /// columns, `V ≈ R · Cᵀ/mean(R)`; `u = g/√V`; `θ ← θ − η·λ·θ − η · u/max(1, RMS(u))` (Shazeer and Stern 2018,
    /// "Adafactor"), the rate being that of the schedule: `relative_step`, `scale_parameter` and `warmup_init` of
    /// transformers' Adafactor are off, and there is no first moment. Memory: a number per row and per column.
    case adafactor
    /// `m ← β₁m + (1 − β₁)g; u = (1 − β₁)g + β₁m; θ ← θ − η·λ·θ − η · 0.2·√max(rows, columns) · O(u)` for the matrices
    /// between embeddings and output, O(u) being about the nearest matrix with singular values of 1, by five rounds of
    /// Newton and Schulz (Jordan et al. 2024, "Muon"; the factor, with which a rate for AdamW fits, is that of Liu et al.
    /// 2025). Embeddings, norms, offsets and output take steps of AdamW. Memory: a moment, two where AdamW steps.
    case muon

    /// How many numbers per trained number it remembers, room for them at least.
    public var moments: Int {
        switch self {
        case .adamW, .adam, .muon: 2
        case .lion, .sgd: 1
        case .adafactor: 0
        }
    }
}

/// A tensor that an optimiser sees as a whole.
public struct OptimisedTensor: Sendable, Equatable {
    /// Its elements among those of all parameters: blocks of whole rows, in order.
    public let places: [Range<Int>]
    /// The length of a row; nil: it is a vector.
    public let columns: Int?
    /// Whether it is a matrix between embeddings and output.
    public let isHidden: Bool

    /// A matrix of rows of `columns` numbers, or a vector.
    public init(places: [Range<Int>], columns: Int?, isHidden: Bool) {
        self.places = places
        self.columns = columns
        self.isHidden = isHidden
    }

    /// How many numbers it has.
    public var count: Int { places.reduce(0) { $0 + $1.count } }
    /// How many rows it has; a vector is one.
    var rows: Int { columns.map { count / max($0, 1) } ?? 1 }
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
