import CHeedKernels

/// Buffers for one kernel call, freed together. Every buffer ends in guard words, and memory that a kernel must write
/// starts as NaN, so that writing beyond and reading before writing are found out.
final class Memory {
    private static let guardWords = 32
    private static let guardPattern: UInt32 = 0x7FBA_DBAD
    private var buffers: [(base: UnsafeMutableRawPointer, words: Int)] = []

    private func allocate(words: Int) -> UnsafeMutableRawPointer {
        let base = UnsafeMutableRawPointer.allocate(byteCount: (words + Self.guardWords) * 4, alignment: 64)
        base.initializeMemory(as: UInt32.self, repeating: Self.guardPattern, count: words + Self.guardWords)
        buffers.append((base, words))
        return base
    }

    /// A buffer that holds `values`.
    func floats(_ values: [Float]) -> UnsafeMutablePointer<Float> {
        let pointer = nan(values.count)
        for (i, value) in values.enumerated() { pointer[i] = value }
        return pointer
    }

    /// A buffer of NaN to be written.
    func nan(_ count: Int) -> UnsafeMutablePointer<Float> {
        allocate(words: count).bindMemory(to: Float.self, capacity: count)
    }

    func zeros(_ count: Int) -> UnsafeMutablePointer<Float> { floats([Float](repeating: 0, count: count)) }

    func doubles(_ count: Int) -> UnsafeMutablePointer<Double> {
        let pointer = allocate(words: 2 * count).bindMemory(to: Double.self, capacity: count)
        for i in 0..<count { pointer[i] = .nan }
        return pointer
    }

    func integers(_ values: [Int]) -> UnsafeMutablePointer<Int32> {
        let pointer = allocate(words: values.count).bindMemory(to: Int32.self, capacity: values.count)
        for (i, value) in values.enumerated() { pointer[i] = Int32(value) }
        return pointer
    }

    func pointers(_ values: [UnsafeMutableRawPointer]) -> UnsafePointer<UnsafeMutableRawPointer?> {
        let pointer = allocate(words: 2 * values.count)
            .bindMemory(to: UnsafeMutableRawPointer?.self, capacity: values.count)
        for (i, value) in values.enumerated() { pointer[i] = value }
        return UnsafePointer(pointer)
    }

    /// A value that a kernel reads through a pointer.
    func value<T>(_ value: T) -> UnsafeMutablePointer<T> {
        let words = (MemoryLayout<T>.size + 3) / 4
        let pointer = allocate(words: words).bindMemory(to: T.self, capacity: 1)
        pointer.initialize(to: value)
        return pointer
    }

    func scratch(bytes: Int64, parts: Int) -> heed_scratch {
        let stride = (Int(bytes) + 63) / 64 * 64
        return heed_scratch(base: allocate(words: stride * parts / 4), stride: Int64(stride))
    }

    func window(_ rows: Int, first: Int = 0, limit: Int32 = .max) -> heed_window {
        heed_window(rows: integers([rows]), first: Int32(first), limit: limit)
    }

    /// Whether no kernel wrote beyond a buffer.
    var isIntact: Bool {
        buffers.allSatisfy { base, words in
            let all = base.assumingMemoryBound(to: UInt32.self)
            return (words..<(words + Self.guardWords)).allSatisfy { all[$0] == Self.guardPattern }
        }
    }

    deinit {
        for buffer in buffers { buffer.base.deallocate() }
    }
}

extension UnsafeMutablePointer where Pointee == Float {
    func array(_ count: Int) -> [Float] { Array(UnsafeBufferPointer(start: self, count: count)) }
}

/// An instruction set and a number of parts: everything that must not change a result.
struct Machine: Sendable, CustomStringConvertible {
    var isa: heed_isa
    var parts = 1
    var kernels: heed_kernels { heed_kernels_for(isa)?.pointee ?? heed_kernels() }
    var description: String { "\(String(cString: heed_isa_name(isa))), \(parts) parts" }
}

/// Runs `body` with fresh memory and checks its guards; nil when a guard was overwritten.
func withMemory<Result>(_ body: (Memory) -> Result) -> Result? {
    let memory = Memory()
    return withExtendedLifetime(memory) {
        let result = body(memory)
        return memory.isIntact ? result : nil
    }
}
