import CHeedKernels
import HeedSupport
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One call of a kernel: the function, its arguments, and when it is worth sharing out.
struct Step {
    let kernel: heed_kernel
    let arguments: UnsafeRawPointer
    /// The number of rows at run time, or nil when the work does not depend on it.
    let rows: UnsafePointer<Int32>?
    /// From how many rows on the work is divided among the team; `Int32.max`: never.
    let shareFrom: Int32

    @inline(__always)
    func parts(of team: Int32) -> Int32 {
        if let rows { return rows.pointee >= shareFrom ? team : 1 }
        return shareFrom == Int32.max ? 1 : team
    }
}

/// A fixed team of threads that walks a list of steps together, with a barrier after each.
///
/// Every thread runs the same list and does its own part of each step, so a whole pass costs one wake-up and then only
/// barriers (a fraction of a microsecond each). Between passes the workers spin for a moment and then sleep. Parts
/// divide outputs only, so the number of threads changes no bit of any result.
public final class Team: @unchecked Sendable {
    // Sendable: `job` is written by the caller, which holds `turn`, before the generation is published, and read by
    // workers after it.

    /// The number of threads, the caller's included.
    public let count: Int
    private var job = UnsafeBufferPointer<Step>(start: nil, count: 0)
    private var stopping = false
    private let generation = Atomic<Int>(0)
    private let arrived = Atomic<Int>(0)
    private let phase = Atomic<Int>(0)
    private let sleepers = Atomic<Int>(0)
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Held by the caller whose steps are run.
    private let turn = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var threads: [pthread_t] = []

    /// How many pauses a worker spins before it sleeps; some 100 microseconds.
    private static let patience = 4_000
    /// How many pauses at a barrier, some 15 microseconds, before the thread offers its core to others: where cores are
    /// shared, with other programs or among the team, the one that is waited for gets it.
    private static let barrierPatience = 1_000

    /// Starts `count` − 1 threads.
    ///
    /// - Throws: `HeedError` (`usage`) for a count below 1 or above 1,024; (`io`) when the system starts no more threads.
    public init(count: Int) throws {
        guard (1...1024).contains(count) else {
            throw HeedError(.usage, "--threads", expected: "a number from 1 to 1024", got: String(count))
        }
        self.count = count
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(wake, nil)
        pthread_mutex_init(turn, nil)
        for index in 1..<max(count, 1) {
            let start = Unmanaged.passRetained(WorkerStart(team: self, index: Int32(index)))
            #if canImport(Darwin)
                var thread: pthread_t?
            #else
                var thread = pthread_t()
            #endif
            let code = pthread_create(
                &thread, nil,
                { raw in
                    #if canImport(Darwin)
                        let start = Unmanaged<WorkerStart>.fromOpaque(raw).takeRetainedValue()
                    #else
                        guard let raw else { return nil }
                        let start = Unmanaged<WorkerStart>.fromOpaque(raw).takeRetainedValue()
                    #endif
                    start.work()
                    return nil
                }, start.toOpaque())
            guard code == 0 else {
                start.release()
                stop()
                throw HeedError(.io, "the system starts no more threads after \(index)", advice: "Use fewer --threads.")
            }
            #if canImport(Darwin)
                if let thread { threads.append(thread) }
            #else
                threads.append(thread)
            #endif
        }
    }

    deinit {
        stop()
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(wake)
        pthread_mutex_destroy(turn)
        mutex.deallocate()
        wake.deallocate()
        turn.deallocate()
    }

    /// Runs the steps one after the other, each by the whole team, and returns when all are done.
    ///
    /// Callers that come at once wait for each other. Cost beside the kernels: about half a microsecond per shared step.
    func run(_ steps: UnsafeBufferPointer<Step>) {
        if count == 1 {
            for step in steps { step.kernel(step.arguments, 0, 1) }
            return
        }
        // A pass whose steps are all too small to share is not worth waking anyone.
        guard steps.contains(where: { $0.parts(of: 2) > 1 }) else {
            for step in steps { step.kernel(step.arguments, 0, 1) }
            return
        }
        pthread_mutex_lock(turn)
        defer { pthread_mutex_unlock(turn) }
        job = steps
        generation.add(1, ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
            pthread_mutex_lock(mutex)
            pthread_cond_broadcast(wake)
            pthread_mutex_unlock(mutex)
        }
        walk(steps, as: 0)
    }

    /// Runs the work once for each part on a thread of its own, and returns when all are done. Allocates nothing.
    ///
    /// The parts run at the same time: each must keep to what is its own. Callers that come at once wait for each other.
    public func share(_ work: any TeamWork) {
        withUnsafePointer(to: work) { work in
            let step = Step(
                kernel: { raw, part, parts in
                    raw?.assumingMemoryBound(to: (any TeamWork).self).pointee.run(part: Int(part), of: Int(parts))
                }, arguments: UnsafeRawPointer(work), rows: nil, shareFrom: 0)
            withUnsafePointer(to: step) { run(UnsafeBufferPointer(start: $0, count: 1)) }
        }
    }

    private func walk(_ steps: UnsafeBufferPointer<Step>, as part: Int32) {
        let everyone = Int32(count)
        // Serial steps in a row are all the caller's: no barrier between them, and none before the first step.
        var barrierNeeded = false
        var previousWasSerial = true
        for step in steps {
            let parts = step.parts(of: everyone)
            let serial = parts == 1
            if barrierNeeded && !(serial && previousWasSerial) { barrier() }
            if part < parts { step.kernel(step.arguments, part, parts) }
            previousWasSerial = serial
            barrierNeeded = true
        }
        barrier()
    }

    private func barrier() {
        let current = phase.load(ordering: .acquiring)
        if arrived.add(1, ordering: .acquiringAndReleasing).newValue == count {
            arrived.store(0, ordering: .relaxed)
            phase.store(current &+ 1, ordering: .releasing)
            return
        }
        var spins = 0
        while phase.load(ordering: .acquiring) == current {
            spins += 1
            if spins < Team.barrierPatience { heed_pause() } else { sched_yield() }
        }
    }

    fileprivate func serve(as part: Int32) {
        var seen = 0
        while true {
            var spins = 0
            while generation.load(ordering: .sequentiallyConsistent) == seen {
                spins += 1
                if spins < Team.patience {
                    heed_pause()
                    continue
                }
                sleepers.add(1, ordering: .sequentiallyConsistent)
                pthread_mutex_lock(mutex)
                while generation.load(ordering: .sequentiallyConsistent) == seen { pthread_cond_wait(wake, mutex) }
                pthread_mutex_unlock(mutex)
                sleepers.subtract(1, ordering: .sequentiallyConsistent)
            }
            seen += 1
            if stopping { return }
            walk(job, as: part)
        }
    }

    private func stop() {
        guard !threads.isEmpty else { return }
        stopping = true
        generation.add(1, ordering: .sequentiallyConsistent)
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(mutex)
        for thread in threads { pthread_join(thread, nil) }
        threads = []
    }
}

/// Work that a team divides: an object, because a closure that threads are handed would be allocated.
public protocol TeamWork: AnyObject {
    /// Does one of `parts` parts, while others are done.
    func run(part: Int, of parts: Int)
}

/// What a new thread is told. Unmanaged, because the team joins its threads before it goes.
private final class WorkerStart {
    private let team: Unmanaged<Team>
    private let index: Int32

    init(team: Team, index: Int32) {
        self.team = Unmanaged.passUnretained(team)
        self.index = index
    }

    func work() {
        let index = index
        team._withUnsafeGuaranteedRef { $0.serve(as: index) }
    }
}
