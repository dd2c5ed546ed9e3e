import CHeedKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

let randomCases: [OperationCase] = [
    dropoutCase(rows: 3, columns: 7, residual: true), dropoutCase(rows: 5, columns: 64, residual: false),
    dropoutCase(rows: 2, columns: 130, residual: true),
]

/// Philox words of indices first ..< first + count, one counter at a time.
func philoxWords(seed: UInt64, purpose: UInt32, step: UInt32, first: Int, count: Int) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: count + 8)
    words.withUnsafeMutableBufferPointer {
        heed_philox(seed, purpose, step, UInt64(first / 4), $0.baseAddress, Int64(count + 4))
    }
    return Array(words[(first % 4)..<(first % 4 + count)])
}

private func dropoutCase(rows: Int, columns: Int, residual: Bool) -> OperationCase {
    var numbers = Numbers(columns)
    let count = rows * columns
    let random = heed_random(seed: 0x1234_5678_9ABC_DEF0, step: 9, row_base: 3)
    let rate: Float = 0.25
    let words = philoxWords(seed: random.seed, purpose: 5, step: 9, first: 3 * columns, count: count)
    let factors = words.map { Double($0) >= 0.25 * 4_294_967_296 ? 1 / 0.75 : 0.0 }
    @Sendable func apply(_ machine: Machine, _ memory: Memory, _ x: [Float], _ residual: [Float]?) -> [Float] {
        var call = heed_dropout()
        call.window = memory.window(rows)
        call.x = UnsafePointer(memory.floats(x))
        if let residual { call.residual = UnsafePointer(memory.floats(residual)) }
        call.y = memory.nan(count)
        call.columns = Int32(columns)
        call.rate = rate
        call.purpose = 5
        call.random = UnsafePointer(memory.value(random))
        run(machine.kernels.dropout, call, parts: machine.parts)
        return call.y.array(count)
    }
    return OperationCase(
        name: "dropout \(rows)x\(columns)",
        inputs: [numbers.array(count), residual ? numbers.array(count) : []],
        forward: { machine, memory, inputs in [apply(machine, memory, inputs[0], residual ? inputs[1] : nil)] },
        oracle: { inputs in [(0..<count).map { inputs[0][$0] * factors[$0] + (residual ? inputs[1][$0] : 0) }] },
        gradient: { machine, memory, inputs, seeds in
            [apply(machine, memory, seeds[0], nil), residual ? seeds[0] : []]
        })
}

let embeddingCases: [OperationCase] = [
    embeddingCase(columns: 5), embeddingCase(columns: 36), embeddingCase(columns: 20, skip: 4),
]

/// `skip`: the id whose row gets no gradient, or −1.
private func embeddingCase(columns: Int, skip: Int32 = -1) -> OperationCase {
    var numbers = Numbers(columns)
    let ids = [4, 1, 4, 0, 1, 4, 6]
    let positions = [0, 1, 2, 0, 1, 2, 3]
    let types = [0, 0, 1, 1, 0, 1, 0]
    let rows = ids.count
    let scale: Float = 1.5
    let table = numbers.array(8 * columns)
    @Sendable func scatter(
        _ machine: Machine, _ memory: Memory, _ index: [Int], _ seeds: [Float], rows: Int
    ) -> [Float] {
        var call = heed_scatter_add()
        call.window = memory.window(index.count)
        call.index = UnsafePointer(memory.integers(index))
        call.dy = UnsafePointer(memory.floats(seeds))
        call.gradient = memory.zeros(rows * columns)
        call.columns = Int32(columns)
        run(machine.kernels.scatter_add, call, parts: machine.parts)
        return call.gradient.array(rows * columns)
    }
    return OperationCase(
        name: "embedding x\(columns)\(skip < 0 ? "" : ", skipping \(skip)")",
        inputs: [table, numbers.array(4 * columns), numbers.array(2 * columns)],
        forward: { machine, memory, inputs in
            var call = heed_embedding()
            call.window = memory.window(rows)
            call.ids = UnsafePointer(memory.integers(ids))
            call.positions = UnsafePointer(memory.integers(positions))
            call.types = UnsafePointer(memory.integers(types))
            call.table = UnsafePointer(memory.floats(inputs[0]))
            call.position_table = UnsafePointer(memory.floats(inputs[1]))
            call.type_table = UnsafePointer(memory.floats(inputs[2]))
            call.y = memory.nan(rows * columns)
            call.columns = Int32(columns)
            call.scale = scale
            run(machine.kernels.embedding, call, parts: machine.parts)
            return [call.y.array(rows * columns)]
        },
        oracle: { inputs in
            [
                (0..<(rows * columns)).map { i in
                    let (r, c) = (i / columns, i % columns)
                    let at = ids[r] * columns + c
                    // A skipped row is a constant.
                    return Double(scale) * (ids[r] == Int(skip) ? Double(table[at]) : inputs[0][at])
                        + inputs[1][positions[r] * columns + c] + inputs[2][types[r] * columns + c]
                }
            ]
        },
        gradient: { machine, memory, inputs, seeds in
            // Two micro-batches into the same slots, then one flush.
            var call = heed_embedding_gradient()
            call.ids = UnsafePointer(memory.integers(ids))
            call.dy = UnsafePointer(memory.floats(seeds[0]))
            call.slot_of = memory.integers([Int](repeating: -1, count: 8))
            call.id_of = memory.integers([Int](repeating: 0, count: 8))
            call.used = memory.integers([0])
            call.cleared = memory.integers([0])
            call.sums = memory.nan(8 * columns)
            call.gradient = memory.zeros(8 * columns)
            call.columns = Int32(columns)
            call.skip = skip
            call.scale = scale
            for window in [memory.window(rows, limit: 3), memory.window(rows, first: 3)] {
                call.window = window
                run(machine.kernels.embedding_slots, call, parts: machine.parts)
                run(machine.kernels.embedding_sums, call, parts: machine.parts)
            }
            run(machine.kernels.embedding_flush, call, parts: machine.parts)
            run(machine.kernels.embedding_clear, call, parts: machine.parts)
            let cleared = (0..<8).allSatisfy { call.slot_of[$0] == -1 } && call.used.pointee == 0
            return [
                cleared ? call.gradient.array(8 * columns) : [],
                scatter(machine, memory, positions, seeds[0], rows: 4),
                scatter(machine, memory, types, seeds[0], rows: 2),
            ]
        })
}

let rotaryCases: [OperationCase] = [
    rotaryCase(heads: 2, width: 8, interleaved: false), rotaryCase(heads: 2, width: 8, interleaved: true),
    rotaryCase(heads: 1, width: 64, interleaved: true), rotaryCase(heads: 3, width: 40, interleaved: false),
    rotaryCase(heads: 1, width: 38, interleaved: true),
]

private func rotaryCase(heads: Int, width: Int, interleaved: Bool) -> OperationCase {
    var numbers = Numbers(width)
    let positions = [5, 0, 2]
    let rows = positions.count
    let half = width / 2
    let stride = heads * width + 3
    let angles = (0..<(6 * half)).map { Double($0 / half) * pow(10000, -Double($0 % half) / Double(half)) }
    let cosine = angles.map { Float(cos($0)) }
    let sine = angles.map { Float(sin($0)) }
    @Sendable func rotate(_ machine: Machine, _ memory: Memory, _ x: [Float], direction: Int32) -> [Float] {
        var call = heed_rotary()
        call.window = memory.window(rows)
        call.positions = UnsafePointer(memory.integers(positions))
        call.x = memory.floats(x)
        call.stride = Int64(stride)
        call.cosine = UnsafePointer(memory.floats(cosine))
        call.sine = UnsafePointer(memory.floats(sine))
        call.heads = Int32(heads)
        call.head_width = Int32(width)
        call.width = Int32(width)
        call.interleaved = interleaved ? 1 : 0
        call.direction = direction
        run(machine.kernels.rotary, call, parts: machine.parts)
        return call.x.array(rows * stride)
    }
    return OperationCase(
        name: "rotary \(heads)x\(width) \(interleaved ? "interleaved" : "halves")",
        inputs: [numbers.array(rows * stride)],
        forward: { machine, memory, inputs in [rotate(machine, memory, inputs[0], direction: 1)] },
        oracle: { inputs in
            var y = inputs[0]
            for r in 0..<rows {
                for h in 0..<heads {
                    for i in 0..<half {
                        let base = r * stride + h * width
                        let (p, q) = interleaved ? (base + 2 * i, base + 2 * i + 1) : (base + i, base + i + half)
                        let (c, s) = (
                            Double(cosine[positions[r] * half + i]), Double(sine[positions[r] * half + i])
                        )
                        (y[p], y[q]) = (
                            inputs[0][p] * c - inputs[0][q] * s, inputs[0][q] * c + inputs[0][p] * s
                        )
                    }
                }
            }
            return [y]
        },
        gradient: { machine, memory, inputs, seeds in [rotate(machine, memory, seeds[0], direction: -1)] })
}

let updateCases: [OperationCase] =
    [adamwCase(count: 5), adamwCase(count: 200)]
    + [squareSumCase(count: 1), squareSumCase(count: 9001), squareSumCase(count: 4096)]

private func adamwCase(count: Int) -> OperationCase {
    var numbers = Numbers(count)
    let rates = heed_adam_rates(
        rate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, correction1: 0.271, correction2: 0.142625, clip: 0.5)
    let decay: Float = 0.1
    return OperationCase(
        name: "adamw \(count)",
        inputs: [
            numbers.array(count), numbers.array(count), numbers.array(count), numbers.array(count).map { abs($0) },
        ],
        forward: { machine, memory, inputs in
            var call = heed_adamw()
            call.parameter = memory.floats(inputs[0])
            call.gradient = memory.floats(inputs[1])
            call.first = memory.floats(inputs[2])
            call.second = memory.floats(inputs[3])
            call.count = Int64(count)
            call.decay = decay
            call.rates = UnsafePointer(memory.value(rates))
            run(machine.kernels.adamw, call, parts: machine.parts)
            return [
                call.parameter.array(count), call.gradient.array(count), call.first.array(count),
                call.second.array(count),
            ]
        },
        oracle: { inputs in
            let g = inputs[1].map { $0 * Double(rates.clip) }
            let m = zip(inputs[2], g).map { Double(rates.beta1) * $0 + (1 - Double(rates.beta1)) * $1 }
            let v = zip(inputs[3], g).map { Double(rates.beta2) * $0 + (1 - Double(rates.beta2)) * $1 * $1 }
            let p = (0..<count).map { i in
                let root = (v[i] / Double(rates.correction2)).squareRoot() + Double(rates.epsilon)
                return inputs[0][i] * (1 - Double(rates.rate) * Double(decay))
                    - Double(rates.rate) * (m[i] / Double(rates.correction1)) / root
            }
            return [p, [Double](repeating: 0, count: count), m, v]
        })
}

private func squareSumCase(count: Int) -> OperationCase {
    var numbers = Numbers(count)
    let blocks = (count + 4095) / 4096
    return OperationCase(
        name: "square sum \(count)",
        inputs: [numbers.array(count)],
        forward: { machine, memory, inputs in
            var call = heed_square_sum()
            call.x = UnsafePointer(memory.floats(inputs[0]))
            call.count = Int64(count)
            call.sums = memory.doubles(blocks)
            run(machine.kernels.square_sum, call, parts: machine.parts)
            return [(0..<blocks).map { Float(call.sums[$0]) }]
        },
        oracle: { inputs in
            [
                (0..<blocks).map { b in
                    inputs[0][(b * 4096)..<min(count, (b + 1) * 4096)].reduce(0) { $0 + $1 * $1 }
                }
            ]
        },
        tolerance: 1e-6)
}
