/// A recorded pass, ready to run: forward, and backward where gradients are wanted, as often as wanted.
public final class Pass<Outputs> {
    /// What the recording returned: the keys to what can be read.
    public let outputs: Outputs
    /// The numbers that it reads.
    public let weights: Weights
    /// What `backward` adds to, in training.
    public let gradients: ParameterBuffer?
    /// What was planned.
    public let schedule: Schedule
    private let program: any Program

    init(
        _ outputs: Outputs, _ schedule: Schedule, _ program: any Program, _ weights: Weights,
        _ gradients: ParameterBuffer?
    ) {
        self.outputs = outputs
        self.schedule = schedule
        self.program = program
        self.weights = weights
        self.gradients = gradients
    }

    /// What was recorded.
    public var trace: Trace { schedule.trace }
    /// Bytes of activations and their gradients.
    public var arenaBytes: Int { program.arenaBytes }
    /// Bytes of scratch and of tables that last.
    public var workBytes: Int { program.workBytes }
    /// Bytes of matrices that its products read in an arrangement of their own, shared with other passes of the model.
    public var matrixBytes: Int { program.matrixBytes }

    /// Computes every value for the batch as it now stands.
    public func forward() {
        trace.prepare()
        program.forward()
    }
    /// Adds the gradients of the last forward pass to `gradients`, and writes the losses.
    public func backward() { program.backward() }
    /// Adds the gradients of the last forward pass to the gradient buffer, writes the losses, and calls `afterEvent` after
    /// each event of the schedule's backward pass with the number of those done.
    ///
    /// - Throws: what `afterEvent` throws; the events after it are then not computed.
    public func backward(_ afterEvent: (Int) throws -> Void) rethrows { try program.backward(afterEvent) }
    /// After how many events of the backward pass the gradient of a parameter is complete; of those that are not named it
    /// is when `finishGradients` has run.
    public var completions: [Parameter: Int] { program.completions }
    /// Completes the gradients after the last micro-batch of an optimiser step.
    public func finishGradients() { program.finishGradients() }

    /// What each kind of step takes, in seconds: the median of `passes`, longest first. Each step is waited for by
    /// itself, so the sum is a little more than a pass takes.
    public func profile(passes: Int = 9) -> [(name: String, seconds: Double, calls: Int)] {
        program.profile(passes: passes)
    }

    /// The names under which values were observed, in the order of recording.
    public var observationNames: [String] { trace.observations.map(\.name) }

    /// The value observed under `name`, as of the last pass; nil where none was.
    public func observation(_ name: String) -> PassValues? {
        guard let (values, gradient, shape) = schedule.observation(name) else { return nil }
        return PassValues(
            owner: program, numbers: program.numbers(values), gradientNumbers: gradient.map { program.numbers($0) },
            shape: shape)
    }

    /// A kept value, as of the last pass.
    public subscript(kept: KeptTensor) -> PassValues {
        // A key of another pass reads an empty value.
        observation(kept.name)
            ?? PassValues(
                owner: program, numbers: program.numbers(BufferHandle(index: 0)), gradientNumbers: nil,
                shape: Shape(RowCount(capacity: 0), 0))
    }
}

/// The numbers of a value after a pass: [rows, columns], rows as of the last pass. Keeps their memory alive; the next
/// pass changes them.
public struct PassValues {
    private let owner: AnyObject
    package let numbers: UnsafePointer<Float>
    private let gradientNumbers: UnsafePointer<Float>?
    /// Rows and columns.
    public let shape: Shape

    init(
        owner: AnyObject, numbers: UnsafePointer<Float>, gradientNumbers: UnsafePointer<Float>?, shape: Shape
    ) {
        self.owner = owner
        self.numbers = numbers
        self.gradientNumbers = gradientNumbers
        self.shape = shape
    }

    /// The number of rows of the last pass.
    public var rows: Int { shape.rows.current }
    /// The length of a row.
    public var columns: Int { shape.columns }

    /// The gradient, where the pass computes one.
    public var gradient: PassValues? {
        gradientNumbers.map { PassValues(owner: owner, numbers: $0, gradientNumbers: nil, shape: shape) }
    }

    /// One number.
    public subscript(row: Int, column: Int) -> Float { withRow(row) { $0[column] } }

    /// A copy of all numbers, row by row.
    public var array: [Float] { withRows(0..<rows) { Array($0) } }

    /// Calls `body` with the numbers of one row. Allocates nothing.
    public func withRow<Result>(_ row: Int, _ body: (UnsafeBufferPointer<Float>) throws -> Result) rethrows -> Result {
        try withRows(row..<row + 1, body)
    }

    /// Calls `body` with the numbers of some rows, one after the other. Allocates nothing.
    public func withRows<Result>(
        _ range: Range<Int>, _ body: (UnsafeBufferPointer<Float>) throws -> Result
    ) rethrows -> Result {
        precondition(range.lowerBound >= 0 && range.upperBound <= shape.rows.capacity)
        return try withExtendedLifetime(owner) {
            try body(
                UnsafeBufferPointer(start: numbers + range.lowerBound * columns, count: range.count * columns))
        }
    }
}
