/// Which rows `GatherOperation` picks.
public enum PickedRows: Sendable {
    /// `outputRows` of the batch.
    case outputs(TokenBatch)
    /// The first row of every sequence of the batch.
    case firsts(TokenBatch)

    /// The batch whose rows are picked from.
    public var batch: TokenBatch {
        switch self {
        case .outputs(let batch), .firsts(let batch): batch
        }
    }

    /// How many rows are picked.
    public var count: RowCount {
        switch self {
        case .outputs(let batch): batch.outputs
        case .firsts(let batch): batch.sequences
        }
    }

    /// The picked rows, `count` of them.
    package var index: UnsafeMutablePointer<Int32> {
        switch self {
        case .outputs(let batch): batch.outputRows
        case .firsts(let batch): batch.offsets
        }
    }
}

/// `y[i] = x[index[i]]`: picks rows.
public struct GatherOperation: TensorOperation {
    /// What is picked.
    public let picked: PickedRows
    /// The rows that are picked from.
    public let source: RowCount
    /// Columns.
    public let width: Int

    public var name: String { "pick rows" }
    public var formula: String { "y[i] = x[index[i]]" }
    public var gradientFormula: String { "∂x[index[i]] += ∂y[i]" }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        try inputs.require(0, columns: width, rows: picked.batch.rows)
        return Shape(picked.count, width)
    }

    public func cost(rows: Int) -> Cost { Double(rows) * Cost(bytes: 8 * Double(width)) }
}

extension Tensor {
    /// Returns the rows of `batch.outputRows`: `[rows, C] → [outputs, C]`.
    public func outputs(of batch: TokenBatch) -> Tensor { picking(.outputs(batch)) }

    /// Returns the first row of each sequence of `batch`: `[rows, C] → [sequences, C]`.
    public func firsts(of batch: TokenBatch) -> Tensor { picking(.firsts(batch)) }

    private func picking(_ picked: PickedRows) -> Tensor {
        trace.record(GatherOperation(picked: picked, source: rows, width: columns), [self])
    }
}
