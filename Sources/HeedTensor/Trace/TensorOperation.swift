/// Arithmetic and traffic of an operation.
public struct Cost: Sendable, Equatable {
    /// Floating-point operations, a multiply-add counting two.
    public var operations: Double
    /// Bytes read and written, each operand once.
    public var bytes: Double

    /// So many operations and bytes.
    public init(operations: Double = 0, bytes: Double = 0) {
        self.operations = operations
        self.bytes = bytes
    }

    /// The sum of two costs.
    public static func + (a: Cost, b: Cost) -> Cost {
        Cost(operations: a.operations + b.operations, bytes: a.bytes + b.bytes)
    }
    /// A cost `k` times.
    public static func * (k: Double, a: Cost) -> Cost { Cost(operations: k * a.operations, bytes: k * a.bytes) }
}

/// A coarse step of a model with a hand-written gradient: what it means, not how it runs.
///
/// An operation is a small value without addresses. Its name, formulas, shape rule and cost stand here; each back end
/// has a file of its own that says how it computes the operation and its gradient.
public protocol TensorOperation: Sendable {
    /// The name as it appears in traces.
    var name: String { get }
    /// What it computes.
    var formula: String { get }
    /// How the gradient flows back.
    var gradientFormula: String { get }
    /// The learned tensors it reads.
    var parameters: [Parameter] { get }
    /// The shape of the output.
    ///
    /// - Throws: `ShapeMismatch` when inputs or parameters do not fit each other.
    func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape
    /// Columns of further values that only the gradient reads (row statistics, inputs of activations); rows as the output.
    var auxiliaries: [Int] { get }
    /// The inputs (by place) that the gradient reads.
    var gradientInputs: [Int] { get }
    /// Whether the gradient reads the output.
    var gradientReadsOutput: Bool { get }
    /// An input whose gradient is the output's gradient, so that both may share one buffer.
    var passThrough: Int? { get }
    /// Whether the output overwrites input 0, which nobody else may then read; gradients likewise.
    var inPlace: Bool { get }
    /// Whether the output can be computed again from the first auxiliary, so that it need not be kept for the gradient.
    var isRecomputable: Bool { get }
    /// Whether the backward pass starts here.
    var isLoss: Bool { get }
    /// The forward cost of `rows` rows.
    func cost(rows: Int) -> Cost
}

extension TensorOperation {
    public var parameters: [Parameter] { [] }
    public var auxiliaries: [Int] { [] }
    public var gradientInputs: [Int] { [] }
    public var gradientReadsOutput: Bool { false }
    public var passThrough: Int? { nil }
    public var inPlace: Bool { false }
    public var isRecomputable: Bool { false }
    public var isLoss: Bool { false }
}
