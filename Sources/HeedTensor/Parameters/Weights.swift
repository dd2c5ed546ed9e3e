import HeedSupport
import Synchronization

/// Where the numbers of a model come from: a file, read parameter by parameter.
public protocol WeightSource: Sendable {
    /// Reads all numbers of `parameter` as fp32.
    ///
    /// - Throws: `HeedError` naming file and tensor: missing, of another shape, not finite.
    func read(_ parameter: Parameter, into values: UnsafeMutableBufferPointer<Float>) throws
}

/// The form in which a parameter is stored.
public enum WeightForm: String, Sendable, CaseIterable {
    /// 32-bit floats.
    case float32 = "f32"
}

/// The numbers of a model, each parameter in the form that is asked for, read from the file when it is first asked for
/// and shared by every pass of the model.
///
/// Rows (row-major fp32) serve look-ups, training and saving; a back end arranges matrices for its products once, from
/// rows that are there or straight from the file, without an fp32 copy of the whole model in between. Memory: what was
/// asked for; rows that nobody asks for cost none.
public final class Weights: @unchecked Sendable {
    // Sendable: `state` is a lock; the numbers are written while the lock is held, or by the owner of a training run.

    /// Where each parameter lies.
    public let layout: ParameterLayout
    private let values: ParameterBuffer
    private let state: Mutex<State>
    /// Odd while a training run may change the numbers at any time.
    private let epoch = Atomic<Int>(0)

    private struct State {
        var source: (any WeightSource)?
        /// By parameter: whether its rows are in memory.
        var isLoaded: [Bool]
        /// What back ends made of matrices, by what and parameter.
        var arranged: [ArrangedKey: any Sendable] = [:]
    }
    private struct ArrangedKey: Hashable {
        let kind: String
        let parameter: Int
    }

    /// The numbers of `source`, or zeros without one.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public init(_ layout: ParameterLayout, from source: (any WeightSource)? = nil) throws {
        self.layout = layout
        values = try ParameterBuffer(layout, sparse: source != nil)
        state = Mutex(
            State(source: source, isLoaded: layout.parameters.map { _ in source == nil }))
    }

    /// The form in which `parameter` is stored.
    public func form(of parameter: Parameter) -> WeightForm { .float32 }

    /// The rows of one parameter, read when first asked for.
    ///
    /// - Throws: `HeedError` naming file and tensor.
    public func rows(_ parameter: Parameter) throws -> UnsafeMutableBufferPointer<Float> {
        try state.withLock { state in
            try load(parameter, &state)
            return values[parameter]
        }
    }

    /// Every number as rows, to save or to compare; read when first asked for.
    ///
    /// - Throws: `HeedError` naming file and tensor.
    public func all() throws -> ParameterBuffer {
        try state.withLock { state in
            for parameter in layout.parameters { try load(parameter, &state) }
            state.source = nil
            return values
        }
    }

    /// Every number as rows, to change: what was arranged is dropped, and passes read the rows until `settle()`.
    ///
    /// - Throws: `HeedError` naming file and tensor.
    public func change() throws -> ParameterBuffer {
        let values = try all()
        state.withLock { $0.arranged = [:] }
        epoch.bitwiseOr(1, ordering: .sequentiallyConsistent)
        return values
    }

    /// Says that the numbers stay as they are from now on, so that they may be arranged again.
    public func settle() { if isChanging { epoch.add(1, ordering: .sequentiallyConsistent) } }

    /// Whether a training run may change the numbers at any time.
    public var isChanging: Bool { changes % 2 == 1 }

    /// A number that differs when the numbers may have changed in between.
    package var changes: Int { epoch.load(ordering: .acquiring) }

    /// What a back end makes of `parameter` for its own use, made once per `kind`.
    ///
    /// - Throws: `HeedError` naming file and tensor, and what `make` throws.
    package func arranged<Arranged: Sendable>(
        _ parameter: Parameter, kind: String, _ make: (UnsafeBufferPointer<Float>) throws -> Arranged
    ) throws -> Arranged {
        try state.withLock { state in
            let key = ArrangedKey(kind: kind, parameter: parameter.index)
            if let there = state.arranged[key] as? Arranged { return there }
            let made: Arranged
            if state.isLoaded[parameter.index] {
                made = try make(UnsafeBufferPointer(values[parameter]))
            } else {
                // One matrix at a time: the model is never in memory twice.
                let copy = try AlignedMemory(byteCount: parameter.count * MemoryLayout<Float>.stride)
                let rows = UnsafeMutableBufferPointer(start: copy.floats, count: parameter.count)
                try state.source?.read(parameter, into: rows)
                made = try make(UnsafeBufferPointer(rows))
            }
            state.arranged[key] = made
            return made
        }
    }

    private func load(_ parameter: Parameter, _ state: inout State) throws {
        guard !state.isLoaded[parameter.index] else { return }
        values.willFill(parameter)
        try state.source?.read(parameter, into: values[parameter])
        state.isLoaded[parameter.index] = true
    }
}
