import CHeedKernels

/// The functions between and inside layers, as published configurations name them.
public enum Activation: String, Sendable, CaseIterable {
    case identity, relu, gelu, geluTanh, quickGelu, silu, tanh, sigmoid, reluSquared, softplus

    var code: Int32 {
        let value: heed_activation =
            switch self {
            case .identity: HEED_IDENTITY
            case .relu: HEED_RELU
            case .gelu: HEED_GELU_ERF
            case .geluTanh: HEED_GELU_TANH
            case .quickGelu: HEED_QUICK_GELU
            case .silu: HEED_SILU
            case .tanh: HEED_TANH
            case .sigmoid: HEED_SIGMOID
            case .reluSquared: HEED_RELU_SQUARED
            case .softplus: HEED_SOFTPLUS
            }
        return Int32(value.rawValue)
    }
}

/// `y = residual + f(x · Wᵀ + b)`; `x [rows, in]`, `W [out, in]`, `y [rows, out]`.
struct LinearOperation: Operation {
    let weight: Parameter
    let bias: Parameter?
    let activation: Activation
    let addsResidual: Bool

    private var outColumns: Int { weight.shape.first ?? 0 }
    private var inColumns: Int { weight.shape.dropFirst().reduce(1, *) }

    var name: String { "linear" }
    var formula: String {
        let product = bias == nil ? "x · Wᵀ" : "x · Wᵀ + b"
        let activated = activation == .identity ? product : "\(activation.rawValue)(\(product))"
        return "y = " + (addsResidual ? "r + " : "") + activated
    }
    var gradientFormula: String {
        let inner = activation == .identity ? "∂y" : "∂y ⊙ f′(pre)"
        return "g = \(inner); ∂x = g · W; ∂W += gᵀ · x" + (bias == nil ? "" : "; ∂b += Σ g")
            + (addsResidual ? "; ∂r = ∂y" : "")
    }
    var parameters: [Parameter] { bias.map { [weight, $0] } ?? [weight] }
    var auxiliaries: [Int] { activation == .identity ? [] : [outColumns] }
    var gradientInputs: [Int] { [0] }
    var passThrough: Int? { addsResidual ? 1 : nil }
    var isRecomputable: Bool { activation != .identity && !addsResidual }

    private var rowCost: Cost {
        Cost(
            operations: 2 * Double(inColumns) * Double(outColumns), bytes: 4 * Double(inColumns + outColumns))
    }

    func cost(rows: Int) -> Cost {
        Double(rows) * rowCost + Cost(bytes: 4 * Double(inColumns) * Double(outColumns))
    }

    func forward(_ binder: Binder) {
        let panels = binder.panels(weight)
        binder.emit(
            binder.kernels.linear,
            heed_linear(
                window: binder.window, x: binder.input(0), x_stride: Int64(inColumns),
                weight: panels == nil ? binder.value(weight) : nil, panels: panels, bias: binder.value(bias),
                residual: addsResidual ? binder.input(1) : nil, residual_stride: Int64(outColumns),
                pre: binder.auxiliary(0), y: binder.output, y_stride: Int64(outColumns), in: Int32(inColumns),
                out: Int32(outColumns), activation: activation.code, precision: binder.trace.precision.code,
                scratch: scratch(binder)),
            rows: panels == nil ? binder.rows : nil, cost: sharingCost(panels: panels != nil))
    }

    /// A matrix in panels is read from memory once for any number of rows: even one row is worth sharing out.
    private func sharingCost(panels: Bool) -> Cost {
        panels ? Cost(bytes: 4 * Double(inColumns) * Double(outColumns)) : rowCost
    }

    private func scratch(_ binder: Binder) -> heed_scratch {
        binder.scratch(
            heed_linear_scratch(
                Int64(inColumns), Int64(outColumns), Int64(binder.rows.capacity), binder.trace.precision.code))
    }

    func backward(_ binder: Binder) {
        guard let dy = binder.outputGradient else { return }
        if activation != .identity, let pre = binder.auxiliary(0) {
            binder.emit(
                binder.kernels.activate_gradient,
                heed_activate_gradient(
                    window: binder.window, dy: dy, x: pre, dx: dy, columns: Int32(outColumns),
                    activation: activation.code, accumulate: 0),
                rows: binder.rows, cost: Cost(operations: 30 * Double(outColumns), bytes: 12 * Double(outColumns)))
        }
        if let dweight = binder.gradient(weight) {
            binder.emit(
                binder.kernels.linear_weight_gradient,
                heed_linear_weight_gradient(
                    window: binder.window, dy: dy, dy_stride: Int64(outColumns), x: binder.input(0),
                    x_stride: Int64(inColumns), dweight: dweight, dbias: binder.gradient(bias), in: Int32(inColumns),
                    out: Int32(outColumns), precision: binder.trace.precision.code, scratch: scratch(binder)),
                rows: binder.rows, cost: rowCost)
        }
        if let dx = binder.inputGradient(0) {
            binder.emit(
                binder.kernels.linear_input_gradient,
                heed_linear_input_gradient(
                    window: binder.window, dy: dy, dy_stride: Int64(outColumns), weight: binder.value(weight),
                    activation_input: nil, dx: dx.pointer, dx_stride: Int64(inColumns), in: Int32(inColumns),
                    out: Int32(outColumns), accumulate: dx.accumulate ? 1 : 0, activation: Activation.identity.code,
                    precision: binder.trace.precision.code, scratch: scratch(binder)),
                rows: binder.rows, cost: rowCost)
        }
    }

    func recompute(_ binder: Binder, into output: UnsafeMutablePointer<Float>) -> Bool {
        guard isRecomputable, let pre = binder.auxiliary(0) else { return false }
        binder.emit(
            binder.kernels.activate,
            heed_activate(
                window: binder.window, x: pre, y: output, columns: Int32(outColumns), activation: activation.code),
            rows: binder.rows, cost: Cost(operations: 20 * Double(outColumns), bytes: 8 * Double(outColumns)))
        return true
    }
}

extension Tensor {
    /// Returns `residual + f(x · Wᵀ + b)`.
    ///
    /// `self [rows, in]`, `weight [out, in]`, `bias [out]`, `residual [rows, out]`; the result is `[rows, out]`.
    /// Cost: 2 · rows · in · out operations, twice that for the gradient.
    public func linear(
        _ weight: Parameter, _ bias: Parameter? = nil, activation: Activation = .identity,
        adding residual: Tensor? = nil
    ) -> Tensor {
        trace.record(
            LinearOperation(weight: weight, bias: bias, activation: activation, addsResidual: residual != nil),
            residual.map { [self, $0] } ?? [self], rows: rows, columns: weight.shape.first ?? 0)
    }
}
