import CHeedKernels
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The instruction sets of this processor, as numbers that print well.
let instructionSets: [heed_isa] = [HEED_PORTABLE, HEED_AVX2, HEED_AVX512, HEED_NEON].filter {
    heed_kernels_for($0) != nil
}

/// The instruction sets that promise the same bits: those with fused multiply-add.
let fusedInstructionSets: [heed_isa] = instructionSets.filter { $0 != HEED_PORTABLE || portableFuses }

#if arch(arm64)
    let portableFuses = true
#else
    let portableFuses = false
#endif

/// Reproducible numbers in −1 … 1 with all bits of the significand in use.
struct Numbers {
    var state: UInt64
    init(_ seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func next() -> Float {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
    }
    mutating func array(_ count: Int) -> [Float] { (0..<count).map { _ in next() } }
}

/// Nearest bf16, ties to even, as a Float.
func roundedToBF16(_ x: Float) -> Float {
    if x.isNaN { return Float(bitPattern: (x.bitPattern | 0x40_0000) & 0xFFFF_0000) }
    return Float(bitPattern: (x.bitPattern &+ 0x7FFF &+ (x.bitPattern >> 16 & 1)) & 0xFFFF_0000)
}

/// One chain over k ascending: what every product must give, to the bit where the instruction set fuses.
func chain(
    _ a: [Float], _ aStart: Int, _ aStep: Int, _ b: [Float], _ bStart: Int, _ bStep: Int, count: Int,
    from start: Float = 0, fused: Bool, bf16: Bool
) -> Float {
    var sum = start
    for k in 0..<count {
        var x = a[aStart + k * aStep]
        var y = b[bStart + k * bStep]
        if bf16 { (x, y) = (roundedToBF16(x), roundedToBF16(y)) }
        sum = fused ? fmaf(x, y, sum) : x * y + sum
    }
    return sum
}

/// Whether two arrays hold the same bits; NaNs of any payload count as equal.
func sameBits(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
}

/// Calls every part of a kernel, as a team of threads would.
func run<Arguments>(_ kernel: heed_kernel, _ arguments: Arguments, parts: Int) {
    withUnsafePointer(to: arguments) { pointer in
        for part in (0..<parts).reversed() { kernel(pointer, Int32(part), Int32(parts)) }
    }
}

/// A chain for each output row and column: `result[r][c]`, r over `rows`, c over `columns`.
func product(
    rows: Int, columns: Int, count: Int, _ a: [Float], _ aRow: Int, _ aStep: Int, _ b: [Float], _ bColumn: Int,
    _ bStep: Int, start: [Float]? = nil, fused: Bool, bf16: Bool
) -> [Float] {
    var result = [Float](repeating: 0, count: rows * columns)
    for r in 0..<rows {
        for c in 0..<columns {
            result[r * columns + c] = chain(
                a, r * aRow, aStep, b, c * bColumn, bStep, count: count, from: start?[r * columns + c] ?? 0,
                fused: fused, bf16: bf16)
        }
    }
    return result
}

/// How a product is called in a test.
struct MatrixCase: Sendable, CustomStringConvertible {
    var isa: heed_isa
    var rows: Int
    var inputs: Int
    var outputs: Int
    var bf16 = false
    /// By the model of AMX's unit.
    var amx = false
    var parts = 1
    var padding = 0
    var first = 0
    var limit = Int32.max

    var precision: Int32 { Int32((amx ? HEED_BF16_AMX_MODEL : bf16 ? HEED_BF16 : HEED_F32).rawValue) }
    var fused: Bool { isa != HEED_PORTABLE || portableFuses }
    var kernels: heed_kernels { heed_kernels_for(isa).unsafelyUnwrapped.pointee }
    /// The rows that the window leaves to the kernel.
    var window: Range<Int> { first..<(first + min(Int(limit), max(0, rows - first))) }
    var description: String {
        "\(String(cString: heed_isa_name(isa))) \(rows)x\(inputs)x\(outputs)\(bf16 ? " bf16" : "") parts \(parts)"
            + " padding \(padding) window \(window)"
    }

    /// Runs `body` with scratch memory and the row count where kernels expect them.
    func withWindow<Result>(_ body: (heed_window, heed_scratch) throws -> Result) rethrows -> Result {
        let stride = heed_linear_scratch(Int64(inputs), Int64(outputs), Int64(rows), precision)
        let bytes = Int(stride) * parts
        let guardBytes = 4096
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: bytes + guardBytes, alignment: 64)
        // All ones are NaNs: a kernel that reads scratch before writing it is found out, as is one that needs more.
        memset(scratch, 0xFF, bytes + guardBytes)
        defer {
            let beyond = UnsafeRawBufferPointer(start: scratch + bytes, count: guardBytes)
            #expect(beyond.allSatisfy { $0 == 0xFF }, "scratch was overrun by \(self)")
            scratch.deallocate()
        }
        var count = Int32(rows)
        return try withUnsafePointer(to: &count) {
            try body(
                heed_window(rows: $0, first: Int32(first), limit: limit),
                heed_scratch(base: scratch, stride: stride))
        }
    }
}
