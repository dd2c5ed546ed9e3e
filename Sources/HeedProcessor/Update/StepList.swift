import CHeedKernels

/// Kernel calls in order, with arguments of their own at fixed addresses.
final class StepList {
    /// From how many elements on more than one thread is worth waking.
    private static let sharedFrom = 16_384

    private var steps: [Step] = []
    private var release: [() -> Void] = []

    deinit { for free in release { free() } }

    /// Appends a call that works on `count` elements.
    func add<Arguments>(_ kernel: @escaping heed_kernel, _ arguments: Arguments, count: Int) {
        let pointer = UnsafeMutablePointer<Arguments>.allocate(capacity: 1)
        pointer.initialize(to: arguments)
        release.append { pointer.deallocate() }
        steps.append(
            Step(
                kernel: kernel, arguments: UnsafeRawPointer(pointer), rows: nil,
                shareFrom: count < StepList.sharedFrom ? Int32.max : 0))
    }

    /// Runs the calls.
    func run(on team: Team) { steps.withUnsafeBufferPointer { team.run($0) } }
}
