/// What a plan of a trace would need and do, without the memory or the numbers.
public struct PlanEstimate: Sendable, Equatable {
    /// Bytes of activations and, in training, of their gradients.
    public let arenaBytes: Int
    /// Arithmetic and traffic of the forward pass at capacity.
    public let forwardCost: Cost

    /// Lays out `trace` as a plan would. Cost: buffers², no memory beside the layout.
    public init(_ trace: Trace) {
        arenaBytes = ArenaLayout(Lifetimes(trace, training: trace.purpose == .training).requests).byteCount
        forwardCost = trace.nodes.reduce(Cost()) {
            $0 + $1.operation.cost(rows: trace.values[$1.output].rows.capacity)
        }
    }
}
