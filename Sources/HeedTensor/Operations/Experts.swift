/// Which experts each row of a pass meets, decided while it runs, and where their rows lie.
///
/// Rows that meet one expert lie side by side: expert e has the slots `offsets[e] ..< offsets[e + 1]`, in the order of
/// the rows. A row's experts depend on that row alone.
public final class Routing: @unchecked Sendable {
    // Sendable: addresses only; written and read by the steps of one pass.

    /// How many experts there are.
    public let experts: Int
    /// How many of them a row meets.
    public let chosen: Int
    /// Whether the weights of a row's experts sum to 1.
    public let normalises: Bool
    /// Rows that are routed.
    public let rows: RowCount
    /// Pairs of a row and an expert: rows · chosen.
    public let pairs: RowCount
    /// softmax of each row's logits [rows, experts].
    package let probabilities: UnsafeMutablePointer<Float>
    /// The experts of each row, ascending [rows, chosen].
    package let picked: UnsafeMutablePointer<Int32>
    /// Where the slots of each expert begin [experts + 1].
    package let offsets: UnsafeMutablePointer<Int32>
    /// The slot of each pair [rows, chosen].
    package let slots: UnsafeMutablePointer<Int32>
    /// The row of each slot [pairs].
    package let sources: UnsafeMutablePointer<Int32>

    /// Routes for `rows` to `chosen` of `experts`.
    public init(_ rows: RowCount, experts: Int, chosen: Int, normalises: Bool) {
        self.experts = experts
        self.chosen = chosen
        self.normalises = normalises
        self.rows = rows
        pairs = rows.times(chosen)
        func zeros(_ count: Int) -> UnsafeMutablePointer<Int32> {
            let memory = UnsafeMutablePointer<Int32>.allocate(capacity: max(count, 1))
            memory.initialize(repeating: 0, count: max(count, 1))
            return memory
        }
        probabilities = .allocate(capacity: max(rows.capacity * experts, 1))
        probabilities.initialize(repeating: 0, count: max(rows.capacity * experts, 1))
        picked = zeros(rows.capacity * chosen)
        offsets = zeros(experts + 1)
        slots = zeros(rows.capacity * chosen)
        sources = zeros(rows.capacity * chosen)
    }

    deinit {
        probabilities.deallocate()
        for memory in [picked, offsets, slots, sources] { memory.deallocate() }
    }
}

/// `w = softmax(logits)` of the `chosen` largest, of equals the first; divided by their sum where the routing normalises.
public struct RouteOperation: TensorOperation {
    /// Where the choice is kept.
    public let routing: Routing

    public var name: String { "route" }
    public var formula: String {
        "p = softmax(x); w = p of the \(routing.chosen) largest" + (routing.normalises ? " / Σ" : "")
    }
    public var gradientFormula: String { "∂x = p ⊙ (∂p − Σ ∂p ⊙ p)" }
    public var gradientReadsOutput: Bool { true }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        try inputs.require(0, columns: routing.experts, rows: routing.rows)
        guard routing.chosen >= 1, routing.chosen <= routing.experts else {
            throw ShapeMismatch("the experts", expected: "1 to \(routing.experts) of a row", got: "\(routing.chosen)")
        }
        return Shape(routing.rows, routing.chosen)
    }

    public func cost(rows: Int) -> Cost {
        Double(rows)
            * Cost(operations: Double(routing.experts * (20 + routing.chosen)), bytes: 12 * Double(routing.experts))
    }
}

/// `y[slot] = x[row of the slot]`: every row once for each of its experts, by expert.
public struct DispatchOperation: TensorOperation {
    /// Who meets whom.
    public let routing: Routing
    /// Columns.
    public let width: Int

    public var name: String { "dispatch" }
    public var formula: String { "y[slot] = x[row]" }
    public var gradientFormula: String { "∂x[row] += ∂y[slot]" }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        try inputs.require(0, columns: width, rows: routing.rows)
        return Shape(routing.pairs, width)
    }

    public func cost(rows: Int) -> Cost { Double(rows) * Cost(bytes: 8 * Double(width)) }
}

/// `y[slot] = x[slot] · W[expert of the slot]ᵀ`.
public struct ExpertLinearOperation: TensorOperation {
    /// W of each expert, `[out, in]`.
    public let weights: [Parameter]
    /// Who meets whom.
    public let routing: Routing

    /// out.
    public var outColumns: Int { weights.first?.shape.first ?? 0 }
    /// in.
    public var inColumns: Int { weights.first?.shape.last ?? 0 }

    public var name: String { "linear of experts" }
    public var formula: String { "y = x · W[expert]ᵀ" }
    public var gradientFormula: String { "∂x = ∂y · W[expert]; ∂W[expert] += ∂yᵀ · x" }
    public var parameters: [Parameter] { weights }
    public var gradientInputs: [Int] { [0] }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        guard weights.count == routing.experts else {
            throw ShapeMismatch("the weights", expected: "\(routing.experts), one per expert", got: "\(weights.count)")
        }
        for weight in weights {
            let (out, width) = try weight.matrix("the weight")
            guard out == outColumns, width == inColumns else {
                throw ShapeMismatch(
                    "the weight \(weight.name)", expected: "[\(outColumns), \(inColumns)]", got: "[\(out), \(width)]")
            }
        }
        try inputs.require(count: 1)
        try inputs.require(0, columns: inColumns, rows: routing.pairs)
        return Shape(routing.pairs, outColumns)
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 2 * Double(inColumns * outColumns), bytes: 4 * Double(inColumns + outColumns))
    }
}

/// `y[row] = r[row] + Σ over its experts of w · x[slot]`.
public struct MixOperation: TensorOperation {
    /// Who meets whom.
    public let routing: Routing
    /// Whether input 2 is added.
    public let addsResidual: Bool
    /// Columns.
    public let width: Int

    public var name: String { "mix" }
    public var formula: String { "y = " + (addsResidual ? "r + " : "") + "Σ w · x[slot]" }
    public var gradientFormula: String { "∂x[slot] = w · ∂y; ∂w = ∂y · x[slot]" + (addsResidual ? "; ∂r = ∂y" : "") }
    public var gradientInputs: [Int] { [0, 1] }
    public var passThrough: Int? { addsResidual ? 2 : nil }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: addsResidual ? 3 : 2)
        try inputs.require(0, columns: width, rows: routing.pairs)
        try inputs.require(1, columns: routing.chosen, rows: routing.rows)
        if addsResidual { try inputs.require(2, columns: width, rows: routing.rows) }
        return Shape(routing.rows, width)
    }

    public func cost(rows: Int) -> Cost {
        Double(rows)
            * Cost(operations: 2 * Double(routing.chosen * width), bytes: 4 * Double((routing.chosen + 2) * width))
    }
}

extension Tensor {
    /// Chooses experts by these logits `[rows, experts]`, and returns their weights `[rows, chosen]`.
    public func routed(_ routing: Routing) -> Tensor { trace.record(RouteOperation(routing: routing), [self]) }

    /// Returns every row once for each of its experts, by expert: `[rows, C] → [pairs, C]`.
    public func dispatched(_ routing: Routing) -> Tensor {
        trace.record(DispatchOperation(routing: routing, width: columns), [self])
    }

    /// Returns the products with the matrix of each slot's expert: `[pairs, in] → [pairs, out]`.
    public func linear(_ weights: [Parameter], _ routing: Routing) -> Tensor {
        trace.record(ExpertLinearOperation(weights: weights, routing: routing), [self])
    }

    /// Returns `residual` + the weighted sum of each row's experts: `[pairs, C] → [rows, C]`.
    public func mixed(_ weights: Tensor, _ routing: Routing, adding residual: Tensor? = nil) -> Tensor {
        trace.record(
            MixOperation(routing: routing, addsResidual: residual != nil, width: columns),
            [self, weights] + (residual.map { [$0] } ?? []))
    }
}
