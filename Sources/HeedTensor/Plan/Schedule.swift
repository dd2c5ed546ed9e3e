import HeedSupport

/// Memory of one value or gradient: a handle, which a back end turns into an address.
public struct BufferHandle: Hashable, Sendable {
    /// The number of the buffer in the schedule.
    public let index: Int
}

/// Where a gradient goes, and whether something is there already.
public struct GradientTarget: Sendable {
    /// The gradient's memory.
    public let buffer: BufferHandle
    /// Whether the gradient is added to what is there.
    public let accumulates: Bool

    /// A gradient's memory, and whether to add.
    public init(buffer: BufferHandle, accumulates: Bool) {
        self.buffer = buffer
        self.accumulates = accumulates
    }
}

/// What an operation reads and writes in one event, by handle.
public struct Frame: Sendable {
    /// The shapes of the inputs.
    public let inputShapes: [Shape]
    /// The shape of the output.
    public let shape: Shape
    /// The inputs' numbers.
    public var inputs: [BufferHandle]
    /// The output's numbers.
    public var output: BufferHandle
    /// Numbers for the gradient; nil where nobody reads them.
    public var auxiliaries: [BufferHandle?]
    /// The output's gradient; nil for the operation that is the loss.
    public var outputGradient: BufferHandle?
    /// Where the inputs' gradients go; nil where nobody wants them.
    public var inputGradients: [GradientTarget?] = []

    /// Rows of the output.
    public var rows: RowCount { shape.rows }
    /// The numbers of auxiliary `place`, where there are some.
    public func auxiliary(_ place: Int) -> BufferHandle? {
        auxiliaries.indices.contains(place) ? auxiliaries[place] : nil
    }
    /// Where the gradient of input `place` goes, where somebody wants it.
    public func inputGradient(_ place: Int) -> GradientTarget? {
        inputGradients.indices.contains(place) ? inputGradients[place] : nil
    }
}

/// One thing to do in a pass.
public struct Event: Sendable {
    /// What is done.
    public enum Action: Sendable {
        /// Compute the output.
        case forward
        /// Compute the output again from the first auxiliary.
        case recompute
        /// Turn the output's gradient into those of inputs and parameters.
        case backward
        /// Copy `from` into `to`, or add it to what is there.
        case copy(from: BufferHandle, to: GradientTarget)
    }
    /// What is done.
    public let action: Action
    /// By which operation.
    public let operation: any TensorOperation
    /// The path of its layer.
    public let path: String
    /// With what.
    public let frame: Frame
}

/// A planned trace: what to do in which order with which buffers, and how long each buffer lives. It knows handles and
/// lifetimes, never addresses: a back end makes a program of it.
public struct Schedule {
    /// What was planned.
    public let trace: Trace
    /// The layout of the parameters that the operations read.
    public let layout: ParameterLayout
    /// The forward pass in order.
    public let forward: [Event]
    /// The backward pass in order; empty in inference.
    public let backward: [Event]
    /// Bytes of every buffer in fp32, and the first and last event that uses it.
    public let requests: [BufferRequest]
    /// A place for every buffer in one arena, by lifetime.
    public let arena: ArenaLayout

    private let lifetimes: Lifetimes

    /// Plans `trace` for parameters of `layout`.
    ///
    /// Cost: buffers², no memory beside the layout.
    /// - Throws: `HeedError` naming the layer whose shapes do not fit.
    public init(_ trace: Trace, _ layout: ParameterLayout) throws {
        if let failure = trace.failure { throw failure }
        let lifetimes = Lifetimes(
            trace, training: trace.purpose != .inference,
            isTrained: { trace.purpose == .training && layout.isTrained($0) })
        self.trace = trace
        self.layout = layout
        self.lifetimes = lifetimes
        requests = lifetimes.requests
        arena = ArenaLayout(lifetimes.requests)
        forward = Schedule.forwardEvents(trace, lifetimes)
        backward = Schedule.backwardEvents(trace, lifetimes)
    }

    /// The forward cost at capacity.
    public var forwardCost: Cost {
        trace.nodes.reduce(Cost()) { $0 + $1.operation.cost(rows: trace.values[$1.output].rows.capacity) }
    }

    /// The buffers of a named value: its numbers, its gradient, and its shape.
    public func observation(_ name: String) -> (values: BufferHandle, gradient: BufferHandle?, shape: Shape)? {
        guard let value = trace.observations.first(where: { $0.name == name })?.value,
            lifetimes.valueBuffer[value] >= 0
        else { return nil }
        let gradient = lifetimes.gradientBuffer[value]
        return (
            BufferHandle(index: lifetimes.valueBuffer[value]), gradient < 0 ? nil : BufferHandle(index: gradient),
            trace.values[value]
        )
    }

    // MARK: - Events

    private static func frame(_ node: Trace.Node, _ trace: Trace, _ lifetimes: Lifetimes) -> Frame {
        func handle(_ value: Int) -> BufferHandle { BufferHandle(index: lifetimes.valueBuffer[value]) }
        return Frame(
            inputShapes: node.inputs.map { trace.values[$0] }, shape: trace.values[node.output],
            inputs: node.inputs.map(handle), output: handle(node.output),
            auxiliaries: node.auxiliaries.map { lifetimes.valueBuffer[$0] < 0 ? nil : handle($0) })
    }

    private static func forwardEvents(_ trace: Trace, _ lifetimes: Lifetimes) -> [Event] {
        trace.nodes.enumerated().flatMap { index, node in
            let frame = frame(node, trace, lifetimes)
            func event(_ action: Event.Action) -> Event {
                Event(action: action, operation: node.operation, path: node.path, frame: frame)
            }
            guard node.operation.inPlace, !lifetimes.worksInPlace[index] else { return [event(.forward)] }
            let target = GradientTarget(buffer: frame.output, accumulates: false)
            return [event(.copy(from: frame.inputs[0], to: target)), event(.forward)]
        }
    }

    private static func backwardEvents(_ trace: Trace, _ lifetimes: Lifetimes) -> [Event] {
        var events: [Event] = []
        for index in stride(from: trace.nodes.count - 1, through: 0, by: -1) where lifetimes.hasBackward[index] {
            let node = trace.nodes[index]
            var frame = frame(node, trace, lifetimes)
            for (place, buffer) in lifetimes.recomputed[index].enumerated() where buffer >= 0 {
                let maker = trace.nodes[lifetimes.producer[node.inputs[place]]]
                var again = Schedule.frame(maker, trace, lifetimes)
                again.output = BufferHandle(index: buffer)
                events.append(
                    Event(action: .recompute, operation: maker.operation, path: maker.path, frame: again))
                frame.inputs[place] = again.output
            }
            let own = lifetimes.gradientBuffer[node.output]
            frame.outputGradient = own < 0 ? nil : BufferHandle(index: own)
            frame.inputGradients = node.inputs.enumerated().map { place, input in
                let buffer = lifetimes.gradientBuffer[input]
                guard buffer >= 0 else { return nil }
                return GradientTarget(
                    buffer: BufferHandle(index: buffer), accumulates: lifetimes.accumulates[index][place])
            }
            func add(_ action: Event.Action) {
                events.append(Event(action: action, operation: node.operation, path: node.path, frame: frame))
            }
            add(.backward)
            guard let from = frame.outputGradient else { continue }
            // What passes through unchanged is the planner's business, not the operation's.
            if let place = node.operation.passThrough, !lifetimes.sharesPassThrough[index],
                let to = frame.inputGradients[place]
            {
                add(.copy(from: from, to: to))
            }
            if node.operation.inPlace, let to = frame.inputGradients[0], to.buffer != from {
                add(.copy(from: from, to: to))
            }
        }
        return events
    }
}
