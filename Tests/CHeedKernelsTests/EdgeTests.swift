import CHeedKernels
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What lies at the edges: no rows, windows, rows without anything to attend to, very large and infinite values.
@Suite struct EdgeTests {
    @Test("a window leaves the rows outside it alone, and no rows are no work")
    func windows() throws {
        let columns = 19
        let rows = 6
        var numbers = Numbers(3)
        let x = numbers.array(rows * columns)
        for isa in instructionSets {
            for (first, limit, count) in [(2, Int32(3), 3), (4, .max, 2), (6, .max, 0), (9, .max, 0), (0, 0, 0)] {
                let outputs = try #require(
                    withMemory { memory -> [[Float]] in
                        let window = memory.window(rows, first: first, limit: limit)
                        let source = UnsafePointer(memory.floats(x))
                        func fresh() -> UnsafeMutablePointer<Float> {
                            memory.floats([Float](repeating: 7, count: rows * columns))
                        }
                        let kernels = Machine(isa: isa).kernels
                        var norm = heed_norm()
                        norm.window = window
                        norm.x = source
                        norm.y = fresh()
                        norm.columns = Int32(columns)
                        run(kernels.norm, norm, parts: 2)
                        let activated = fresh()
                        run(
                            kernels.activate,
                            heed_activate(
                                window: window, x: source, y: activated, columns: Int32(columns),
                                activation: Int32(HEED_SILU.rawValue)), parts: 2)
                        let combined = fresh()
                        run(
                            kernels.combine,
                            heed_combine(
                                window: window, x: source, z: nil, y: combined, a: 2, b: 0, columns: Int32(columns)),
                            parts: 3)
                        return [norm.y, activated, combined].map { $0.array(rows * columns) }
                    })
                for output in outputs {
                    for r in 0..<rows {
                        let row = output[(r * columns)..<((r + 1) * columns)]
                        let inside = r >= first && r < first + count
                        #expect(row.allSatisfy { ($0 == 7) != inside }, "row \(r) of window \(first) + \(count)")
                    }
                }
            }
        }
    }

    @Test("micro-batches continue the chains of weight gradients")
    func microBatches() throws {
        let (rows, columns) = (11, 37)
        var numbers = Numbers(8)
        let (x, dy) = (numbers.array(rows * columns), numbers.array(rows * columns))
        let (mean, scale) = (numbers.array(rows), numbers.array(rows))
        let index = (0..<rows).map { $0 * 5 % 4 }
        for isa in instructionSets {
            let kernels = Machine(isa: isa).kernels
            func gradients(_ cuts: [Int], parts: Int) -> [[Float]]? {
                withMemory { memory in
                    var norm = heed_norm_weight_gradient()
                    norm.dy = UnsafePointer(memory.floats(dy))
                    norm.x = UnsafePointer(memory.floats(x))
                    norm.mean = UnsafePointer(memory.floats(mean))
                    norm.scale = UnsafePointer(memory.floats(scale))
                    norm.dgain = memory.zeros(columns)
                    norm.doffset = memory.zeros(columns)
                    norm.columns = Int32(columns)
                    var scatter = heed_scatter_add()
                    scatter.index = UnsafePointer(memory.integers(index))
                    scatter.dy = norm.dy
                    scatter.gradient = memory.zeros(4 * columns)
                    scatter.columns = Int32(columns)
                    for (from, to) in zip([0] + cuts, cuts + [rows]) {
                        norm.window = memory.window(rows, first: from, limit: Int32(to - from))
                        scatter.window = norm.window
                        run(kernels.norm_weight_gradient, norm, parts: parts)
                        run(kernels.scatter_add, scatter, parts: parts)
                    }
                    return [
                        norm.dgain.array(columns), norm.doffset.array(columns), scatter.gradient.array(4 * columns),
                    ]
                }
            }
            let whole = try #require(gradients([], parts: 1))
            for cuts in [[4], [1, 2], [3, 3, 10], [7]] {
                #expect(sameBits(try #require(gradients(cuts, parts: 3)), whole), "\(cuts), \(Machine(isa: isa))")
            }
        }
    }

    @Test("attention without sequences, queries or keys")
    func emptyAttention() throws {
        let none = AttentionShape([], heads: 2, width: 4)
        let noQueries = AttentionShape([0], keys: [3], heads: 2, width: 4, causal: false)
        let noKeys = AttentionShape([2], keys: [0], heads: 1, width: 4, causal: false)
        for isa in instructionSets {
            for parts in [1, 3] {
                let machine = Machine(isa: isa, parts: parts)
                for shape in [none, noQueries, noKeys] {
                    let result = withMemory { memory in
                        attentionGradients(
                            shape, machine, memory, shape.inputs(),
                            dout: [Float](repeating: 1, count: shape.queryRows * shape.queryStride))
                    }
                    let gradients = try #require(result)
                    #expect(gradients.allSatisfy { $0.allSatisfy { $0 == 0 } }, "\(shape)")
                }
            }
        }
    }

    @Test("a NaN or infinity in a later key or value cannot reach an earlier row")
    func laterKeys() throws {
        let shape = AttentionShape([70], heads: 2, width: 20)
        let clean = shape.inputs(spread: 2)
        for poison in [Float.nan, .infinity, -.infinity] {
            var inputs = clean
            // All of the last three keys and values.
            for j in 67..<70 {
                for c in 0..<40 {
                    inputs[1][j * shape.keyStride + c] = poison
                    inputs[2][j * shape.keyStride + c] = poison
                }
            }
            for isa in instructionSets {
                let outputs = [clean, inputs].map { given in
                    withMemory { memory -> [Float] in
                        let call = shape.call(memory, given, parts: 2)
                        run(Machine(isa: isa).kernels.attention, call, parts: 2)
                        return call.out.array(67 * shape.queryStride)
                    }
                }
                let first = try #require(outputs[0])
                let second = try #require(outputs[1])
                #expect(sameBits(first, second), "\(poison), \(Machine(isa: isa))")
            }
        }
    }

    @Test("layer norm of a small spread on a large mean", arguments: [100, 768, 1])
    func largeMean(_ columns: Int) throws {
        var numbers = Numbers(columns)
        let x = numbers.array(columns).map { 1000 + $0 * 0.25 }
        let mean = x.reduce(0.0) { $0 + Double($1) } / Double(columns)
        let variance = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(columns)
        let expected = x.map { (Double($0) - mean) / (variance + 1e-5).squareRoot() }
        for isa in instructionSets {
            let result = withMemory { memory -> [Float] in
                var call = heed_norm()
                call.window = memory.window(1)
                call.x = UnsafePointer(memory.floats(x))
                call.y = memory.nan(columns)
                call.columns = Int32(columns)
                call.epsilon = 1e-5
                run(Machine(isa: isa).kernels.norm, call, parts: 1)
                return call.y.array(columns)
            }
            // The mean is a float: half a unit in its last place is 3e-5, here 2e-4 of the spread.
            #expect(largestDifference(try #require(result), expected) < 4e-4)
        }
    }

    @Test("cross entropy over a large vocabulary", arguments: [Float(0), 0.1])
    func largeVocabulary(_ smoothing: Float) throws {
        let columns = 50_257
        let rows = 2
        var numbers = Numbers(9)
        var logits = numbers.array(rows * columns).map { 8 * $0 }
        logits[columns + 70] = 300  // one certain row
        let targets = [123, 50_256]
        for isa in instructionSets {
            for parts in [1, 2] {
                let result = withMemory { memory -> [[Float]] in
                    var call = heed_cross_entropy()
                    call.window = memory.window(rows)
                    call.logits = memory.floats(logits)
                    call.stride = Int64(columns)
                    call.targets = UnsafePointer(memory.integers(targets))
                    call.columns = Int32(columns)
                    call.ignore = -1
                    call.smoothing = smoothing
                    call.scale = UnsafePointer(memory.floats([0.5]))
                    call.gradient = 1
                    call.loss = memory.nan(rows)
                    run(Machine(isa: isa).kernels.cross_entropy, call, parts: parts)
                    return [call.loss.array(rows), call.logits.array(rows * columns)]
                }
                let outputs = try #require(result)
                for r in 0..<rows {
                    let row = logits[(r * columns)..<((r + 1) * columns)].map(Double.init)
                    let largest = row.reduce(-Double.infinity, max)
                    let normaliser = largest + log(row.reduce(0) { $0 + exp($1 - largest) })
                    let mean = row.reduce(0) { $0 + normaliser - $1 } / Double(columns)
                    let s = Double(smoothing)
                    let loss = (1 - s) * (normaliser - row[targets[r]]) + s * mean
                    #expect(abs(Double(outputs[0][r]) - loss) <= 1e-6 * max(1, loss))
                    let expected = row.enumerated().map {
                        0.5 * (exp($1 - normaliser) - ($0 == targets[r] ? 1 - s : 0) - s / Double(columns))
                    }
                    let gradient = Array(outputs[1][(r * columns)..<((r + 1) * columns)])
                    let (difference, size) = distance(gradient, expected)
                    #expect(difference <= 1e-6 * size)
                }
            }
        }
    }

    @Test("zeroing is exact to the byte", arguments: [0, 1, 4095, 4097, 20_000])
    func zero(_ bytes: Int) {
        for isa in instructionSets {
            var memory = [UInt8](repeating: 0xAB, count: bytes + 8)
            memory.withUnsafeMutableBytes {
                run(
                    Machine(isa: isa).kernels.zero, heed_zero(memory: $0.baseAddress, bytes: Int64(bytes)), parts: 3)
            }
            #expect(memory[..<bytes].allSatisfy { $0 == 0 })
            #expect(memory[bytes...].allSatisfy { $0 == 0xAB })
        }
    }
}
