#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// Runs `body` on a thread with a stack that holds the deepest template, and waits for it.
///
/// Threads other than the first may have half a mebibyte; evaluation descends as deep as a template nests and its
/// macros call each other. Only pages that are touched are backed by memory.
func onLargeStack<Result>(_ body: () throws -> Result) throws -> Result {
    try withoutActuallyEscaping(body) { body in
        let task = StackTask(body)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, 64 << 20)
        let argument = Unmanaged.passRetained(task as AnyStackTask).toOpaque()
        #if canImport(Darwin)
            var thread: pthread_t?
            let failed = pthread_create(
                &thread, &attributes,
                { argument in
                    Unmanaged<AnyStackTask>.fromOpaque(argument).takeRetainedValue().run()
                    return nil
                }, argument)
        #else
            var thread = pthread_t()
            let failed = pthread_create(
                &thread, &attributes,
                { argument in
                    if let argument { Unmanaged<AnyStackTask>.fromOpaque(argument).takeRetainedValue().run() }
                    return nil
                }, argument)
        #endif
        guard failed == 0 else {
            Unmanaged<AnyStackTask>.fromOpaque(argument).release()
            throw HeedError(.io, "cannot start a thread for a template")
        }
        #if canImport(Darwin)
            if let thread { pthread_join(thread, nil) }
        #else
            pthread_join(thread, nil)
        #endif
        guard let result = task.result else { throw HeedError(.io, "a template's thread ended early") }
        return try result.get()
    }
}

private class AnyStackTask {
    func run() {}
}

private final class StackTask<Value>: AnyStackTask {
    private var body: (() throws -> Value)?
    private(set) var result: Result<Value, any Error>?

    init(_ body: @escaping () throws -> Value) { self.body = body }

    override func run() {
        guard let body else { return }
        self.body = nil
        result = Result { try body() }
    }
}
