/// `y = f(x)`.
public struct ActivateOperation: TensorOperation {
    /// f.
    public let activation: Activation
    /// Columns.
    public let width: Int

    public var name: String { activation.rawValue }
    public var formula: String { "y = \(activation.rawValue)(x)" }
    public var gradientFormula: String { "∂x = ∂y ⊙ f′(x)" }
    public var gradientInputs: [Int] { [0] }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        return inputs[0]
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 20 * Double(width), bytes: 8 * Double(width))
    }
}

/// `y = f(gate) ⊙ up` of `x = gate | up` (Shazeer 2020, "GLU Variants Improve Transformer").
public struct GateOperation: TensorOperation {
    /// f.
    public let activation: Activation
    /// Columns of the output.
    public let width: Int

    public var name: String { "gate" }
    public var formula: String { "y = \(activation.rawValue)(g) ⊙ u, x = g | u" }
    public var gradientFormula: String { "∂g = ∂y ⊙ u ⊙ f′(g); ∂u = ∂y ⊙ f(g)" }
    public var gradientInputs: [Int] { [0] }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        try inputs.require(0, columns: 2 * width)  // an odd number of columns has no halves
        return Shape(inputs[0].rows, width)
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 21 * Double(width), bytes: 12 * Double(width))
    }
}

/// `y = a·x + b·z`, or `y = a·x` of one input.
public struct CombineOperation: TensorOperation {
    /// Factor on input 0.
    public let a: Float
    /// Factor on input 1.
    public let b: Float
    /// Whether there is an input 1.
    public let hasSecond: Bool
    /// Columns.
    public let width: Int

    public var name: String { hasSecond ? "add" : "scale" }
    public var formula: String { hasSecond ? "y = a·x + b·z" : "y = a·x" }
    public var gradientFormula: String { hasSecond ? "∂x = a·∂y; ∂z = b·∂y" : "∂x = a·∂y" }
    public var passThrough: Int? { hasSecond && b == 1 ? 1 : nil }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: hasSecond ? 2 : 1)
        if hasSecond { try inputs.require(1, columns: inputs[0].columns, rows: inputs[0].rows) }
        return inputs[0]
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 2 * Double(width), bytes: 12 * Double(width))
    }
}

/// `y = c · tanh(x / c)`: x bent to within ±c.
public struct CapOperation: TensorOperation {
    /// c.
    public let cap: Float
    /// Columns.
    public let width: Int

    public var name: String { "cap" }
    public var formula: String { "y = c · tanh(x / c)" }
    public var gradientFormula: String { "∂x = ∂y · (1 − tanh²(x / c))" }
    public var gradientInputs: [Int] { [0] }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        guard cap > 0 else { throw ShapeMismatch("the cap", expected: "a positive number", got: "\(cap)") }
        return inputs[0]
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 20 * Double(width), bytes: 8 * Double(width))
    }
}

extension Tensor {
    /// Returns `f(x)`.
    public func activated(_ activation: Activation) -> Tensor {
        trace.record(ActivateOperation(activation: activation, width: columns), [self])
    }

    /// Returns `f(gate) ⊙ up`: `[rows, 2C] → [rows, C]`, the first half of the columns being the gate.
    public func gated(_ activation: Activation) -> Tensor {
        trace.record(GateOperation(activation: activation, width: columns / 2), [self])
    }

    /// Returns `x + z`.
    public static func + (x: Tensor, z: Tensor) -> Tensor {
        x.trace.record(CombineOperation(a: 1, b: 1, hasSecond: true, width: x.columns), [x, z])
    }

    /// Returns `c · tanh(x / c)`.
    public func capped(at c: Float) -> Tensor { trace.record(CapOperation(cap: c, width: columns), [self]) }

    /// Returns `a · x + z`.
    public func scaled(by a: Float, adding z: Tensor) -> Tensor {
        trace.record(CombineOperation(a: a, b: 1, hasSecond: true, width: columns), [self, z])
    }

    /// Returns `a · x`.
    public func scaled(by a: Float) -> Tensor {
        trace.record(CombineOperation(a: a, b: 1, hasSecond: false, width: columns), [self])
    }
}
