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
/// The second one ends the process at once.
enum Signals {
    private static let requests = Atomic<Int>(0)

    /// Whether a signal has asked the work to end.
    static var isStopRequested: Bool { requests.load(ordering: .relaxed) > 0 }

    /// Throws where a signal has asked the work to end.
    ///
    /// - Parameter saved: what the user should know is on the disk.
    static func check(saved: String? = nil) throws {
        if isStopRequested { throw HeedError(.interrupted, "stopped on request", advice: saved) }
    }

    /// Sets the handlers; a signal that the caller has set to be ignored (`nohup`) stays ignored.
    ///
    /// A pipe whose reader has gone must not end a training run: SIGPIPE is ignored, and writing reports it.
    static func install() {
        signal(SIGPIPE, SIG_IGN)
        _ = isStopRequested
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var old = sigaction()
            guard sigaction(number, nil, &old) == 0, !isIgnored(old) else { continue }
            signal(number) { number in
                if Signals.requests.add(1, ordering: .relaxed).newValue >= 2 {
                    signal(number, SIG_DFL)
                    raise(number)
                }
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
