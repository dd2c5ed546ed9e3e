/// What an adapter adds to a matrix that stays as it is: `W + s · B · A` (Hu et al. 2021, "LoRA").
///
/// A product with W gives `x · Wᵀ + s · (x · Aᵀ) · Bᵀ`: the sum of the matrices never exists. A look-up in a table E
/// gives `E[id] + s · Aᵀ[id] · Bᵀ`.
public struct LowRankUpdate: Sendable {
    /// A `[r, in]`; of look-ups Aᵀ `[ids, r]`.
    public let down: Parameter
    /// B `[rows, r]`.
    public let up: Parameter
    /// The first row of W that it adds to: several published matrices may be rows of one.
    public let firstRow: Int
    /// s.
    public let scale: Float
    /// Rate at which its input is dropped in training.
    public let dropout: Float

    /// The largest r: sums over it stay within one block of the kernels, so that they can be added in place.
    public static let largestRank = 768

    /// An update of the rows `firstRow ..< firstRow + rows` of a matrix, rows being those of `up`.
    public init(down: Parameter, up: Parameter, firstRow: Int, scale: Float, dropout: Float = 0) {
        self.down = down
        self.up = up
        self.firstRow = firstRow
        self.scale = scale
        self.dropout = dropout
    }
}

extension ParameterScope {
    /// Says that every product with `matrix` has `update` added.
    public func update(_ matrix: Parameter, with update: LowRankUpdate) { registry.add(update, to: matrix) }

    /// Says that every look-up in `table` has `update` added; products with the table, as an output matrix, have not.
    public func updateLookups(in table: Parameter, with update: LowRankUpdate) {
        registry.add(update, toLookupsIn: table)
    }
}
