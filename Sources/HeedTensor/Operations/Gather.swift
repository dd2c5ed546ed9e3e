import CHeedKernels

/// `y[i] = x[index[i]]`: picks rows.
struct GatherOperation: Operation {
    let index: UnsafeMutablePointer<Int32>
    let picked: RowCount
    let source: RowCount
    let width: Int
    var name: String { "pick rows" }
    var formula: String { "y[i] = x[index[i]]" }
    var gradientFormula: String { "∂x[index[i]] += ∂y[i]" }
    func cost(rows: Int) -> Cost { Double(rows) * Cost(bytes: 8 * Double(width)) }

    func forward(_ binder: Binder) {
        binder.emit(
            binder.kernels.gather,
            heed_gather(
                count: picked.pointer, index: index, x: binder.input(0), y: binder.output, columns: Int32(width)),
            rows: picked, cost: cost(rows: 1))
    }

    func backward(_ binder: Binder) {
        guard let dy = binder.outputGradient, let dx = binder.inputGradient(0) else { return }
        if !dx.accumulate {
            let bytes = source.capacity * width * 4
            binder.emit(
                binder.kernels.zero, heed_zero(memory: UnsafeMutableRawPointer(dx.pointer), bytes: Int64(bytes)),
                rows: nil, cost: Cost(bytes: Double(bytes)))
        }
        binder.emit(
            binder.kernels.gather_gradient,
            heed_gather(count: picked.pointer, index: index, x: dy, y: dx.pointer, columns: Int32(width)),
            rows: picked, cost: cost(rows: 1))
    }
}

extension Tensor {
    /// Returns the rows of `batch.outputRows`: `[rows, C] → [outputs, C]`.
    public func outputs(of batch: TokenBatch) -> Tensor {
        trace.record(
            GatherOperation(index: batch.outputRows, picked: batch.outputs, source: rows, width: columns), [self],
            rows: batch.outputs, columns: columns)
    }

    /// Returns the first row of each sequence of `batch`: `[rows, C] → [sequences, C]`.
    public func firsts(of batch: TokenBatch) -> Tensor {
        trace.record(
            GatherOperation(index: batch.offsets, picked: batch.sequences, source: rows, width: columns), [self],
            rows: batch.sequences, columns: columns)
    }
}
