/// Which values and gradients of a trace exist, from which event to which, and which share a buffer.
///
/// Event i is the forward pass of operation i, event 2n − 1 − i its backward pass.
struct Lifetimes {
    /// A buffer: values and gradients that are one by construction (in place, passed through) share one.
    private(set) var requests: [BufferRequest] = []
    /// Buffer of each value, or −1 (auxiliaries that nobody reads).
    private(set) var valueBuffer: [Int]
    /// Buffer of each value's gradient, or −1.
    private(set) var gradientBuffer: [Int]
    /// Operations that have a backward pass.
    private(set) var hasBackward: [Bool]
    /// By operation and input: whether a gradient is there already when this operation adds its own.
    private(set) var accumulates: [[Bool]]
    /// By operation: whether the gradient of its passed-through input is the output's own buffer.
    private(set) var sharesPassThrough: [Bool]
    /// By operation: whether its output lies in the buffer of input 0.
    private(set) var worksInPlace: [Bool]
    /// By operation and input place: buffer that holds a recomputed copy during its backward pass, or −1.
    private(set) var recomputed: [[Int]]
    /// The operation that makes each value.
    private(set) var producer: [Int]

    /// - Parameter isTrained: whether a parameter has a gradient; nothing flows back to where nothing is trained.
    init(_ trace: Trace, training: Bool, isTrained: (Parameter) -> Bool) {
        let nodes = trace.nodes
        valueBuffer = [Int](repeating: -1, count: trace.values.count)
        gradientBuffer = [Int](repeating: -1, count: trace.values.count)
        hasBackward = [Bool](repeating: false, count: nodes.count)
        accumulates = nodes.map { [Bool](repeating: false, count: $0.inputs.count) }
        sharesPassThrough = [Bool](repeating: false, count: nodes.count)
        worksInPlace = [Bool](repeating: false, count: nodes.count)
        recomputed = nodes.map { [Int](repeating: -1, count: $0.inputs.count) }
        producer = [Int](repeating: -1, count: trace.values.count)
        for (index, node) in nodes.enumerated() {
            producer[node.output] = index
            for auxiliary in node.auxiliaries { producer[auxiliary] = index }
        }
        let observed = Set(trace.observations.map(\.value))
        let wanted = training ? findWayBack(trace, observed, isTrained) : []
        placeValues(trace, observed, training: training)
        keepForGradients(trace, observed)
        placeGradients(trace, observed, wanted)
        let end = 2 * nodes.count
        for value in observed {
            extend(valueBuffer[value], to: end)
            extend(gradientBuffer[value], to: end)
        }
    }

    /// Finds which operations have a backward pass, and returns which values have a gradient: those that depend on
    /// something trained (or watched) and lie on a way to a loss.
    private mutating func findWayBack(
        _ trace: Trace, _ observed: Set<Int>, _ isTrained: (Parameter) -> Bool
    ) -> [Bool] {
        var moves = [Bool](repeating: false, count: trace.values.count)
        var wanted = [Bool](repeating: false, count: trace.values.count)
        for node in trace.nodes {
            moves[node.output] =
                observed.contains(node.output) || node.operation.parameters.contains(where: isTrained)
                || node.inputs.contains { moves[$0] }
        }
        for (index, node) in trace.nodes.enumerated().reversed() {
            guard moves[node.output], wanted[node.output] || node.operation.isLoss else { continue }
            hasBackward[index] = true
            for input in node.inputs where moves[input] { wanted[input] = true }
        }
        return wanted
    }

    /// Gives every value its buffer, or the one of its input where that is read for the last time.
    private mutating func placeValues(_ trace: Trace, _ observed: Set<Int>, training: Bool) {
        var lastReader = [Int](repeating: -1, count: trace.values.count)
        for (index, node) in trace.nodes.enumerated() { for input in node.inputs { lastReader[input] = index } }
        for (index, node) in trace.nodes.enumerated() {
            let input = node.inputs.first ?? -1
            if node.operation.inPlace, input >= 0, lastReader[input] == index, !observed.contains(input),
                valueBuffer[input] >= 0
            {
                worksInPlace[index] = true
                valueBuffer[node.output] = valueBuffer[input]
                extend(valueBuffer[input], to: index)
            } else {
                valueBuffer[node.output] = add(trace.bytes(of: node.output), from: index, to: index)
            }
            for auxiliary in node.auxiliaries where training || observed.contains(auxiliary) {
                valueBuffer[auxiliary] = add(trace.bytes(of: auxiliary), from: index, to: index)
            }
            for input in node.inputs { extend(valueBuffer[input], to: index) }
        }
    }

    /// Keeps what the backward pass of each operation reads, or makes room to compute it again.
    private mutating func keepForGradients(_ trace: Trace, _ observed: Set<Int>) {
        let nodes = trace.nodes
        for (index, node) in nodes.enumerated() where hasBackward[index] {
            let event = 2 * nodes.count - 1 - index
            for place in node.operation.gradientInputs {
                let input = node.inputs[place]
                let maker = producer[input]
                if maker >= 0, nodes[maker].operation.isRecomputable, !observed.contains(input) {
                    recomputed[index][place] = add(trace.bytes(of: input), from: event, to: event)
                    for auxiliary in nodes[maker].auxiliaries { extend(valueBuffer[auxiliary], to: event) }
                } else {
                    extend(valueBuffer[input], to: event)
                }
            }
            if node.operation.gradientReadsOutput { extend(valueBuffer[node.output], to: event) }
            for auxiliary in node.auxiliaries { extend(valueBuffer[auxiliary], to: event) }
        }
    }

    /// Gives gradients their buffers, in the order of the backward pass.
    private mutating func placeGradients(_ trace: Trace, _ observed: Set<Int>, _ wanted: [Bool]) {
        let nodes = trace.nodes
        for (index, node) in nodes.enumerated().reversed() where hasBackward[index] {
            let event = 2 * nodes.count - 1 - index
            let own = gradientBuffer[node.output]
            extend(own, to: event)
            for (place, input) in node.inputs.enumerated() where wanted[input] {
                accumulates[index][place] = gradientBuffer[input] >= 0
                guard gradientBuffer[input] < 0 else {
                    extend(gradientBuffer[input], to: event)
                    continue
                }
                let shares = (node.operation.passThrough == place || (node.operation.inPlace && place == 0))
                if shares, own >= 0, !observed.contains(node.output) {
                    gradientBuffer[input] = own
                    if node.operation.passThrough == place { sharesPassThrough[index] = true }
                } else {
                    gradientBuffer[input] = add(trace.bytes(of: input), from: event, to: event)
                }
            }
        }
    }

    private mutating func add(_ bytes: Int, from: Int, to: Int) -> Int {
        requests.append(BufferRequest(bytes: bytes, firstUse: from, lastUse: to))
        return requests.count - 1
    }

    private mutating func extend(_ buffer: Int, to event: Int) {
        guard buffer >= 0 else { return }
        requests[buffer].lastUse = max(requests[buffer].lastUse, event)
    }
}

extension Trace {
    /// The bytes of a value at its largest.
    fileprivate func bytes(of value: Int) -> Int { values[value].capacity * MemoryLayout<Float>.stride }
}
