import CHeedKernels
import HeedSupport
import HeedTensor

/// A schedule on a processor: every buffer has its address, every step its kernel call. Runs without allocating.
final class ProcessorProgram: Program {
    let arenaBytes: Int
    let workBytes: Int
    var matrixBytes: Int { addresses.panels.byteCount }
    let completions: [Parameter: Int]
    /// Where the steps of each event of the backward pass end.
    private let backwardEnds: [Int]
    private let team: Team
    private let addresses: Addresses
    private let memories: [AlignedMemory]
    /// Holds what the steps read at run time.
    private let trace: Trace
    private let lists: [(steps: UnsafeMutableBufferPointer<Step>, names: [String])]
    private let owned: [UnsafeMutableRawPointer]
    private var hasRun = false

    /// Lowers the events of `schedule`, asks for memory, and binds every call to it.
    init(_ schedule: Schedule, _ weights: Weights, gradients: ParameterBuffer?, runtime: Runtime) throws {
        let trace = schedule.trace
        let builder = ProgramBuilder(
            trace, kernels: runtime.kernels.table.pointee, weights: weights, gradients: gradients,
            parts: runtime.team.count)
        for event in schedule.forward { try builder.lower(event, .forward) }
        var (ends, completions, late): ([Int], [Parameter: Int], Set<Parameter>) = ([], [:], [])
        for (index, event) in schedule.backward.enumerated() {
            let before = builder.calls.count
            try builder.lower(event, .backward)
            let made = builder.calls[before...]
            ends.append((ends.last ?? 0) + made.count { $0.list == .backward })
            guard case .backward = event.action else { continue }
            for parameter in event.operation.parameters { completions[parameter] = index + 1 }
            if made.contains(where: { $0.list == .finish }) { late.formUnion(event.operation.parameters) }
        }
        backwardEnds = ends
        self.completions = completions.filter { !late.contains($0.key) }
        let arena = try AlignedMemory(byteCount: schedule.arena.byteCount)
        let scratch = try AlignedMemory(byteCount: builder.scratchBytes)
        let lasting = try AlignedMemory(byteCount: builder.lastingBytes)
        let panels = PanelsInUse(weights, precision: trace.precision, runtime: runtime)
        let addresses = Addresses(
            arena: arena.base, offsets: schedule.arena.offsets, scratchBase: scratch.base, lastingBase: lasting.base,
            weights: weights, gradients: gradients, panels: panels)
        for fill in builder.fills { fill(addresses) }
        self.trace = trace
        self.addresses = addresses
        team = runtime.team
        arenaBytes = schedule.arena.byteCount
        workBytes = scratch.byteCount + lasting.byteCount
        memories = [arena, scratch, lasting]
        ProcessorProgram.giveBackStart(trace, weights)
        var owned: [UnsafeMutableRawPointer] = []
        var steps: [ProgramBuilder.List: [(Step, String)]] = [:]
        do {
            for call in builder.calls {
                let arguments = try call.makeArguments(addresses)
                owned.append(arguments)
                let step = Step(
                    kernel: call.kernel, arguments: UnsafeRawPointer(arguments),
                    rows: call.rows.map { UnsafePointer($0.pointer) }, shareFrom: call.shareFrom)
                steps[call.list, default: []].append((step, call.label))
            }
        } catch {
            for pointer in owned { pointer.deallocate() }
            throw error
        }
        self.owned = owned
        lists = [ProgramBuilder.List.forward, .backward, .finish].map { list in
            let steps = steps[list] ?? []
            let memory = UnsafeMutableBufferPointer<Step>.allocate(capacity: steps.count)
            _ = memory.initialize(from: steps.map(\.0))
            return (memory, steps.map(\.1))
        }
    }

    deinit {
        for pointer in owned { pointer.deallocate() }
        for list in lists { list.steps.deallocate() }
    }

    func forward() {
        addresses.panels.refresh(from: addresses.weights)
        team.run(UnsafeBufferPointer(lists[0].steps))
        if !hasRun { ProcessorProgram.giveBackStart(trace, addresses.weights) }
        hasRun = true
    }

    /// What made the schedule, and then what arranged the matrices, is not needed beside a large model.
    private static func giveBackStart(_ trace: Trace, _ weights: Weights) {
        guard trace.purpose == .inference else { return }
        HeedSupport.giveBackStart(beside: weights.layout.count * MemoryLayout<Float>.stride)
    }
    func backward() { team.run(UnsafeBufferPointer(lists[1].steps)) }
    func backward(_ afterEvent: (Int) throws -> Void) rethrows {
        var start = 0
        for (index, end) in backwardEnds.enumerated() {
            team.run(UnsafeBufferPointer(rebasing: lists[1].steps[start..<end]))
            start = end
            try afterEvent(index + 1)
        }
    }
    func finishGradients() { team.run(UnsafeBufferPointer(lists[2].steps)) }

    func numbers(_ buffer: BufferHandle) -> UnsafePointer<Float> { UnsafePointer(addresses[buffer]) }

    func profile(passes: Int) -> [(name: String, seconds: Double, calls: Int)] {
        let clock = ContinuousClock()
        var taken = lists.map { $0.steps.map { _ in [Double]() } }
        for _ in 0..<max(passes, 1) {
            for (list, (steps, _)) in lists.enumerated() {
                for index in steps.indices {
                    let time = clock.measure { team.run(UnsafeBufferPointer(rebasing: steps[index...index])) }
                    taken[list][index].append(time.inSeconds)
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
}

extension Runtime: Backend {
    public func program(
        _ schedule: Schedule, _ weights: Weights, gradients: ParameterBuffer?
    ) throws -> any Program {
        try ProcessorProgram(schedule, weights, gradients: gradients, runtime: self)
    }
}
