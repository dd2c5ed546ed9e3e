import CHeedKernels
import HeedSupport
import HeedTensor

/// How a processor computes an operation: its kernel calls, in a file of its own beside the other lowerings.
protocol ProcessorLowering: TensorOperation {
    /// Emits the kernel calls of the forward pass.
    func forward(_ frame: Frame, _ program: ProgramBuilder) throws
    /// Emits the calls that turn the output's gradient into those of inputs and parameters.
    func backward(_ frame: Frame, _ program: ProgramBuilder) throws
    /// Emits the call that computes the output again from the first auxiliary.
    func recompute(_ frame: Frame, _ program: ProgramBuilder) throws
}

extension ProcessorLowering {
    func recompute(_ frame: Frame, _ program: ProgramBuilder) throws {}
}

/// Memory that lasts as long as a program: a handle until the program is bound.
struct LastingMemory<Element> {
    let offset: Int
}

/// Scratch of every part of a call: a handle until the program is bound.
struct ScratchMemory {
    let stride: Int
}

/// Where everything lies, once a program is bound.
struct Addresses {
    let arena: UnsafeMutableRawPointer
    let offsets: [Int]
    let scratchBase: UnsafeMutableRawPointer
    let lastingBase: UnsafeMutableRawPointer
    let weights: Weights
    let gradients: ParameterBuffer?
    let panels: PanelsInUse

    subscript(buffer: BufferHandle) -> UnsafeMutablePointer<Float> {
        (arena + offsets[buffer.index]).assumingMemoryBound(to: Float.self)
    }
    subscript(optional buffer: BufferHandle?) -> UnsafeMutablePointer<Float>? { buffer.map { self[$0] } }
    subscript(scratch: ScratchMemory) -> heed_scratch { heed_scratch(base: scratchBase, stride: Int64(scratch.stride)) }
    subscript<Element>(lasting: LastingMemory<Element>) -> UnsafeMutablePointer<Element> {
        (lastingBase + lasting.offset).assumingMemoryBound(to: Element.self)
    }
    /// The numbers of a learned tensor.
    func value(_ parameter: Parameter?) throws -> UnsafePointer<Float>? {
        try parameter.flatMap { UnsafePointer(try weights.rows($0).baseAddress) }
    }
    /// Where look-ups find their table: with the matrix that it also is, where that has numbers of its own precision, or
    /// as its file has it in fewer bits than fp32; else row by row.
    func table(_ parameter: Parameter, isMatrix: Bool, inPanels: Bool) throws -> MatrixAddresses {
        let shares = isMatrix || (weights.form == .stored && weights.isStoredInFewerBits(parameter))
        let pairs = panels.precision == .bfloat16 || weights.form == .bfloat16
        return try matrix(parameter, inPanels: inPanels && shares && !pairs, keepsBytes: true)
    }
    /// Where a product finds its matrix: in panels, or row by row.
    func matrix(_ parameter: Parameter, inPanels: Bool, keepsBytes: Bool = false) throws -> MatrixAddresses {
        guard inPanels else { return MatrixAddresses(rows: try value(parameter)) }
        return try panels.addresses(parameter, weights, keepsBytes: keepsBytes)
    }
    /// The gradient of a learned tensor; nil where it is frozen.
    func gradient(_ parameter: Parameter?) -> UnsafeMutablePointer<Float>? {
        parameter.flatMap { gradients?[$0].baseAddress }
    }
}

/// Collects the kernel calls of a schedule. Their arguments are made once, when all memory has its address.
final class ProgramBuilder {
    enum List { case forward, backward, finish }

    /// A kernel call whose arguments wait for addresses.
    struct Call {
        let list: List
        let kernel: heed_kernel
        let label: String
        let rows: RowCount?
        let shareFrom: Int32
        let makeArguments: (Addresses) throws -> UnsafeMutableRawPointer
    }

    let kernels: heed_kernels
    /// What is being planned.
    let trace: Trace
    /// Whether matrices are read in panels: they are arranged once, where nothing changes them. What is explained reads
    /// them where they round, so that its numbers are those of inference; the way back takes the numbers of the file.
    let readsPanels: Bool
    /// The kernels' number for the arithmetic of products that read panels.
    let panelPrecision: Int32
    private let gradients: ParameterBuffer?
    private let parts: Int
    private(set) var calls: [Call] = []
    private(set) var scratchBytes = 0
    private(set) var lastingBytes = 0
    private(set) var fills: [(Addresses) -> Void] = []
    private var list = List.forward
    private var name = ""
    private(set) var currentPath = ""

    init(
        _ trace: Trace, kernels: heed_kernels, weights: Weights, gradients: ParameterBuffer?, parts: Int
    ) {
        self.trace = trace
        self.kernels = kernels
        let mayRead = trace.purpose == .inference || trace.purpose == .explaining && !weights.form.isExact
        readsPanels = mayRead && !weights.isChanging
        panelPrecision =
            trace.precision == .bfloat16 || weights.form == .bfloat16
            ? kernels.code(.bfloat16)
            : weights.form.isInteger ? Int32(kernels.integer.rawValue) : kernels.code(.float32)
        self.gradients = gradients
        self.parts = parts
    }

    /// Emits the calls of `event`.
    ///
    /// - Throws: `HeedError` naming an operation that this back end does not know.
    func lower(_ event: Event, _ list: List) throws {
        self.list = list
        name = (list == .forward ? "" : "∂ ") + event.operation.name
        currentPath = event.path
        if case .copy(let from, let to) = event.action {
            copy(event.frame, from: from, to: to)
            return
        }
        guard let operation = event.operation as? any ProcessorLowering else {
            throw HeedError(
                .unsupported, "the processor does not know the operation \(quoted(event.operation.name))",
                in: event.path)
        }
        switch event.action {
        case .forward: try operation.forward(event.frame, self)
        case .recompute: try operation.recompute(event.frame, self)
        case .backward: try operation.backward(event.frame, self)
        case .copy: break
        }
    }

    private func copy(_ frame: Frame, from: BufferHandle, to: GradientTarget) {
        let columns = frame.shape.columns
        emit(kernels.combine, rows: frame.rows, cost: Cost(bytes: Double(columns) * 8)) { at in
            heed_combine(
                window: frame.window, x: at[from], z: to.accumulates ? UnsafePointer(at[to.buffer]) : nil,
                y: at[to.buffer], a: 1, b: 1, columns: Int32(columns))
        }
    }

    /// Whether `table` is also a matrix that a product reads in panels: then its rows need no memory of their own.
    func isMatrixInPanels(_ table: Parameter) -> Bool {
        readsPanels && trace.nodes.contains { ($0.operation as? LinearOperation)?.weight.index == table.index }
    }

    /// The kernels' number for the arithmetic of a product.
    func precision(inPanels: Bool) -> Int32 { inPanels ? panelPrecision : kernels.code(trace.precision) }

    /// Whether `parameter` has a gradient here.
    func trains(_ parameter: Parameter?) -> Bool {
        parameter.flatMap { gradients?[$0].baseAddress } != nil
    }

    /// Memory of `bytes` for each part of one call; its content lasts for that call only.
    func scratch(_ bytes: Int64) -> ScratchMemory {
        let stride = (Int(bytes) + 4095) / 4096 * 4096 + 64
        scratchBytes = max(scratchBytes, stride * parts)
        return ScratchMemory(stride: stride)
    }

    /// Memory that lasts as long as the program, filled with `fill`; without it zero, in pages that nobody writes at no
    /// cost.
    func lasting<Element>(_ type: Element.Type, count: Int, fill: Element? = nil) -> LastingMemory<Element> {
        let memory = LastingMemory<Element>(offset: lastingBytes)
        lastingBytes += (count * MemoryLayout<Element>.stride + 63) / 64 * 64
        if let fill { fills.append { $0[memory].update(repeating: fill, count: count) } }
        return memory
    }

    /// Appends a kernel call.
    ///
    /// - Parameters:
    ///   - rows: what the work is proportional to, or nil for work that is the same in every pass.
    ///   - cost: of one row (or of all the work when `rows` is nil); decides from how many rows on it is shared out.
    ///   - onFinish: whether it runs once per optimiser step, after all micro-batches.
    func emit<Arguments>(
        _ kernel: heed_kernel, rows: RowCount?, cost: Cost, onFinish: Bool = false,
        _ arguments: @escaping (Addresses) throws -> Arguments
    ) {
        // About what one core does in a nanosecond. Below two microseconds a barrier costs more than help brings.
        let nanoseconds = max(cost.operations / 60, cost.bytes / 12)
        let shareFrom: Int32
        if rows == nil {
            shareFrom = nanoseconds < 2000 ? Int32.max : 0
        } else {
            shareFrom = Int32(min(max(2000 / max(nanoseconds, 1e-3), 1), 1e9))
        }
        let kind = "\(Arguments.self)".dropFirst(5).description
        calls.append(
            Call(
                list: onFinish ? .finish : list, kernel: kernel,
                label: kind.hasPrefix(name) || name.isEmpty ? kind : "\(name): \(kind)", rows: rows,
                shareFrom: shareFrom
            ) { addresses in
                let memory = UnsafeMutablePointer<Arguments>.allocate(capacity: 1)
                do {
                    memory.initialize(to: try arguments(addresses))
                } catch {
                    memory.deallocate()
                    throw error
                }
                return UnsafeMutableRawPointer(memory)
            })
    }
}

extension Frame {
    /// All rows of the output.
    var window: heed_window { Frame.window(rows) }

    /// All rows of `rows`, or `limit` of them from `first`.
    static func window(_ rows: RowCount, first: Int = 0, limit: Int = Int(Int32.max)) -> heed_window {
        heed_window(rows: rows.pointer, first: Int32(first), limit: Int32(limit))
    }
}
