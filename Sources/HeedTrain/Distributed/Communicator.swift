import HeedSupport

/// What the ranks of one run say to each other.
///
/// Every rank makes the same calls in the same order; a call returns when its part is done.
public protocol Communicator: AnyObject {
    /// The number of this rank, from 0.
    var rank: Int { get }
    /// How many ranks there are.
    var size: Int { get }
    /// Sends bytes to `partner` and receives bytes from it at the same time; either may be none.
    ///
    /// - Throws: `HeedError` (`io`) when the ranks cannot reach each other.
    func exchange(with partner: Int, send: UnsafeRawBufferPointer, receive: UnsafeMutableRawBufferPointer) throws
    /// Begins to send bytes to `partner` and to receive bytes from it, and returns at once; either may be none. Their memory
    /// must stay until that is done.
    ///
    /// `number` names the message among those under way between both.
    ///
    /// - Throws: `HeedError` (`io`) when the ranks cannot reach each other.
    func begin(
        with partner: Int, number: Int, send: UnsafeRawBufferPointer, receive: UnsafeMutableRawBufferPointer
    ) throws -> any PendingExchange
    /// Gives every rank the blocks of all, each as long as `block`, in the order of ranks.
    ///
    /// - Throws: `HeedError` (`io`) when the ranks cannot reach each other.
    func gather(_ block: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws
}

/// Bytes under way between two ranks while they compute.
public protocol PendingExchange: AnyObject {
    /// Lets messages move and says whether this one has been sent and received; `waiting`: not before it has.
    ///
    /// - Throws: `HeedError` (`io`) when the ranks cannot reach each other.
    func isDone(waiting: Bool) throws -> Bool
}

extension Communicator {
    /// The values of all ranks, one rank's after the other's; each gives as many.
    package func gathered<Value: BitwiseCopyable>(_ values: [Value], fill: Value) throws -> [Value] {
        guard size > 1 else { return values }
        var all = [Value](repeating: fill, count: values.count * size)
        try values.withUnsafeBytes { block in
            try all.withUnsafeMutableBytes { try gather(block, into: $0) }
        }
        return all
    }

    /// Whether any rank says yes.
    package func isTrueAnywhere(_ answer: Bool) throws -> Bool {
        try gathered([answer ? UInt8(1) : 0], fill: 0).contains(1)
    }

    /// What rank 0 says.
    func fromFirst(_ value: Double) throws -> Double { try gathered([value], fill: 0)[0] }
}

/// The only rank of a run.
public final class SingleRank: Communicator {
    public let rank = 0
    public let size = 1

    /// A run on one process.
    public init() {}

    public func exchange(
        with partner: Int, send: UnsafeRawBufferPointer, receive: UnsafeMutableRawBufferPointer
    ) throws {}

    public func begin(
        with partner: Int, number: Int, send: UnsafeRawBufferPointer, receive: UnsafeMutableRawBufferPointer
    ) throws -> any PendingExchange {
        throw HeedError(.usage, "a single rank has nobody to talk to", got: "rank \(partner)")
    }

    public func gather(_ block: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        all.copyMemory(from: block)
    }
}
