import CHeedKernels
import Testing

/// What a row of attention gives must not depend on how it came to be computed.
@Suite struct AttentionTests {
    static let shapes: [AttentionShape] = [
        AttentionShape([10], heads: 2, width: 8), AttentionShape([70], heads: 4, kvHeads: 2, width: 20),
        AttentionShape([150], heads: 3, width: 64), AttentionShape([133], heads: 4, kvHeads: 1, width: 33),
        AttentionShape([129], heads: 2, width: 80).with { $0.buckets = 16 },
    ]

    /// All rows of one causal sequence in one pass.
    func full(_ shape: AttentionShape, _ machine: Machine, _ inputs: [[Float]]) -> [Float]? {
        withMemory { memory in
            let call = shape.call(memory, inputs, parts: machine.parts)
            run(machine.kernels.attention, call, parts: machine.parts)
            return call.out.array(shape.queryRows * shape.queryStride)
        }
    }

    @Test("a cache filled in any chunks gives the bits of the full pass", arguments: shapes)
    func cached(_ shape: AttentionShape) throws {
        let inputs = shape.inputs(spread: 2)
        let length = shape.queries[0]
        let companion = 40
        let chunkings = [[length], [Int](repeating: 1, count: length), [7, 1, length - 8], [length - 1, 1]]
        for isa in instructionSets {
            let expected = try #require(full(shape, Machine(isa: isa), inputs))
            for (number, chunks) in chunkings.enumerated() {
                let parts = number + 1
                let out = withMemory { memory -> [Float] in
                    let layout = pagedLayout(shape, memory, slots: 3, tokens: length)
                    // The sequence lies in slot 2; slot 0 holds a companion that begins again with every chunk.
                    let q = memory.floats([Float](repeating: 0.5, count: companion * shape.queryStride) + inputs[0])
                    let k = memory.floats([Float](repeating: 0.25, count: companion * shape.keyStride) + inputs[1])
                    let v = memory.floats([Float](repeating: -1, count: companion * shape.keyStride) + inputs[2])
                    let out = memory.zeros((companion + length) * shape.queryStride)
                    var done = 0
                    for chunk in chunks where chunk > 0 {
                        // Rows of the companion come first, so that the sequence starts at an odd row.
                        let others = min(companion, 1 + done % 5)
                        let start = companion - others
                        var append = heed_cache_append()
                        append.sequences = UnsafePointer(memory.integers([2]))
                        append.slots = UnsafePointer(memory.integers([0, 2]))
                        append.cache = layout
                        append.k_stride = Int64(shape.keyStride)
                        append.v_stride = Int64(shape.keyStride)
                        var call = heed_cached_attention()
                        call.before = -1
                        call.after = -1
                        call.sequences = append.sequences
                        call.slots = append.slots
                        call.cache = layout
                        call.q_stride = Int64(shape.queryStride)
                        call.out_stride = Int64(shape.queryStride)
                        call.heads = Int32(shape.heads)
                        call.causal = 1
                        call.scale = shape.scale
                        if shape.buckets > 0 {
                            call.bias = UnsafePointer(memory.floats(inputs[3]))
                            call.bias_buckets = Int32(shape.buckets)
                            call.bias_max_distance = Int32(AttentionShape.maxDistance)
                        }
                        call.scratch = memory.scratch(
                            bytes: heed_attention_scratch(Int64(shape.width), 0, 1), parts: parts)
                        // Gather the rows of this step: the companion's, then the chunk's.
                        let stepQ = memory.nan((others + chunk) * shape.queryStride)
                        let stepK = memory.nan((others + chunk) * shape.keyStride)
                        let stepV = memory.nan((others + chunk) * shape.keyStride)
                        for r in 0..<(others + chunk) {
                            let from = r < others ? start + r : companion + done + r - others
                            for c in 0..<shape.queryStride {
                                stepQ[r * shape.queryStride + c] = q[from * shape.queryStride + c]
                            }
                            for c in 0..<shape.keyStride {
                                stepK[r * shape.keyStride + c] = k[from * shape.keyStride + c]
                                stepV[r * shape.keyStride + c] = v[from * shape.keyStride + c]
                            }
                        }
                        append.offsets = UnsafePointer(memory.integers([0, others, others + chunk]))
                        append.past = UnsafePointer(memory.integers([0, done]))
                        append.k = UnsafePointer(stepK)
                        append.v = UnsafePointer(stepV)
                        run(Machine(isa: isa).kernels.cache_append, append, parts: parts)
                        call.query_offsets = append.offsets
                        call.lengths = UnsafePointer(memory.integers([others, done + chunk]))
                        call.q = UnsafePointer(stepQ)
                        let stepOut = memory.zeros((others + chunk) * shape.queryStride)
                        call.out = stepOut
                        run(Machine(isa: isa).kernels.cached_attention, call, parts: parts)
                        for r in 0..<chunk {
                            for c in 0..<shape.queryStride {
                                out[(done + r) * shape.queryStride + c] = stepOut[(others + r) * shape.queryStride + c]
                            }
                        }
                        done += chunk
                    }
                    return out.array(length * shape.queryStride)
                }
                let result = try #require(out, "wrote beyond a buffer")
                #expect(sameBits(result, expected), "chunks \(chunks.prefix(3)), \(Machine(isa: isa, parts: parts))")
            }
        }
    }

    /// A cache of one layer whose pages lie in buffers of their own, so that a step beyond a page is found out.
    private func pagedLayout(_ shape: AttentionShape, _ memory: Memory, slots: Int, tokens: Int) -> heed_cache_layout {
        let tile = Int(HEED_KEY_TILE)
        let half = shape.kvHeads * tile * shape.width
        let stride = (tokens + tile - 1) / tile
        let pages = memory.pointers((0..<(slots * stride)).map { _ in UnsafeMutableRawPointer(memory.nan(2 * half)) })
        return heed_cache_layout(
            table: memory.value(heed_page_table(pages: pages, stride: Int64(stride))), keys: 0,
            values: Int64(half * 4), kv_heads: Int32(shape.kvHeads), width: Int32(shape.width),
            form: Int32(HEED_CACHE_F32.rawValue))
    }

    @Test("a sequence gives the same bits alone and in company, forward and backward", arguments: shapes)
    func company(_ shape: AttentionShape) throws {
        let inputs = shape.inputs(spread: 2)
        var numbers = Numbers(5)
        let dout = numbers.array(shape.queryRows * shape.queryStride)
        let crowd = shape.with {
            $0.queries = [9] + shape.queries + [65]
            $0.keys = [9] + shape.keys + [65]
        }
        func surround(_ x: [Float], _ stride: Int) -> [Float] {
            numbers.array(9 * stride) + x + numbers.array(65 * stride)
        }
        let many = [
            surround(inputs[0], shape.queryStride), surround(inputs[1], shape.keyStride),
            surround(inputs[2], shape.keyStride), inputs[3],
        ]
        let manyDout = surround(dout, shape.queryStride)
        for isa in instructionSets {
            let machine = Machine(isa: isa)
            let alone = try #require(withMemory { attentionGradients(shape, machine, $0, inputs, dout: dout) })
            let crowded = try #require(
                withMemory { attentionGradients(crowd, Machine(isa: isa, parts: 3), $0, many, dout: manyDout) })
            for (i, stride) in [shape.queryStride, shape.keyStride, shape.keyStride].enumerated() {
                let part = Array(crowded[i][(9 * stride)..<(9 * stride + alone[i].count)])
                #expect(sameBits(part, alone[i]), "gradient \(i), \(machine)")
            }
            let out = try #require(full(shape, machine, inputs))
            let crowdedOut = try #require(full(crowd, Machine(isa: isa, parts: 2), many))
            let stride = shape.queryStride
            #expect(sameBits(Array(crowdedOut[(9 * stride)..<(9 * stride + out.count)]), out), "\(machine)")
        }
    }

    /// Gradients beyond one tile against the exact gradient in double precision.
    @Test(
        "gradients over several tiles agree with the formula",
        arguments: [
            AttentionShape([130], heads: 2, width: 20), AttentionShape([66, 70], heads: 4, kvHeads: 2, width: 16),
            AttentionShape([40], keys: [140], heads: 1, width: 64),
            AttentionShape([100], heads: 1, width: 24).with { $0.dropout = 0.2 },
        ])
    func longGradients(_ shape: AttentionShape) throws {
        let inputs = shape.inputs(spread: 2)
        var numbers = Numbers(6)
        let dout = numbers.array(shape.queryRows * shape.queryStride)
        let expected = exactGradients(shape, inputs.map { $0.map(Double.init) }, dout.map(Double.init))
        var fused: [[Float]]?
        for isa in instructionSets {
            var first: [[Float]]?
            for parts in [1, 2, 5] {
                let machine = Machine(isa: isa, parts: parts)
                let gradients = try #require(
                    withMemory { attentionGradients(shape, machine, $0, inputs, dout: dout) }, "\(machine)")
                for i in 0..<3 {
                    let (difference, size) = distance(gradients[i], expected[i])
                    #expect(difference <= 2e-6 * size, "gradient \(i), \(machine)")
                }
                // Whole heads in one walk and queries and keys apart give the same bits, on every instruction set.
                #expect(sameBits(gradients, first ?? gradients), "\(machine)")
                first = gradients
                if fusedInstructionSets.contains(isa) {
                    #expect(sameBits(gradients, fused ?? gradients), "\(machine)")
                    fused = gradients
                }
            }
        }
    }

    private func exactGradients(_ shape: AttentionShape, _ inputs: [[Double]], _ dout: [Double]) -> [[Double]] {
        let weights = shape.oracle(inputs)[2]
        let maxKeys = shape.keys.max() ?? 0
        let (width, heads) = (shape.width, shape.heads)
        var gradients = [inputs[0], inputs[1], inputs[2]].map { [Double](repeating: 0, count: $0.count) }
        let queryOffsets = AttentionShape.offsets(shape.queries)
        let keyOffsets = AttentionShape.offsets(shape.keys)
        for s in shape.queries.indices {
            for row in queryOffsets[s]..<queryOffsets[s + 1] {
                for h in 0..<heads {
                    let a = row * shape.queryStride + h * width
                    let p = Array(weights[((row * heads + h) * maxKeys)..<((row * heads + h + 1) * maxKeys)])
                    let base = keyOffsets[s] * shape.keyStride + h / (heads / shape.kvHeads) * width
                    let factors = (0..<shape.keys[s]).map { shape.factor(row: row, head: h, key: $0) }
                    let dp = (0..<shape.keys[s]).map { j in
                        (0..<width).reduce(0) { $0 + dout[a + $1] * inputs[2][base + j * shape.keyStride + $1] }
                            * factors[j]
                    }
                    let delta = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
                    for j in 0..<shape.keys[s] where p[j] > 0 {
                        let ds = p[j] * (dp[j] - delta) * Double(shape.scale)
                        let b = base + j * shape.keyStride
                        for d in 0..<width {
                            gradients[0][a + d] += ds * inputs[1][b + d]
                            gradients[1][b + d] += ds * inputs[0][a + d]
                            gradients[2][b + d] += p[j] * factors[j] * dout[a + d]
                        }
                    }
                }
            }
        }
        return gradients
    }

    @Test("keys of −inf score nothing, huge scores stay finite, a row of only −inf gives zeros")
    func edges() throws {
        let shape = AttentionShape([3], heads: 1, width: 2).with { $0.scale = 1 }
        for isa in instructionSets {
            // q = (1, 0): scores are the keys' first element.
            let q: [Float] = (0..<3).flatMap { _ in [1, 0, 0, 0, 0] }
            let k: [Float] = [-.infinity, 0, 0, 0, 0, 3e38, 0, 0, 0, 0, -.infinity, 0, 0, 0, 0]
            let v: [Float] = (0..<3).flatMap { [Float($0) + 1, -1, 0, 0, 0] }
            let result = try #require(
                withMemory { memory -> [[Float]] in
                    let call = shape.call(memory, [q, k, v, []], parts: 1, weights: true)
                    run(Machine(isa: isa).kernels.attention, call, parts: 1)
                    return [call.out.array(15), call.normaliser.array(3), call.weights.array(9)]
                })
            #expect(Array(result[0][0..<2]) == [0, 0])
            #expect(Array(result[0][5..<7]) == [2, -1])
            #expect(Array(result[0][10..<12]) == [2, -1])
            #expect(result[1] == [-.infinity, 3e38, 3e38])
            #expect(result[2] == [0, 0, 0, 0, 1, 0, 0, 1, 0])
        }
    }
}
