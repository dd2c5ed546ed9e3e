#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One thread's share of a parallel run.
private final class ParallelShare: Sendable {
    let part: Int
    let body: @Sendable (Int) -> Void

    init(part: Int, body: @escaping @Sendable (Int) -> Void) {
        self.part = part
        self.body = body
    }
}

/// Runs `body(0) … body(parts − 1)` at the same time and returns when all are done.
///
/// The calling thread takes the last share. A share whose thread cannot be started runs on the calling thread, so a
/// machine short of threads is slower but never wrong.
func runInParallel(_ parts: Int, _ body: @Sendable (Int) -> Void) {
    guard parts > 1 else {
        if parts == 1 { body(0) }
        return
    }
    withoutActuallyEscaping(body) { body in
        var threads: [pthread_t] = []
        for part in 0..<parts - 1 {
            let share = Unmanaged.passRetained(ParallelShare(part: part, body: body))
            if let thread = startThread(share.toOpaque()) {
                threads.append(thread)
            } else {
                share.release()
                body(part)
            }
        }
        body(parts - 1)
        for thread in threads { pthread_join(thread, nil) }
    }
}

private func startThread(_ share: UnsafeMutableRawPointer) -> pthread_t? {
    #if canImport(Darwin)
        var thread: pthread_t?
        let failed = pthread_create(&thread, nil, { runShare($0) }, share)
        return failed == 0 ? thread : nil
    #else
        var thread = pthread_t()
        let failed = pthread_create(&thread, nil, { runShare($0) }, share)
        return failed == 0 ? thread : nil
    #endif
}

private func runShare(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let pointer else { return nil }
    let share = Unmanaged<ParallelShare>.fromOpaque(pointer).takeRetainedValue()
    share.body(share.part)
    return nil
}

/// Processors that this process may use, at least 1.
func availableProcessors() -> Int {
    max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
}
