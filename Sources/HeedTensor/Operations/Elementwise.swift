import CHeedKernels

/// `y = f(x)`.
struct ActivateOperation: Operation {
    let activation: Activation
    let width: Int
    var name: String { activation.rawValue }
    var formula: String { "y = \(activation.rawValue)(x)" }
    var gradientFormula: String { "∂x = ∂y ⊙ f′(x)" }
    var gradientInputs: [Int] { [0] }
    func cost(rows: Int) -> Cost { Double(rows) * Cost(operations: 20 * Double(width), bytes: 8 * Double(width)) }

    func forward(_ binder: Binder) {
        binder.emit(
            binder.kernels.activate,
            heed_activate(
                window: binder.window, x: binder.input(0), y: binder.output, columns: Int32(width),
                activation: activation.code), rows: binder.rows, cost: cost(rows: 1))
    }

    func backward(_ binder: Binder) {
        guard let dy = binder.outputGradient, let dx = binder.inputGradient(0) else { return }
        binder.emit(
            binder.kernels.activate_gradient,
            heed_activate_gradient(
                window: binder.window, dy: dy, x: binder.input(0), dx: dx.pointer, columns: Int32(width),
                activation: activation.code, accumulate: dx.accumulate ? 1 : 0),
            rows: binder.rows, cost: 2 * cost(rows: 1))
    }
}

/// `y = f(gate) ⊙ up` of `x = gate | up` (Shazeer 2020, "GLU Variants Improve Transformer").
struct GateOperation: Operation {
    let activation: Activation
    let width: Int
    var name: String { "gate" }
    var formula: String { "y = \(activation.rawValue)(g) ⊙ u, x = g | u" }
    var gradientFormula: String { "∂g = ∂y ⊙ u ⊙ f′(g); ∂u = ∂y ⊙ f(g)" }
    var gradientInputs: [Int] { [0] }
    func cost(rows: Int) -> Cost { Double(rows) * Cost(operations: 21 * Double(width), bytes: 12 * Double(width)) }

    func forward(_ binder: Binder) {
        binder.emit(
            binder.kernels.gate,
            heed_gate(
                window: binder.window, x: binder.input(0), y: binder.output, columns: Int32(width),
                activation: activation.code), rows: binder.rows, cost: cost(rows: 1))
    }

    func backward(_ binder: Binder) {
        guard let dy = binder.outputGradient, let dx = binder.inputGradient(0) else { return }
        binder.emit(
            binder.kernels.gate_gradient,
            heed_gate_gradient(
                window: binder.window, dy: dy, x: binder.input(0), dx: dx.pointer, columns: Int32(width),
                activation: activation.code), rows: binder.rows, cost: 2 * cost(rows: 1))
    }
}

/// `y = a·x + b·z`.
struct CombineOperation: Operation {
    let a: Float
    let b: Float
    let hasSecond: Bool
    let width: Int
    var name: String { hasSecond ? "add" : "scale" }
    var formula: String { hasSecond ? "y = a·x + b·z" : "y = a·x" }
    var gradientFormula: String { hasSecond ? "∂x = a·∂y; ∂z = b·∂y" : "∂x = a·∂y" }
    var passThrough: Int? { hasSecond && b == 1 ? 1 : nil }
    func cost(rows: Int) -> Cost { Double(rows) * Cost(operations: 2 * Double(width), bytes: 12 * Double(width)) }

    func forward(_ binder: Binder) {
        binder.emit(
            binder.kernels.combine,
            heed_combine(
                window: binder.window, x: binder.input(0), z: hasSecond ? UnsafePointer(binder.input(1)) : nil,
                y: binder.output, a: a, b: b, columns: Int32(width)), rows: binder.rows, cost: cost(rows: 1))
    }

    func backward(_ binder: Binder) {
        guard let dy = binder.outputGradient else { return }
        for (place, factor) in [(0, a), (1, b)] where place == 0 || (hasSecond && b != 1) {
            guard let dx = binder.inputGradient(place) else { continue }
            binder.emit(
                binder.kernels.combine,
                heed_combine(
                    window: binder.window, x: dy, z: dx.accumulate ? UnsafePointer(dx.pointer) : nil, y: dx.pointer,
                    a: factor, b: 1, columns: Int32(width)), rows: binder.rows, cost: cost(rows: 1))
        }
    }
}

extension Tensor {
    /// Returns `f(x)`.
    public func activated(_ activation: Activation) -> Tensor {
        trace.record(ActivateOperation(activation: activation, width: columns), [self], rows: rows, columns: columns)
    }

    /// Returns `f(gate) ⊙ up`: `[rows, 2C] → [rows, C]`, the first half of the columns being the gate.
    public func gated(_ activation: Activation) -> Tensor {
        trace.record(
            GateOperation(activation: activation, width: columns / 2), [self], rows: rows, columns: columns / 2)
    }

    /// Returns `x + z`.
    public static func + (x: Tensor, z: Tensor) -> Tensor {
        x.trace.record(
            CombineOperation(a: 1, b: 1, hasSecond: true, width: x.columns), [x, z], rows: x.rows, columns: x.columns)
    }

    /// Returns `a · x`.
    public func scaled(by a: Float) -> Tensor {
        trace.record(
            CombineOperation(a: a, b: 1, hasSecond: false, width: columns), [self], rows: rows, columns: columns)
    }
}
