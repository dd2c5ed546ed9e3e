#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport
import Synchronization

/// Requests to stop: Ctrl-C, a service manager's SIGTERM, a closed terminal.
///
/// The first one only sets a flag, which long work reads between steps, so that it can save and say what it saved.
/// The second one ends the process at once. Either way the exit code is 128 and the number of the signal, as a shell
/// reports it: 130 for SIGINT, 143 for SIGTERM.
enum Signals {
    private static let requests = Atomic<Int>(0)
    private static let last = Atomic<Int32>(0)
    private static let isWaiting = Atomic<Bool>(false)

    /// Whether a signal has asked the work to end.
    static var isStopRequested: Bool { requests.load(ordering: .relaxed) > 0 }

    /// The exit code of work that a signal has ended, or nil where there was none.
    static var exitCode: Int32? {
        let number = last.load(ordering: .relaxed)
        return number > 0 ? 128 + number : nil
    }

    /// Throws where a signal has asked the work to end.
    ///
    /// - Parameter saved: what the user should know is on the disk.
    static func check(saved: String? = nil) throws {
        if isStopRequested { throw HeedError(.interrupted, "stopped on request", advice: saved) }
    }

    /// Lets a signal end the process at once while `body` waits for something.
    static func endAtOnce<Result>(_ body: () throws -> Result) rethrows -> Result {
        isWaiting.store(true, ordering: .relaxed)
        defer { isWaiting.store(false, ordering: .relaxed) }
        return try body()
    }

    /// Sets the handlers; a signal that the caller has set to be ignored (`nohup`) stays ignored.
    ///
    /// A pipe whose reader has gone must not end a training run: SIGPIPE is ignored, and writing reports it.
    static func install() {
        signal(SIGPIPE, SIG_IGN)
        _ = (isStopRequested, exitCode, isWaiting.load(ordering: .relaxed))
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var old = sigaction()
            guard sigaction(number, nil, &old) == 0, !isIgnored(old) else { continue }
            signal(number) { number in
                Signals.last.store(number, ordering: .relaxed)
                let count = Signals.requests.add(1, ordering: .relaxed).newValue
                if count >= 2 || Signals.isWaiting.load(ordering: .relaxed) { _exit(128 + number) }
            }
        }
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        #if canImport(Darwin)
            let handler = action.__sigaction_u.__sa_handler
        #else
            let handler = action.__sigaction_handler.sa_handler
        #endif
        return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
