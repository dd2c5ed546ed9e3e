/// The rows that positions add to embeddings.
public enum PositionRows: Sendable {
    /// Learned rows; position 0 reads row `first`, because some published tables begin with rows of another use.
    case learned(Parameter, first: Int = 0)
    /// The same numbers in every pass, [1 + positions, C]: row 0 is zero and for position −1, that of ids without one.
    case fixed(ConstantTable)
}

/// `y[r] = s · E[ids[r]] + P[positions[r]] + S[types[r]]`.
public struct EmbedOperation: TensorOperation {
    /// Whose ids, positions and types are looked up.
    public let batch: TokenBatch
    /// `E [V, C]`.
    public let table: Parameter
    /// `P`.
    public let positions: PositionRows?
    /// `S [types, C]`.
    public let typeTable: Parameter?
    /// s.
    public let scale: Float
    /// The id whose row gets no gradient.
    public let padding: Int?

    /// C.
    public var width: Int { table.shape.last ?? 0 }
    /// V.
    public var vocabulary: Int { table.shape.first ?? 0 }
    /// The learned rows of positions, where there are some, and the row of position 0.
    public var learnedPositions: (table: Parameter, first: Int)? {
        guard case .learned(let table, let first)? = positions else { return nil }
        return (table, first)
    }
    public var name: String { "embed" }
    public var formula: String {
        "y = " + (scale == 1 ? "" : "s · ") + "E[id]" + (positions == nil ? "" : " + P[position]")
            + (typeTable == nil ? "" : " + S[type]")
    }
    public var gradientFormula: String {
        "∂E[id] += s · ∂y" + (learnedPositions == nil ? "" : "; ∂P[position] += ∂y")
            + (typeTable == nil ? "" : "; ∂S[type] += ∂y")
    }
    public var parameters: [Parameter] { [table, learnedPositions?.table, typeTable].compactMap { $0 } }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 0)
        let width = try table.matrix("the table").columns
        for other in [learnedPositions?.table, typeTable] {
            guard let other else { continue }
            let columns = try other.matrix("the table").columns
            guard columns == width else {
                throw ShapeMismatch("the table \(other.name)", expected: "\(width) columns", got: "\(columns)")
            }
        }
        return Shape(batch.rows, width)
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: Double(width), bytes: 12 * Double(width))
    }
}

extension Trace {
    /// Returns `s · E[ids] + P[positions] + S[types]` for the tokens of `batch`: `[rows, C]`.
    ///
    /// Lookups of the id `padding` give its row no gradient.
    public func embed(
        _ batch: TokenBatch, table: Parameter, positions: PositionRows? = nil, types: Parameter? = nil,
        scale: Float = 1, padding: Int? = nil
    ) -> Tensor {
        record(
            EmbedOperation(
                batch: batch, table: table, positions: positions, typeTable: types, scale: scale, padding: padding),
            [])
    }

    /// The rows of `sinusoids` for the positions of this trace, made once.
    public func rows(of sinusoids: SinusoidalPositions, width: Int) -> PositionRows {
        let count = maximumLength
        return .fixed(table("\(sinusoids) \(width)") { sinusoids.table(count: count, width: width) })
    }
}
