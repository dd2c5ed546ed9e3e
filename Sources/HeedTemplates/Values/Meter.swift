import HeedSupport

/// Counts what one rendering does and holds, and ends it where that is too much.
final class Meter {
    private let limits: TemplateLimits
    private var steps = 0
    /// Bytes of the values that are alive.
    private var live = 0

    init(_ limits: TemplateLimits) { self.limits = limits }

    /// Counts work.
    @inline(__always)
    func work(_ count: Int = 1) throws {
        steps &+= count
        if steps > limits.steps { throw endless() }
    }

    /// Counts the work of copying bytes, and refuses a value that would not fit, before it is made.
    @inline(__always)
    func copy(_ bytes: Int) throws {
        steps &+= bytes >> 6
        if steps > limits.steps { throw endless() }
        try allow(bytes)
    }

    /// Refuses a value that would not fit.
    @inline(__always)
    func allow(_ bytes: Int) throws {
        if bytes > limits.memoryBytes &- live { throw tooLarge() }
    }

    /// A value of that size came to be.
    @inline(__always)
    func hold(_ bytes: Int) { live &+= bytes }

    /// A value of that size is gone.
    @inline(__always)
    func release(_ bytes: Int) { live &-= bytes }

    /// Refuses an output that is too long.
    func check(output bytes: Int) throws {
        if bytes > limits.outputBytes {
            throw HeedError(
                .badInput, "the template writes too much", expected: "at most \(grouped(limits.outputBytes)) bytes",
                advice: "Shorten the conversation, or raise the limit")
        }
    }

    /// Refuses calls that nest too deep.
    func check(calls depth: Int) throws {
        if depth > limits.calls {
            throw HeedError(
                .badInput, "macros or loops call themselves too deep", expected: "at most \(limits.calls) levels")
        }
    }

    private func endless() -> HeedError {
        HeedError(
            .badInput, "the template does not come to an end", expected: "at most \(grouped(limits.steps)) steps",
            advice: "Shorten the conversation, or raise the limit")
    }

    private func tooLarge() -> HeedError {
        HeedError(
            .badInput, "the values of the template take too much memory",
            expected: "at most \(grouped(limits.memoryBytes)) bytes")
    }
}

/// The error of values that nest too deep to be compared, printed or freed safely.
func nestedTooDeep() -> HeedError {
    HeedError(
        .badInput, "lists and dictionaries nest too deep", expected: "at most \(TemplateLimits.valueDepth) levels")
}
