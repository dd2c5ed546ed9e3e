import CHeedKernels

/// `y = r + m ⊙ x/(1 − p)`, m a mask of the step's random numbers (Srivastava et al. 2014).
struct DropOperation: Operation {
    let rate: Float
    let purpose: UInt32
    let addsResidual: Bool
    let width: Int
    var name: String { "dropout" }
    var formula: String { (addsResidual ? "y = r + " : "y = ") + "m ⊙ x/(1 − p)" }
    var gradientFormula: String { "∂x = m ⊙ ∂y/(1 − p)" + (addsResidual ? "; ∂r = ∂y" : "") }
    var passThrough: Int? { addsResidual ? 1 : nil }
    func cost(rows: Int) -> Cost { Double(rows) * Cost(operations: 30 * Double(width), bytes: 12 * Double(width)) }

    func forward(_ binder: Binder) {
        emit(binder, binder.input(0), addsResidual ? binder.input(1) : nil, binder.output, accumulate: false)
    }

    func backward(_ binder: Binder) {
        guard let dy = binder.outputGradient, let dx = binder.inputGradient(0) else { return }
        emit(binder, dy, nil, dx.pointer, accumulate: dx.accumulate)
    }

    private func emit(
        _ binder: Binder, _ x: UnsafeMutablePointer<Float>, _ residual: UnsafeMutablePointer<Float>?,
        _ y: UnsafeMutablePointer<Float>, accumulate: Bool
    ) {
        binder.emit(
            binder.kernels.dropout,
            heed_dropout(
                window: binder.window, x: x, residual: residual, y: y, columns: Int32(width), rate: rate,
                purpose: purpose, accumulate: accumulate ? 1 : 0, random: binder.trace.randomState.pointer),
            rows: binder.rows, cost: cost(rows: 1))
    }
}

extension Tensor {
    /// Returns `residual + dropped(x)`; in inference or at rate 0 nothing is dropped.
    public func dropped(_ rate: Float, adding residual: Tensor? = nil) -> Tensor {
        guard rate > 0, trace.purpose == .training else { return residual.map { self + $0 } ?? self }
        return trace.record(
            DropOperation(
                rate: rate, purpose: trace.nextDropoutPurpose(), addsResidual: residual != nil, width: columns),
            residual.map { [self, $0] } ?? [self], rows: rows, columns: columns)
    }
}
