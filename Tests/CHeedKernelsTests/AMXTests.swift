import CHeedKernels
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

@Suite("bf16 products in AMX's order")
struct AMXTests {
    private static func flushed(_ x: Float) -> Float {
        x.magnitude < .leastNormalMagnitude ? (x.sign == .minus ? -0 : 0) : x
    }

    /// The definition: for each block of 32, a chain over even and one over odd k, both from 0, added to each other and
    /// then to the sum; numbers below the normal ones are 0.
    private static func chain(
        _ a: [Float], _ aStart: Int, _ aStep: Int, _ b: [Float], _ bStart: Int, _ bStep: Int, count: Int,
        from start: Float = 0
    ) -> Float {
        func product(_ k: Int, _ sum: Float) -> Float {
            guard k < count else { return flushed(sum) }
            let x = flushed(roundedToBF16(a[aStart + k * aStep]))
            return flushed(fmaf(x, flushed(roundedToBF16(b[bStart + k * bStep])), sum))
        }
        var sum = start
        for block in stride(from: 0, to: count, by: 32) {
            var (even, odd) = (Float(0), Float(0))
            for k in stride(from: block, to: min(block + 32, count), by: 2) {
                even = product(k, even)
                odd = product(k + 1, odd)
            }
            sum = flushed(flushed(sum) + flushed(even + odd))
        }
        return sum
    }

    /// Shapes of whole tiles, of edges, and of several blocks of k.
    private static let shapes = [(1, 50, 97), (8, 768, 96), (9, 1700, 60), (40, 130, 100), (24, 64, 48)]

    @Test("all three products, whole tiles and edges, with numbers below the normal ones", arguments: instructionSets)
    func products(_ isa: heed_isa) {
        for (rows, inputs, outputs) in Self.shapes {
            for scale in [Float(1), 1e-19] {
                var numbers = Numbers(rows)
                let x = numbers.array(rows * inputs).map { $0 * scale }
                let weight = numbers.array(inputs * outputs).map { $0 * scale }
                let dy = numbers.array(rows * outputs).map { $0 * scale }
                var c = MatrixCase(isa: isa, rows: rows, inputs: inputs, outputs: outputs)
                c.amx = true
                for parts in [1, 3] {
                    c.parts = parts
                    let forward = (0..<rows).flatMap { r in
                        (0..<outputs).map { Self.chain(x, r * inputs, 1, weight, $0 * inputs, 1, count: inputs) }
                    }
                    #expect(sameBits(linear(c, x: x, weight: weight, packed: true), forward), "\(c)")
                    #expect(sameBits(linear(c, x: x, weight: weight, packed: false), forward), "\(c)")
                    let input = (0..<rows).flatMap { r in
                        (0..<inputs).map { Self.chain(dy, r * outputs, 1, weight, $0, inputs, count: outputs) }
                    }
                    let zero = [Float](repeating: 0, count: rows * inputs)
                    #expect(
                        sameBits(inputGradient(c, dy: dy, weight: weight, dx: zero, accumulate: false), input), "\(c)")
                    let gradient = (0..<outputs).flatMap { o in
                        (0..<inputs).map {
                            Self.chain(
                                dy, o, outputs, x, $0, inputs, count: rows, from: weight[o * inputs + $0])
                        }
                    }
                    let bias = [Float](repeating: 0, count: outputs)
                    #expect(sameBits(weightGradient(c, dy: dy, x: x, from: (weight, bias)).weight, gradient), "\(c)")
                }
            }
        }
    }

    @Test("the unit gives the bits of its model, where there is one", .enabled(if: heed_kernels_for(HEED_AMX) != nil))
    func unit() throws {
        let tables = try [HEED_AMX, HEED_AMX_MODEL].map { try #require(heed_kernels_for($0)).pointee }
        for (rows, inputs, outputs) in Self.shapes {
            var numbers = Numbers(rows)
            let x = numbers.array(rows * inputs)
            let weight = numbers.array(inputs * outputs)
            let results = tables.map { table -> [Float] in
                let precision = Int32(table.bf16.rawValue)
                return withMemory { memory in
                    let y = memory.nan(rows * outputs)
                    var call = heed_linear()
                    call.window = memory.window(rows)
                    (call.x, call.x_stride) = (UnsafePointer(memory.floats(x)), Int64(inputs))
                    call.weight = UnsafePointer(memory.floats(weight))
                    (call.y, call.y_stride) = (y, Int64(outputs))
                    (call.in, call.out, call.precision) = (Int32(inputs), Int32(outputs), precision)
                    call.scratch = memory.scratch(
                        bytes: heed_linear_scratch(Int64(inputs), Int64(outputs), Int64(rows), precision), parts: 1)
                    run(table.linear, call, parts: 1)
                    return y.array(rows * outputs)
                } ?? []
            }
            #expect(!results[0].isEmpty && sameBits(results[0], results[1]))
        }
    }
}
