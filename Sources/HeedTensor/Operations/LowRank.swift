/// `y[:, first ..< first + out] += h · Bᵀ`: the second half of a low-rank update, added to the product that it updates.
///
/// Input 0 `[rows, width]` is written over, input 1 is `h [rows, r]`; `B [out, r]`.
public struct LowRankOperation: TensorOperation {
    /// B.
    public let weight: Parameter
    /// The first column that is added to.
    public let first: Int
    /// Columns of input 0.
    public let width: Int

    /// out.
    public var outColumns: Int { weight.shape.first ?? 0 }
    /// r.
    public var rank: Int { weight.shape.last ?? 0 }

    public var name: String { "low-rank update" }
    public var formula: String { "y[:, \(first)…] += h · Bᵀ" }
    public var gradientFormula: String { "∂h = ∂y[:, \(first)…] · B; ∂B += ∂y[:, \(first)…]ᵀ · h" }
    public var parameters: [Parameter] { [weight] }
    public var gradientInputs: [Int] { [1] }
    public var inPlace: Bool { true }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        let (out, rank) = try weight.matrix("the update")
        try inputs.require(count: 2)
        try inputs.require(1, columns: rank, rows: inputs[0].rows)
        guard first >= 0, first + out <= inputs[0].columns else {
            throw ShapeMismatch(
                "the update", expected: "at most \(inputs[0].columns) columns", got: "columns \(first)..<\(first + out)"
            )
        }
        guard rank <= LowRankUpdate.largestRank else {
            throw ShapeMismatch(
                "the update", expected: "a rank of at most \(LowRankUpdate.largestRank)", got: "\(rank)")
        }
        return inputs[0]
    }

    public func cost(rows: Int) -> Cost {
        Double(rows)
            * Cost(operations: 2 * Double(rank) * Double(outColumns), bytes: 4 * Double(rank + 2 * outColumns))
    }
}

extension Tensor {
    /// Returns the product `self` of `x` and a matrix with `updates` of that matrix added.
    ///
    /// Cost: 2 · rows · r · (in + out) operations for each, three times that with gradients.
    func adding(_ updates: [LowRankUpdate], of x: Tensor) -> Tensor {
        updates.reduce(self) { y, update in
            let narrow = x.dropped(update.dropout).linear(update.down)  // [rows, r]
            let scaled = update.scale == 1 ? narrow : narrow.scaled(by: update.scale)
            return trace.record(
                LowRankOperation(weight: update.up, first: update.firstRow, width: columns), [y, scaled])
        }
    }

    /// Returns `self`, the rows of the tokens of `batch` in `table` times `scale`, with the updates of its look-ups added.
    public func addingUpdates(ofLookups batch: TokenBatch, in table: Parameter, scale: Float, padding: Int?) -> Tensor {
        (trace.lookups[table.index] ?? []).reduce(self) { y, update in
            let narrow = trace.embed(batch, table: update.down, padding: padding)  // [rows, r]
            let factor = update.scale * scale
            return trace.record(
                LowRankOperation(weight: update.up, first: update.firstRow, width: columns),
                [y, factor == 1 ? narrow : narrow.scaled(by: factor)])
        }
    }
}
