import CHeedKernels
import HeedSupport

/// What an operation sees while it is planned: the addresses of its values, and where to put its kernel calls.
///
/// Planning walks the operations twice: first to learn how much memory they want, then with real addresses.
public final class Binder {
    /// Addresses and flags of the operation being bound.
    struct Frame {
        var inputs: [UnsafeMutablePointer<Float>] = []
        var output: UnsafeMutablePointer<Float>
        var auxiliaries: [UnsafeMutablePointer<Float>?] = []
        var outputGradient: UnsafeMutablePointer<Float>?
        var inputGradients: [(pointer: UnsafeMutablePointer<Float>, accumulate: Bool)?] = []
        var rows: RowCount
        var columns: Int
    }
    enum List { case forward, backward, finish }

    /// The trace being planned.
    public let trace: Trace
    let kernels: heed_kernels
    private let parameters: ParameterBuffer
    private let gradients: ParameterBuffer?
    private let packed: PackedWeights?
    private let parts: Int
    private let isDry: Bool

    var frame: Frame
    var list = List.forward
    private(set) var forward: [Step] = []
    private(set) var backward: [Step] = []
    private(set) var finish: [Step] = []
    /// What each step computes, for profiles.
    private(set) var names: (forward: [String], backward: [String], finish: [String]) = ([], [], [])
    var name = ""
    private(set) var scratchBytes = 0
    private(set) var persistentBytes = 0
    private(set) var owned: [UnsafeMutableRawPointer] = []
    private(set) var failure: HeedError?
    var scratchBase: UnsafeMutableRawPointer
    var persistentBase: UnsafeMutableRawPointer

    init(
        trace: Trace, kernels: Kernels, parameters: ParameterBuffer, gradients: ParameterBuffer?,
        packed: PackedWeights?, parts: Int, scratch: UnsafeMutableRawPointer?, persistent: UnsafeMutableRawPointer?,
        nowhere: UnsafeMutableRawPointer
    ) {
        self.trace = trace
        self.kernels = kernels.table.pointee
        self.parameters = parameters
        self.gradients = gradients
        self.packed = packed
        self.parts = parts
        isDry = scratch == nil
        scratchBase = scratch ?? nowhere
        persistentBase = persistent ?? nowhere
        frame = Frame(
            output: nowhere.assumingMemoryBound(to: Float.self), rows: RowCount(capacity: 0), columns: 0)
    }

    /// Whether gradients are computed, so that auxiliaries exist.
    public var isTraining: Bool { trace.purpose == .training }
    /// Rows of the output.
    public var rows: RowCount { frame.rows }
    /// Columns of the output.
    public var columns: Int { frame.columns }
    /// The output's numbers.
    public var output: UnsafeMutablePointer<Float> { frame.output }
    /// The output's gradient; nil for the operation that is the loss.
    public var outputGradient: UnsafeMutablePointer<Float>? { frame.outputGradient }

    /// The numbers of input `place`.
    public func input(_ place: Int) -> UnsafeMutablePointer<Float> { frame.inputs[place] }
    /// The numbers of auxiliary `place`, nil in inference.
    public func auxiliary(_ place: Int) -> UnsafeMutablePointer<Float>? {
        place < frame.auxiliaries.count ? frame.auxiliaries[place] : nil
    }
    /// Where the gradient of input `place` goes, and whether something is there already; nil when nobody wants it.
    public func inputGradient(_ place: Int) -> (pointer: UnsafeMutablePointer<Float>, accumulate: Bool)? {
        place < frame.inputGradients.count ? frame.inputGradients[place] : nil
    }
    /// The numbers of a learned tensor.
    public func value(_ parameter: Parameter?) -> UnsafeMutablePointer<Float>? {
        parameter.flatMap { parameters[$0].baseAddress }
    }
    /// The gradient of a learned tensor.
    public func gradient(_ parameter: Parameter?) -> UnsafeMutablePointer<Float>? {
        guard let parameter, let gradients else { return nil }
        return gradients[parameter].baseAddress
    }
    /// A matrix in panels, in inference; nil otherwise.
    public func panels(_ weight: Parameter) -> UnsafeRawPointer? {
        guard let packed, !isDry else { return packed == nil ? nil : UnsafeRawPointer(scratchBase) }
        do {
            return try packed.panels(of: weight, precision: trace.precision)
        } catch {
            failure = error as? HeedError
            return nil
        }
    }
    /// All rows of the output.
    public var window: heed_window { window(frame.rows) }
    /// All rows of `rows`, or `limit` of them from `first`.
    public func window(_ rows: RowCount, first: Int = 0, limit: Int = Int(Int32.max)) -> heed_window {
        heed_window(rows: rows.pointer, first: Int32(first), limit: Int32(limit))
    }

    /// Memory of `bytes` for each part of one call; its content lasts for that call only.
    public func scratch(_ bytes: Int64) -> heed_scratch {
        let stride = (Int(bytes) + 4095) / 4096 * 4096 + 64
        scratchBytes = max(scratchBytes, stride * parts)
        return heed_scratch(base: scratchBase, stride: Int64(stride))
    }

    /// Zeroed memory that lasts as long as the plan.
    public func persistent<Element>(_ type: Element.Type, count: Int, fill: Element) -> UnsafeMutablePointer<Element> {
        let bytes = (count * MemoryLayout<Element>.stride + 63) / 64 * 64
        let place = isDry ? persistentBase : persistentBase + persistentBytes
        persistentBytes += bytes
        let pointer = place.assumingMemoryBound(to: Element.self)
        if !isDry { pointer.update(repeating: fill, count: count) }
        return pointer
    }

    /// Zeroed floats that last as long as the plan; pages that nobody writes cost nothing.
    public func persistentFloats(count: Int) -> UnsafeMutablePointer<Float> {
        let place = isDry ? persistentBase : persistentBase + persistentBytes
        persistentBytes += (count * 4 + 63) / 64 * 64
        return place.assumingMemoryBound(to: Float.self)
    }

    /// Appends a kernel call.
    ///
    /// - Parameters:
    ///   - rows: what the work is proportional to, or nil for work that is the same in every pass.
    ///   - cost: of one row (or of all the work when `rows` is nil); decides from how many rows on it is shared out.
    public func emit<Arguments>(_ kernel: heed_kernel?, _ arguments: Arguments, rows: RowCount?, cost: Cost) {
        guard let kernel else {
            failure = failure ?? HeedError(.unsupported, "a kernel of this instruction set is missing")
            return
        }
        guard !isDry else { return }
        let memory = UnsafeMutablePointer<Arguments>.allocate(capacity: 1)
        memory.initialize(to: arguments)
        owned.append(UnsafeMutableRawPointer(memory))
        // About what one core does in a nanosecond. Below two microseconds a barrier costs more than help brings.
        let nanoseconds = max(cost.operations / 60, cost.bytes / 12)
        let shareFrom: Int32
        if rows == nil {
            shareFrom = nanoseconds < 2000 ? Int32.max : 0
        } else {
            shareFrom = Int32(min(max(2000 / max(nanoseconds, 1e-3), 1), 1e9))
        }
        let step = Step(
            kernel: kernel, arguments: UnsafeRawPointer(memory), rows: rows.map { UnsafePointer($0.pointer) },
            shareFrom: shareFrom)
        let kind = "\(Arguments.self)".dropFirst(5).description
        let label = kind.hasPrefix(name) || name.isEmpty ? kind : "\(name): \(kind)"
        switch list {
        case .forward:
            forward.append(step)
            names.forward.append(label)
        case .backward:
            backward.append(step)
            names.backward.append(label)
        case .finish:
            finish.append(step)
            names.finish.append(label)
        }
    }

    /// Appends a call that one thread makes.
    public func emitSerial<Arguments>(_ kernel: heed_kernel?, _ arguments: Arguments) {
        emit(kernel, arguments, rows: nil, cost: Cost())
    }

    /// Appends a call that runs once per optimiser step, after all micro-batches.
    public func emitFinish<Arguments>(_ kernel: heed_kernel?, _ arguments: Arguments, cost: Cost) {
        let before = list
        list = .finish
        emit(kernel, arguments, rows: nil, cost: cost)
        list = before
    }
}
