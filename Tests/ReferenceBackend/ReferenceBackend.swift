import HeedSupport
import HeedTensor

/// A back end in double precision: slow and obvious, the oracle of every operation and model.
///
/// It knows nothing of kernels, threads or arenas: every buffer has memory of its own, which holds NaN until it is
/// written, so what the planner shares or recomputes too early shows as a difference.
public struct ReferenceBackend: Backend {
    public init() {}

    public func program(
        _ schedule: Schedule, _ weights: Weights, gradients: ParameterBuffer?
    ) throws -> any Program {
        try ReferenceProgram(schedule, weights, gradients)
    }
}

/// How the reference computes an operation.
protocol ReferenceLowering: TensorOperation {
    func forward(_ frame: Frame, _ memory: ReferenceMemory)
    func backward(_ frame: Frame, _ memory: ReferenceMemory)
    func recompute(_ frame: Frame, _ memory: ReferenceMemory)
}

extension ReferenceLowering {
    func recompute(_ frame: Frame, _ memory: ReferenceMemory) { forward(frame, memory) }
}

/// The numbers of a pass in double precision.
final class ReferenceMemory {
    /// By buffer.
    var buffers: [[Double]]
    /// By parameter.
    private(set) var values: [[Double]] = []
    /// By parameter; empty where it is frozen.
    var gradients: [[Double]] = []
    private let weights: Weights

    init(_ schedule: Schedule, _ weights: Weights, _ gradients: ParameterBuffer?) throws {
        self.weights = weights
        buffers = schedule.requests.map { Array(repeating: .nan, count: $0.bytes / 4) }
        self.gradients = weights.layout.parameters.map {
            Array(repeating: 0, count: gradients?[$0].count ?? 0)
        }
        try readWeights()
    }

    func readWeights() throws { values = try weights.layout.parameters.map { try weights.rows($0).map { Double($0) } } }

    subscript(buffer: BufferHandle) -> [Double] {
        get { buffers[buffer.index] }
        _modify { yield &buffers[buffer.index] }
    }

    func value(_ parameter: Parameter) -> [Double] { values[parameter.index] }

    /// Adds `amount` to an element of the gradient, where the parameter has one.
    func add(_ amount: Double, to parameter: Parameter?, at index: Int) {
        guard let parameter, !gradients[parameter.index].isEmpty else { return }
        gradients[parameter.index][index] += amount
    }

    /// Gives `gradient`, one number per element of `rows` rows, to a target.
    func give(_ gradient: [Double], to target: GradientTarget?) {
        guard let target else { return }
        for (index, value) in gradient.enumerated() {
            if target.accumulates {
                buffers[target.buffer.index][index] += value
            } else {
                buffers[target.buffer.index][index] = value
            }
        }
    }
}

/// A schedule, event by event.
public final class ReferenceProgram: Program {
    public let arenaBytes = 0
    public let workBytes = 0
    public let matrixBytes = 0
    private let schedule: Schedule
    private let memory: ReferenceMemory
    private let gradients: ParameterBuffer?
    /// Copies in single precision of what was observed, at addresses that stay.
    private var mirrors: [BufferHandle: UnsafeMutableBufferPointer<Float>] = [:]

    init(_ schedule: Schedule, _ weights: Weights, _ gradients: ParameterBuffer?) throws {
        for event in schedule.forward + schedule.backward where !(event.operation is any ReferenceLowering) {
            throw HeedError(.unsupported, "the reference does not know \(event.operation.name)", in: event.path)
        }
        self.schedule = schedule
        self.gradients = gradients
        memory = try ReferenceMemory(schedule, weights, gradients)
        for (name, _) in schedule.trace.observations {
            guard let (values, gradient, _) = schedule.observation(name) else { continue }
            for buffer in [values, gradient].compactMap({ $0 }) where mirrors[buffer] == nil {
                let mirror = UnsafeMutableBufferPointer<Float>.allocate(capacity: memory[buffer].count)
                mirror.initialize(repeating: 0)
                mirrors[buffer] = mirror
            }
        }
    }

    deinit { for mirror in mirrors.values { mirror.deallocate() } }

    public func forward() {
        try? memory.readWeights()
        for event in schedule.forward { run(event) }
        reflect()
    }

    public func backward() { backward { _ in } }

    public func backward(_ afterEvent: (Int) throws -> Void) rethrows {
        for (index, event) in schedule.backward.enumerated() {
            run(event)
            try afterEvent(index + 1)
        }
        reflect()
    }

    public var completions: [Parameter: Int] { [:] }

    public func finishGradients() {
        guard let gradients else { return }
        for parameter in gradients.layout.parameters {
            for (index, value) in memory.gradients[parameter.index].enumerated() {
                gradients[parameter][index] += Float(value)
                memory.gradients[parameter.index][index] = 0
            }
        }
    }

    public func numbers(_ buffer: BufferHandle) -> UnsafePointer<Float> {
        UnsafePointer(mirrors[buffer]?.baseAddress ?? schedule.trace.lossScale.pointer)
    }

    public func profile(passes: Int) -> [(name: String, seconds: Double, calls: Int)] { [] }

    /// A gradient before it is rounded; call before `finishGradients`.
    public func gradient(of parameter: Parameter) -> [Double] { memory.gradients[parameter.index] }

    private func run(_ event: Event) {
        if case .copy(let from, let to) = event.action {
            memory.give(Array(memory[from].prefix(event.frame.rows.current * event.frame.shape.columns)), to: to)
            return
        }
        guard let operation = event.operation as? any ReferenceLowering else { return }
        switch event.action {
        case .forward: operation.forward(event.frame, memory)
        case .recompute: operation.recompute(event.frame, memory)
        case .backward: operation.backward(event.frame, memory)
        case .copy: break
        }
    }

    private func reflect() {
        for (buffer, mirror) in mirrors {
            for (index, value) in memory[buffer].enumerated() { mirror[index] = Float(value) }
        }
    }
}
