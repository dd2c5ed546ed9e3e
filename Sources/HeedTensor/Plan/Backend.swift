import HeedSupport

/// What computes: turns a schedule into a program.
///
/// A back end answers every operation with how it runs. Adding one touches no operation, layer, model or planner; an
/// operation that it lacks is an error when a pass is made.
public protocol Backend: Sendable {
    /// Makes a schedule ready to run on the numbers of `weights`; `gradients` receives gradients, added to what is there.
    ///
    /// - Throws: `HeedError` when memory is refused, an operation is unknown, or weights cannot be read.
    func program(_ schedule: Schedule, _ weights: Weights, gradients: ParameterBuffer?) throws -> any Program
}

/// A schedule made ready: runs as often as wanted.
public protocol Program: AnyObject {
    /// Computes every value for the batch as it now stands.
    func forward()
    /// Adds the gradients of the last forward pass to the gradient buffer, and writes the losses.
    func backward()
    /// Adds the gradients of the last forward pass to the gradient buffer, writes the losses, and calls `afterEvent` after
    /// each event of the schedule's backward pass with the number of those done.
    ///
    /// - Throws: what `afterEvent` throws; the events after it are then not computed.
    func backward(_ afterEvent: (Int) throws -> Void) rethrows
    /// After how many events of the backward pass the gradient of a parameter is complete; of those that are not named it
    /// is when `finishGradients` has run.
    var completions: [Parameter: Int] { get }
    /// Completes the gradients after the last micro-batch of an optimiser step.
    func finishGradients()
    /// The numbers of an observed value or gradient; valid as long as the program lives, changed by the next pass.
    func numbers(_ buffer: BufferHandle) -> UnsafePointer<Float>
    /// Bytes of activations and their gradients.
    var arenaBytes: Int { get }
    /// Bytes of scratch and of tables that last.
    var workBytes: Int { get }
    /// Bytes of matrices that its products read in an arrangement of their own, shared with other passes of the model.
    var matrixBytes: Int { get }
    /// Runs passes step by step and returns what each kind of step takes, in seconds: the median of `passes`.
    func profile(passes: Int) -> [(name: String, seconds: Double, calls: Int)]
}

extension Backend {
    /// Records, plans and makes ready one pass: the only way to make one.
    ///
    /// - `weights`: the numbers of the model.
    /// - `purpose`: training adds a gradient buffer.
    /// - `maximumLength`: the longest sequence, and one more than the largest position.
    /// - `store`: where attention keeps keys and values between passes.
    /// - `record`: calls the model and returns what will be read after a pass.
    /// - Throws: `HeedError` naming the layer whose shapes do not fit, a tensor that cannot be read, or memory that is
    ///   refused.
    public func pass<Outputs>(
        _ weights: Weights, for purpose: Purpose, maximumLength: Int, precision: Precision = .float32,
        store: (any KeyValueStore)? = nil, keepsAttentionWeights: Bool = false,
        _ record: (Trace) throws -> Outputs
    ) throws -> Pass<Outputs> {
        let trace = Trace(
            for: purpose, maximumLength: maximumLength, precision: precision, store: store,
            keepsAttentionWeights: keepsAttentionWeights, updates: weights.layout.updates,
            lookups: weights.layout.lookups)
        let outputs = try record(trace)
        let schedule = try Schedule(trace, weights.layout)
        let gradients = purpose == .training ? try ParameterBuffer(weights.layout, trainedOnly: true) : nil
        let program = try program(schedule, weights, gradients: gradients)
        return Pass(outputs, schedule, program, weights, gradients)
    }
}
