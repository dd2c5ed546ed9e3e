import CHeedKernels

/// A number that steps read at run time.
public final class RuntimeScalar: @unchecked Sendable {
    // Sendable: an address; written between passes by the owner of the pass.
    package let pointer: UnsafeMutablePointer<Float>

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
    package let pointer: UnsafeMutablePointer<heed_random>

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

/// Numbers that are the same in every pass, such as the cosines of rotary positions.
public final class ConstantTable: @unchecked Sendable {
    // Sendable: written once, by the initialiser.
    package let base: UnsafePointer<Float>
    /// How many numbers there are.
    public let count: Int

    /// The table of `values`.
    public init(_ values: [Float]) {
        let memory = UnsafeMutablePointer<Float>.allocate(capacity: max(values.count, 1))
        memory.initialize(repeating: 0, count: max(values.count, 1))
        memory.update(from: values, count: values.count)
        base = UnsafePointer(memory)
        count = values.count
    }

    deinit { base.deallocate() }

    /// Number `index`.
    public subscript(index: Int) -> Float { base[index] }
}

/// Where attention keeps keys and values between passes. A back end makes its own kind and knows its layout.
public protocol KeyValueStore: AnyObject, Sendable {
    /// Blocks of the model.
    var layers: Int { get }
}
