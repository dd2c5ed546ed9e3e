import HeedSupport
import Synchronization

/// Where the numbers of a model come from: a file, read parameter by parameter.
public protocol WeightSource: Sendable {
    /// Reads all numbers of `parameter` as fp32.
    ///
    /// - Throws: `HeedError` naming file and tensor: missing, of another shape, not finite.
    func read(_ parameter: Parameter, into values: UnsafeMutableBufferPointer<Float>) throws

    /// Calls `body` with the rows of a matrix as the file has them. Returns nil, without calling it, where the file has
    /// them in another order than by rows.
    func withStoredRows<Result>(
        of parameter: Parameter, _ body: (StoredRows) throws -> Result
    ) throws -> Result?

    /// The 16-bit form that all numbers of `parameter` have in the file, in whatever order; nil where there is none.
    func numberForm(of parameter: Parameter) -> RowForm?
}

/// The numbers of one parameter, for a back end that arranges them.
package struct ParameterNumbers {
    package let parameter: Parameter
    fileprivate let values: UnsafeBufferPointer<Float>?
    fileprivate let source: (any WeightSource)?

    /// All numbers as fp32, row by row; read for the call where they are not in memory.
    ///
    /// - Throws: `HeedError` naming file and tensor, and what `body` throws.
    package func withRows<Result>(_ body: (UnsafeBufferPointer<Float>) throws -> Result) throws -> Result {
        if let values { return try body(values) }
        let copy = try AlignedMemory(byteCount: parameter.count * MemoryLayout<Float>.stride)
        let rows = UnsafeMutableBufferPointer(start: copy.floats, count: parameter.count)
        try source?.read(parameter, into: rows)
        defer { withExtendedLifetime(copy) {} }
        return try body(UnsafeBufferPointer(rows))
    }

    /// Calls `body` with the rows as the file has them and those among them to read, so many at a time (whole panels of
    /// `height`) that little of a large matrix is in memory twice. Returns false where `body` does, at once, and where
    /// the file does not have them.
    package func forStoredRows(
        by height: Int, _ body: (StoredRows, Range<Int>) throws -> Bool
    ) throws -> Bool {
        guard values == nil, let source, let count = parameter.shape.first, count > 0 else { return false }
        let panel = height * (parameter.count / count)
        var next = 0
        while next < count {
            let isRead = try source.withStoredRows(of: parameter) { stored in
                let bytes = panel * (stored.forms.map(\.bytesPerNumber).max() ?? 1)
                let rows = next..<min(next + max(ParameterNumbers.partBytes / max(bytes, 1), 1) * height, count)
                next = rows.upperBound
                return try body(stored, rows)
            }
            guard isRead == true else { return false }
        }
        return true
    }
    private static let partBytes = 64 << 20

    /// The 16-bit form that the numbers have in the file.
    package var numberForm: RowForm? { values == nil ? source?.numberForm(of: parameter) : nil }
}

/// The numbers of a model that are another's too, so that both have them in memory once.
public struct SharedWeights: Sendable {
    /// The other model's.
    public let weights: Weights
    /// By the place of a parameter of this model: the other's parameter of the same numbers.
    public let parameters: [Int: Parameter]

    /// These parameters of `weights`.
    public init(_ weights: Weights, _ parameters: [Int: Parameter]) {
        self.weights = weights
        self.parameters = parameters
    }
}

/// The numbers of a model, each parameter in the form that is asked for, read from the file when it is first asked for
/// and shared by every pass of the model.
///
/// Rows (row-major fp32) serve look-ups, training and saving; a back end arranges matrices for its products once, from
/// rows that are there or straight from the file and in the file's own form, without an fp32 copy of the whole model in
/// between. Memory: what was
/// asked for; rows that nobody asks for cost none.
public final class Weights: @unchecked Sendable {
    // Sendable: `state` is a lock; the numbers are written while the lock is held, or by the owner of a training run.

    /// Where each parameter lies.
    public let layout: ParameterLayout
    /// The form in which products read the matrices.
    public let form: WeightForm
    private let values: ParameterBuffer
    private let shared: SharedWeights?
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
    /// - `shared`: numbers that another model of the same form has; they are read there, and cannot be changed here.
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public init(
        _ layout: ParameterLayout, from source: (any WeightSource)? = nil, form: WeightForm = .stored,
        sharing shared: SharedWeights? = nil
    ) throws {
        self.layout = layout
        self.form = form
        self.shared = shared
        values = try ParameterBuffer(layout, sparse: source != nil)
        state = Mutex(
            State(source: source, isLoaded: layout.parameters.map { _ in source == nil }))
    }

    /// The rows of one parameter, read when first asked for.
    ///
    /// - Throws: `HeedError` naming file and tensor.
    public func rows(_ parameter: Parameter) throws -> UnsafeMutableBufferPointer<Float> {
        if let (owner, there) = owner(of: parameter) { return try owner.rows(there) }
        return try state.withLock { state in
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
    /// - Throws: `HeedError` naming file and tensor; (`usage`) where numbers are shared.
    public func change() throws -> ParameterBuffer {
        guard shared == nil else {
            throw HeedError(
                .usage, "the model shares its numbers with another, so they cannot be changed",
                advice: "Load it by itself to train it")
        }
        let values = try all()
        state.withLock { $0.arranged = [:] }
        epoch.bitwiseOr(1, ordering: .sequentiallyConsistent)
        return values
    }

    /// Whether the file, from which `parameter` has not been read as fp32, has it in fewer bits.
    package func isStoredInFewerBits(_ parameter: Parameter) -> Bool {
        if let (owner, there) = owner(of: parameter) { return owner.isStoredInFewerBits(there) }
        return state.withLock { state in
            guard !state.isLoaded[parameter.index], let source = state.source else { return false }
            if source.numberForm(of: parameter) != nil { return true }
            let isSmaller = try? source.withStoredRows(of: parameter) { rows in rows.forms.contains { $0 != .float32 } }
            return isSmaller ?? nil ?? false
        }
    }

    /// Says that the numbers stay as they are from now on, so that they may be arranged again.
    public func settle() {
        if shared == nil, isChanging { epoch.add(1, ordering: .sequentiallyConsistent) }
    }

    /// Whether a training run may change the numbers at any time.
    public var isChanging: Bool { changes % 2 == 1 }

    /// A number that differs when the numbers may have changed in between.
    package var changes: Int { shared?.weights.changes ?? epoch.load(ordering: .acquiring) }

    /// What a back end makes of `parameter` for its own use, made once per `kind`, one parameter at a time: the model is
    /// never in memory twice.
    ///
    /// - Throws: `HeedError` naming file and tensor, and what `make` throws.
    package func arranged<Arranged: Sendable>(
        _ parameter: Parameter, kind: String, _ make: (ParameterNumbers) throws -> Arranged
    ) throws -> Arranged {
        if let (owner, there) = owner(of: parameter) { return try owner.arranged(there, kind: kind, make) }
        return try state.withLock { state in
            let key = ArrangedKey(kind: kind, parameter: parameter.index)
            if let there = state.arranged[key] as? Arranged { return there }
            let isLoaded = state.isLoaded[parameter.index]
            let made = try make(
                ParameterNumbers(
                    parameter: parameter, values: isLoaded ? UnsafeBufferPointer(values[parameter]) : nil,
                    source: state.source))
            state.arranged[key] = made
            return made
        }
    }

    /// Where the numbers of `parameter` are, if with another model and not copied from there.
    private func owner(of parameter: Parameter) -> (weights: Weights, parameter: Parameter)? {
        guard let shared, let there = shared.parameters[parameter.index],
            !state.withLock({ $0.isLoaded[parameter.index] })
        else { return nil }
        return (shared.weights, there)
    }

    private func load(_ parameter: Parameter, _ state: inout State) throws {
        guard !state.isLoaded[parameter.index] else { return }
        values.willFill(parameter)
        if let shared, let there = shared.parameters[parameter.index] {
            _ = values[parameter].update(fromContentsOf: try shared.weights.rows(there))
        } else {
            try state.source?.read(parameter, into: values[parameter])
        }
        state.isLoaded[parameter.index] = true
    }
}
