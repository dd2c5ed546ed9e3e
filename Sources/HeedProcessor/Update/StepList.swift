import CHeedKernels

/// Kernel calls in order, with arguments of their own at fixed addresses.
final class StepList {
    /// From how many elements on more than one thread is worth waking.
    static let sharedFrom = 16_384

    /// At a fixed address, so that a run is one call.
    private var steps = UnsafeMutableBufferPointer<Step>(start: nil, count: 0)
    private var release: [() -> Void] = []

    deinit {
        for free in release { free() }
        steps.deallocate()
    }

    /// Appends a call that works on `count` elements.
    func add<Arguments>(_ kernel: @escaping heed_kernel, _ arguments: Arguments, count: Int) {
        let pointer = UnsafeMutablePointer<Arguments>.allocate(capacity: 1)
        pointer.initialize(to: arguments)
        release.append { pointer.deallocate() }
        let longer = UnsafeMutableBufferPointer<Step>.allocate(capacity: steps.count + 1)
        let next = longer.initialize(fromContentsOf: steps)
        longer.initializeElement(
            at: next,
            to: Step(
                kernel: kernel, arguments: UnsafeRawPointer(pointer), rows: nil,
                shareFrom: count < StepList.sharedFrom ? Int32.max : 0))
        steps.deallocate()
        steps = longer
    }

    /// Runs the calls.
    func run(on team: Team) { team.run(UnsafeBufferPointer(steps)) }
}
