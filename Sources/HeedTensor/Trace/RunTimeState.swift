import CHeedKernels

/// A number that steps read at run time.
public final class RuntimeScalar: @unchecked Sendable {
    // Sendable: an address; written between passes by the owner of the plan.
    let pointer: UnsafeMutablePointer<Float>

    /// The number 1.
    public init() {
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: 1)
    }

    deinit { pointer.deallocate() }

    /// The number of the next pass.
    public var value: Float {
        get { pointer.pointee }
        set { pointer.pointee = newValue }
    }
}

/// Seed, step and first row of the dropout masks of the next pass.
public final class RandomState: @unchecked Sendable {
    // Sendable: as RuntimeScalar.
    let pointer: UnsafeMutablePointer<heed_random>

    init() {
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: heed_random(seed: 0, step: 0, row_base: 0))
    }

    deinit { pointer.deallocate() }

    /// Sets what the masks depend on. `rowBase` is the number of rows of earlier micro-batches of the same step.
    public func set(seed: UInt64, step: Int, rowBase: Int) {
        pointer.pointee = heed_random(seed: seed, step: UInt64(step), row_base: Int64(rowBase))
    }
}
