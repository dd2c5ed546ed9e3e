/// Numbers that change a value on its way: a factor and an offset for each of its elements, 1 and 0 until they are set.
public final class ValueEdit: @unchecked Sendable {
    // Sendable: addresses; written between passes by the owner of the pass, read by its steps.
    package let factors: UnsafeMutablePointer<Float>
    package let offsets: UnsafeMutablePointer<Float>
    /// Rows and columns of the value.
    public let shape: Shape

    /// An edit of values of `shape` that changes nothing yet.
    public init(_ shape: Shape) {
        self.shape = shape
        factors = .allocate(capacity: max(shape.capacity, 1))
        offsets = .allocate(capacity: max(shape.capacity, 1))
        clear()
    }

    deinit {
        factors.deallocate()
        offsets.deallocate()
    }

    /// Changes nothing again.
    public func clear() {
        factors.initialize(repeating: 1, count: max(shape.capacity, 1))
        offsets.initialize(repeating: 0, count: max(shape.capacity, 1))
    }

    /// Makes `y = factor · x + offset` of one element.
    public func set(row: Int, column: Int, factor: Float, offset: Float = 0) {
        guard (0..<shape.rows.capacity).contains(row), (0..<shape.columns).contains(column) else { return }
        factors[row * shape.columns + column] = factor
        offsets[row * shape.columns + column] = offset
    }

    /// Makes zeros of some columns of every row.
    public func remove(columns: Range<Int>) {
        for row in 0..<shape.rows.capacity { for column in columns { set(row: row, column: column, factor: 0) } }
    }
}

/// `y = k ⊙ x + a` with numbers of its own for every element: what a model answers when a value is another.
public struct EditOperation: TensorOperation {
    /// k and a.
    public let edit: ValueEdit

    public var name: String { "edit" }
    public var formula: String { "y = k ⊙ x + a" }
    public var gradientFormula: String { "∂x = k ⊙ ∂y" }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        try inputs.require(0, columns: edit.shape.columns, rows: edit.shape.rows)
        return inputs[0]
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 2 * Double(edit.shape.columns), bytes: 16 * Double(edit.shape.columns))
    }
}

/// The start of a way back: `L = Σ s ⊙ x` with given s, so `∂x = s`. With a single 1 it is the gradient of one element.
public final class GradientSeed: @unchecked Sendable {
    // Sendable: as ValueEdit.
    package let numbers: UnsafeMutablePointer<Float>
    /// Rows and columns of the value.
    public let shape: Shape

    /// A seed of zeros for values of `shape`.
    init(_ shape: Shape) {
        self.shape = shape
        numbers = .allocate(capacity: max(shape.capacity, 1))
        numbers.initialize(repeating: 0, count: max(shape.capacity, 1))
    }

    deinit { numbers.deallocate() }

    /// The way back starts at one element.
    public func choose(row: Int, column: Int) {
        numbers.update(repeating: 0, count: max(shape.capacity, 1))
        guard (0..<shape.rows.capacity).contains(row), (0..<shape.columns).contains(column) else { return }
        numbers[row * shape.columns + column] = 1
    }
}

/// `L = Σ s ⊙ x`.
public struct SeedOperation: TensorOperation {
    /// s.
    public let seed: GradientSeed

    public var name: String { "chosen element" }
    public var formula: String { "L = Σ s ⊙ x" }
    public var gradientFormula: String { "∂x = s" }
    public var isLoss: Bool { true }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        try inputs.require(0, columns: seed.shape.columns, rows: seed.shape.rows)
        return Shape(inputs[0].rows, 1)
    }

    public func cost(rows: Int) -> Cost { Cost() }
}

extension Tensor {
    /// Returns `k ⊙ x + a` with the numbers of `edit` as they stand when a pass runs.
    public func edited(by edit: ValueEdit) -> Tensor { trace.record(EditOperation(edit: edit), [self]) }

    /// Records that the way back starts here, and returns where: nothing is chosen yet.
    public func seeded() -> GradientSeed {
        let seed = GradientSeed(shape)
        _ = trace.record(SeedOperation(seed: seed), [self])
        return seed
    }
}
