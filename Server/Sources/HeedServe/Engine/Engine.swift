import Dispatch
import Foundation
import Heed
import NIOConcurrencyHelpers

/// The one thread on which all models compute: generation of every model in turn, embeddings between.
///
/// Requests hand it jobs and closures; nothing else touches a model. It sleeps while there is nothing to do.
public final class Engine: Sendable {
    /// How many choices of one model are decoded at once, and how many wait.
    public struct Limits: Sendable {
        /// Choices of one model that are decoded at once.
        public var parallel = 16
        /// Jobs that wait for a place; a job more is refused.
        public var waiting = 256
        /// Ids of prompts that one pass reads at most beside the rows that are being decoded.
        public var promptChunk = 256
        /// Ids that are kept for prompts that begin the same, for each model.
        public var prefixTokens = 16_384

        /// The usual limits.
        public init() {}
    }

    /// The limits.
    public let limits: Limits
    /// The kernels and threads.
    public let runtime: Runtime
    /// What it counts.
    public let figures: EngineFigures

    private let inbox = NIOLockedValueBox(Inbox())
    private let bell = DispatchSemaphore(value: 0)

    private struct Inbox {
        var tasks: [@Sendable () -> Void] = []
        var lanes: [GenerationLane] = []
        var waiting = 0
        var isEnding = false
    }

    /// Starts the thread.
    public init(runtime: Runtime, limits: Limits = Limits(), figures: EngineFigures) {
        self.runtime = runtime
        self.limits = limits
        self.figures = figures
        let thread = Thread { [self] in run() }
        thread.name = "heed engine"
        thread.stackSize = 16 << 20
        thread.start()
    }

    /// How many jobs wait.
    public var waiting: Int { inbox.withLockedValue { $0.waiting } }

    /// Hands a job to a model.
    ///
    /// - Throws: `APIError` (429) when too many wait already, (503) when the server is ending.
    func submit(_ job: GenerationJob, to lane: GenerationLane) throws {
        try inbox.withLockedValue { inbox in
            if inbox.isEnding { throw APIError.ending }
            guard inbox.waiting < limits.waiting else {
                throw APIError.busy(retryAfter: max(1, min(60, inbox.waiting / max(1, limits.parallel))))
            }
            inbox.waiting += 1
            inbox.tasks.append { [self] in
                lane.accept(job)
                // A request may have found its model just before others took its place.
                keep(lane)
            }
        }
        figures.waiting(+1)
        bell.signal()
    }

    /// A job waits no more.
    func admitted() {
        inbox.withLockedValue { $0.waiting -= 1 }
        figures.waiting(-1)
    }

    /// Adds a model's lane, or takes one away once it is empty.
    func add(_ lane: GenerationLane) {
        inbox.withLockedValue { inbox in
            inbox.lanes.append(lane)
            inbox.tasks.append { lane.warmUp() }
        }
        bell.signal()
    }

    private func keep(_ lane: GenerationLane) {
        inbox.withLockedValue { inbox in
            if !inbox.lanes.contains(where: { $0 === lane }) { inbox.lanes.append(lane) }
        }
    }

    /// Lets a lane finish what it has and then forgets it.
    func retire(_ lane: GenerationLane) {
        inbox.withLockedValue { $0.tasks.append { lane.retire() } }
        bell.signal()
    }

    /// Runs a closure on the thread, between two passes.
    func perform<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            inbox.withLockedValue { inbox in
                inbox.tasks.append { continuation.resume(with: Result(catching: body)) }
            }
            bell.signal()
        }
    }

    /// Ends every job that is left, because there is no more time, and takes no new one.
    public func end() {
        inbox.withLockedValue { inbox in
            inbox.isEnding = true
            let lanes = inbox.lanes
            inbox.tasks.append { for lane in lanes { lane.end() } }
        }
        bell.signal()
    }

    /// Takes no new jobs; those that are there go on.
    public func drain() { inbox.withLockedValue { $0.isEnding = true } }

    private func run() {
        while true {
            let (tasks, lanes) = inbox.withLockedValue { inbox in
                defer { inbox.tasks.removeAll(keepingCapacity: true) }
                inbox.lanes.removeAll(where: \.isGone)
                return (inbox.tasks, inbox.lanes)
            }
            for task in tasks { task() }
            var isBusy = !tasks.isEmpty
            for lane in lanes where lane.turn() { isBusy = true }
            if !isBusy { bell.wait() }
        }
    }
}
