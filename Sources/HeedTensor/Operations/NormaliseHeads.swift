/// Heads within a row that are normalised with one gain: `count` of them, of `width` columns each, from column `first`.
public struct NormedHeads: Sendable {
    /// The first column.
    public let first: Int
    /// How many heads.
    public let count: Int
    /// Columns of a head.
    public let width: Int
    /// γ [width].
    public let gain: Parameter

    /// Heads and their gain.
    public init(first: Int, count: Int, width: Int, gain: Parameter) {
        self.first = first
        self.count = count
        self.width = width
        self.gain = gain
    }

    /// The columns of all its heads.
    public var columns: Range<Int> { first..<first + count * width }
}

/// `h ← γ ⊙ h/√(mean(h²) + ε)` for each head h of some; other columns stay (Henry et al. 2020, "Query-Key Normalization").
public struct NormaliseHeadsOperation: TensorOperation {
    /// What is normalised, in the order of the columns.
    public let heads: [NormedHeads]
    /// ε.
    public let epsilon: Float
    /// Columns of a row.
    public let width: Int

    public var name: String { "norms of heads" }
    public var formula: String { "h ← γ ⊙ h/√(mean(h²) + ε)" }
    public var gradientFormula: String { "g = ∂y ⊙ γ; ∂h = (g − ĥ · mean(g ⊙ ĥ))/rms; ∂γ += Σ ∂y ⊙ ĥ" }
    public var parameters: [Parameter] { heads.map(\.gain) }
    /// The factor of every head.
    public var auxiliaries: [Int] { [heads.reduce(0) { $0 + $1.count }] }
    public var gradientInputs: [Int] { [0] }

    /// The columns that stay as they are.
    public var others: [Range<Int>] {
        var ranges: [Range<Int>] = []
        var next = 0
        for columns in heads.map(\.columns) + [width..<width] {
            if columns.lowerBound > next { ranges.append(next..<columns.lowerBound) }
            next = columns.upperBound
        }
        return ranges
    }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        var next = 0
        for group in heads {
            try group.gain.requireCount(group.width, "the gain")
            guard group.first >= next, group.columns.upperBound <= inputs[0].columns else {
                throw ShapeMismatch(
                    "the heads", expected: "columns from \(next) to \(inputs[0].columns), in order",
                    got: "\(group.columns)")
            }
            next = group.columns.upperBound
        }
        return inputs[0]
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 6 * Double(width), bytes: 8 * Double(width))
    }
}

extension Tensor {
    /// Returns the rows with some heads normalised. Cost: about 6 operations an element.
    public func headsNormalised(_ heads: [NormedHeads], epsilon: Float) -> Tensor {
        trace.record(NormaliseHeadsOperation(heads: heads, epsilon: epsilon, width: columns), [self])
    }
}
