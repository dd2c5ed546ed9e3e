import CHeedKernels
import HeedSupport

/// A trace made ready: every buffer has its address, every step its kernel call. Runs without allocating.
public final class Plan {
    /// What was planned.
    public let trace: Trace
    /// Bytes of activations and their gradients: the arena.
    public let arenaBytes: Int
    /// Bytes of scratch of all threads and of tables that last.
    public let workBytes: Int
    /// The forward cost at capacity.
    public let forwardCost: Cost

    private let team: Team
    private let arena: AlignedMemory
    private let scratch: AlignedMemory
    private let persistent: AlignedMemory
    private let parameters: ParameterBuffer
    private let gradients: ParameterBuffer?
    private let packed: PackedWeights?
    private let forwardSteps: UnsafeMutableBufferPointer<Step>
    private let backwardSteps: UnsafeMutableBufferPointer<Step>
    private let finishSteps: UnsafeMutableBufferPointer<Step>
    private let owned: [UnsafeMutableRawPointer]
    private let observed: [String: Observation]
    private let names: (forward: [String], backward: [String], finish: [String])

    /// A value that stays readable after a pass.
    public struct Observation {
        /// [rows, columns], rows as of the last pass.
        public let values: UnsafeMutablePointer<Float>
        /// The gradient, where there is one.
        public let gradient: UnsafeMutablePointer<Float>?
        /// How many rows there are, as of the last pass.
        public let rows: RowCount
        /// The length of a row.
        public let columns: Int
    }

    /// Plans `trace` for the numbers in `parameters`.
    ///
    /// In training `gradients` receives the gradients, added to what is there. In inference matrices are read from
    /// `packed`, which plans of the same model share.
    /// - Throws: `HeedError` when memory is refused.
    public init(
        _ trace: Trace, parameters: ParameterBuffer, gradients: ParameterBuffer? = nil, packed: PackedWeights? = nil,
        kernels: Kernels, team: Team
    ) throws {
        self.trace = trace
        self.team = team
        self.parameters = parameters
        self.gradients = gradients
        self.packed = packed
        let lifetimes = Lifetimes(trace, training: trace.purpose == .training && gradients != nil)
        let layout = ArenaLayout(lifetimes.requests)
        arenaBytes = layout.byteCount
        let arena = try AlignedMemory(byteCount: layout.byteCount)
        self.arena = arena

        func bind(_ binder: Binder, at base: UnsafeMutableRawPointer?) {
            Plan.walk(binder, trace, lifetimes) { buffer in
                (base.map { $0 + layout.offsets[buffer] } ?? arena.base).assumingMemoryBound(to: Float.self)
            }
        }
        let dry = Binder(
            trace: trace, kernels: kernels, parameters: parameters, gradients: gradients, packed: packed,
            parts: team.count, scratch: nil, persistent: nil, nowhere: arena.base)
        bind(dry, at: nil)
        if let failure = dry.failure { throw failure }
        scratch = try AlignedMemory(byteCount: dry.scratchBytes)
        persistent = try AlignedMemory(byteCount: dry.persistentBytes)
        workBytes = scratch.byteCount + persistent.byteCount
        let binder = Binder(
            trace: trace, kernels: kernels, parameters: parameters, gradients: gradients, packed: packed,
            parts: team.count, scratch: scratch.base, persistent: persistent.base, nowhere: arena.base)
        bind(binder, at: arena.base)
        owned = binder.owned
        names = binder.names
        func steps(_ list: [Step]) -> UnsafeMutableBufferPointer<Step> {
            let memory = UnsafeMutableBufferPointer<Step>.allocate(capacity: list.count)
            _ = memory.initialize(from: list)
            return memory
        }
        forwardSteps = steps(binder.forward)
        backwardSteps = steps(binder.backward)
        finishSteps = steps(binder.finish)

        var observed: [String: Observation] = [:]
        for (name, value) in trace.observations where lifetimes.valueBuffer[value] >= 0 {
            func floats(_ buffer: Int) -> UnsafeMutablePointer<Float>? {
                buffer < 0 ? nil : (arena.base + layout.offsets[buffer]).assumingMemoryBound(to: Float.self)
            }
            guard let values = floats(lifetimes.valueBuffer[value]) else { continue }
            observed[name] = Observation(
                values: values, gradient: floats(lifetimes.gradientBuffer[value]), rows: trace.values[value].rows,
                columns: trace.values[value].columns)
        }
        self.observed = observed
        forwardCost = trace.nodes.reduce(Cost()) {
            $0 + $1.operation.cost(rows: trace.values[$1.output].rows.capacity)
        }
        if let failure = binder.failure { throw failure }
    }

    deinit {
        for pointer in owned { pointer.deallocate() }
        forwardSteps.deallocate()
        backwardSteps.deallocate()
        finishSteps.deallocate()
    }

    /// Computes every value of the trace for the batch as it now stands.
    public func forward() { team.run(UnsafeBufferPointer(forwardSteps)) }

    /// Adds the gradients of the last forward pass to the gradient buffer, and writes the losses.
    public func backward() { team.run(UnsafeBufferPointer(backwardSteps)) }

    /// Completes the gradients after the last micro-batch of an optimiser step.
    public func finishGradients() { team.run(UnsafeBufferPointer(finishSteps)) }

    /// Runs passes (and their gradients, in training) step by step and returns what each kind of step takes, in seconds:
    /// the median of `passes`.
    ///
    /// Each step is waited for by itself, so the sum is a little more than a pass takes.
    public func profile(passes: Int = 9) -> [(name: String, seconds: Double, calls: Int)] {
        let lists = [(forwardSteps, names.forward), (backwardSteps, names.backward), (finishSteps, names.finish)]
        let clock = ContinuousClock()
        var taken = lists.map { $0.0.map { _ in [Double]() } }
        for _ in 0..<max(passes, 1) {
            for (list, (steps, _)) in lists.enumerated() {
                for index in steps.indices {
                    let time = clock.measure {
                        team.run(UnsafeBufferPointer(rebasing: steps[index...index]))
                    }.components
                    taken[list][index].append(Double(time.seconds) + Double(time.attoseconds) * 1e-18)
                }
            }
        }
        var sums: [String: (seconds: Double, calls: Int)] = [:]
        for (list, (steps, names)) in lists.enumerated() {
            for index in steps.indices {
                let times = taken[list][index].sorted()
                sums[names[index], default: (0, 0)].seconds += times[times.count / 2]
                sums[names[index], default: (0, 0)].calls += 1
            }
        }
        return sums.map { ($0.key, $0.value.seconds, $0.value.calls) }.sorted { $0.1 > $1.1 }
    }

    /// The value that was recorded under `name`.
    public func observation(_ name: String) -> Observation? { observed[name] }

    /// The names under which values were recorded.
    public var observationNames: [String] { trace.observations.map(\.name) }

    // MARK: - Binding

    private static func walk(
        _ binder: Binder, _ trace: Trace, _ lifetimes: Lifetimes,
        _ address: (Int) -> UnsafeMutablePointer<Float>
    ) {
        func values(_ node: Trace.Node) -> Binder.Frame {
            let value = trace.values[node.output]
            return Binder.Frame(
                inputs: node.inputs.map { address(lifetimes.valueBuffer[$0]) },
                output: address(lifetimes.valueBuffer[node.output]),
                auxiliaries: node.auxiliaries.map {
                    lifetimes.valueBuffer[$0] < 0 ? nil : address(lifetimes.valueBuffer[$0])
                }, rows: value.rows, columns: value.columns)
        }
        binder.list = .forward
        for (index, node) in trace.nodes.enumerated() {
            binder.frame = values(node)
            binder.name = node.operation.name
            if node.operation.inPlace, !lifetimes.worksInPlace[index] {
                copy(binder, from: binder.input(0), to: binder.output, accumulate: false)
            }
            node.operation.forward(binder)
        }
        binder.list = .backward
        for index in stride(from: trace.nodes.count - 1, through: 0, by: -1) where lifetimes.hasBackward[index] {
            let node = trace.nodes[index]
            var frame = values(node)
            for (place, buffer) in lifetimes.recomputed[index].enumerated() where buffer >= 0 {
                let maker = trace.nodes[lifetimes.producer[node.inputs[place]]]
                binder.frame = values(maker)
                _ = maker.operation.recompute(binder, into: address(buffer))
                frame.inputs[place] = address(buffer)
            }
            let own = lifetimes.gradientBuffer[node.output]
            frame.outputGradient = own < 0 ? nil : address(own)
            frame.inputGradients = node.inputs.enumerated().map { place, input in
                lifetimes.gradientBuffer[input] < 0
                    ? nil : (address(lifetimes.gradientBuffer[input]), lifetimes.accumulates[index][place])
            }
            binder.frame = frame
            binder.name = "∂ " + node.operation.name
            node.operation.backward(binder)
            // What passes through unchanged is the planner's business, not the operation's.
            if let place = node.operation.passThrough, !lifetimes.sharesPassThrough[index],
                let to = frame.inputGradients[place], let from = frame.outputGradient
            {
                copy(binder, from: from, to: to.pointer, accumulate: to.accumulate)
            }
            if node.operation.inPlace, let to = frame.inputGradients[0], let from = frame.outputGradient,
                to.pointer != from
            {
                copy(binder, from: from, to: to.pointer, accumulate: to.accumulate)
            }
        }
    }

    private static func copy(
        _ binder: Binder, from: UnsafeMutablePointer<Float>, to: UnsafeMutablePointer<Float>, accumulate: Bool
    ) {
        binder.emit(
            binder.kernels.combine,
            heed_combine(
                window: binder.window, x: UnsafePointer(from), z: accumulate ? UnsafePointer(to) : nil, y: to, a: 1,
                b: 1, columns: Int32(binder.columns)),
            rows: binder.rows, cost: Cost(bytes: Double(binder.columns) * 8))
    }
}

/// An operation whose gradient starts the backward pass.
public protocol LossOperation: Operation {}
