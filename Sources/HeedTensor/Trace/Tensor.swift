/// A value of a trace: rows (known at run time) by columns. Nothing is computed when operations are called on it.
public struct Tensor {
    /// The trace that the value is recorded in.
    public let trace: Trace
    let id: Int
    /// Rows and columns.
    public let shape: Shape

    /// The number of rows, read at run time.
    public var rows: RowCount { shape.rows }
    /// The length of the last axis.
    public var columns: Int { shape.columns }

    /// Names the value, so that its numbers (and its gradient, in training) stay readable after a pass.
    @discardableResult
    public func observed(as name: String) -> Tensor {
        trace.observe(id, as: name)
        return self
    }

    /// Keeps the value readable after a pass, and returns the key to it.
    public func kept() -> KeptTensor {
        let name = "kept \(id)"
        trace.observe(id, as: name)
        return KeptTensor(name: name, shape: shape)
    }
}

/// The key to a value that a pass keeps readable.
public struct KeptTensor: Sendable {
    let name: String
    /// Rows and columns.
    public let shape: Shape
}
