#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import Synchronization

/// Ctrl-C in a conversation at a terminal: it ends the answer that is being written, not the program.
enum ChatInterrupt {
    private static let requests = Atomic<Int>(0)

    /// Whether Ctrl-C came since the last `clear`.
    static var isRequested: Bool { requests.load(ordering: .relaxed) > 0 }

    static func clear() { requests.store(0, ordering: .relaxed) }

    /// Takes SIGINT over from `Signals`.
    static func install() {
        _ = isRequested
        signal(SIGINT) { _ in ChatInterrupt.requests.add(1, ordering: .relaxed) }
    }
}
