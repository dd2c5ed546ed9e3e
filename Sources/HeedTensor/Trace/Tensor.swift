/// A value of a trace: rows (known at run time) by columns. Nothing is computed when operations are called on it.
public struct Tensor {
    let trace: Trace
    let id: Int
    /// The number of rows, read at run time.
    public let rows: RowCount
    /// The length of the last axis.
    public let columns: Int

    /// Names the value, so that its numbers (and its gradient, in training) stay readable after a pass.
    @discardableResult
    public func observed(as name: String) -> Tensor {
        trace.observe(self, as: name)
        return self
    }
}
