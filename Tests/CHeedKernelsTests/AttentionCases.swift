import CHeedKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What an attention call looks like: ragged sequences, heads, options.
struct AttentionShape: Sendable, CustomStringConvertible {
    var queries: [Int]
    var keys: [Int]
    var heads: Int
    var kvHeads: Int
    var width: Int
    var causal = true
    var buckets = 0
    var bidirectional = false
    var dropout: Float = 0
    var scale: Float = 0.5
    /// How many keys are seen before and after a row's own; nil: no bound.
    var before: Int?
    var after: Int?
    var cap: Float = 0
    var slopes: [Float] = []
    /// Floats between the end of a row and the start of the next.
    var padding = 3

    init(
        _ queries: [Int], keys: [Int]? = nil, heads: Int, kvHeads: Int? = nil, width: Int, causal: Bool = true
    ) {
        self.queries = queries
        self.keys = keys ?? queries
        self.heads = heads
        self.kvHeads = kvHeads ?? heads
        self.width = width
        self.causal = causal
        scale = Float(1 / Double(width).squareRoot())
    }

    var queryRows: Int { queries.reduce(0, +) }
    var keyRows: Int { keys.reduce(0, +) }
    var queryStride: Int { heads * width + padding }
    var keyStride: Int { kvHeads * width + padding }
    var random: heed_random { heed_random(seed: 99, step: 4, row_base: 2) }
    static let maxDistance = 20
    static let purpose: UInt32 = 11

    var description: String {
        "queries \(queries) keys \(keys) heads \(heads)/\(kvHeads) width \(width)\(causal ? " causal" : "")"
            + (buckets > 0 ? " bias \(buckets)\(bidirectional ? " both ways" : "")" : "")
            + (dropout > 0 ? " dropout" : "") + (before.map { " \($0) before" } ?? "")
            + (after.map { " \($0) after" } ?? "") + (cap > 0 ? " capped" : "") + (slopes.isEmpty ? "" : " slopes")
    }

    static func offsets(_ lengths: [Int]) -> [Int] { lengths.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) } }

    func with(_ change: (inout AttentionShape) -> Void) -> AttentionShape {
        var copy = self
        change(&copy)
        return copy
    }

    /// Random q, k, v and bias table.
    func inputs(spread: Float = 1) -> [[Float]] {
        var numbers = Numbers(queryRows * 100 + width)
        return [
            numbers.array(queryRows * queryStride).map { spread * $0 },
            numbers.array(keyRows * keyStride).map { spread * $0 },
            numbers.array(keyRows * keyStride), numbers.array(buckets * heads),
        ]
    }

    /// The call, its inputs and outputs in `memory`.
    func call(_ memory: Memory, _ inputs: [[Float]], parts: Int, weights: Bool = false) -> heed_attention {
        var call = heed_attention()
        call.sequences = UnsafePointer(memory.integers([queries.count]))
        call.query_offsets = UnsafePointer(memory.integers(Self.offsets(queries)))
        call.key_offsets = UnsafePointer(memory.integers(Self.offsets(keys)))
        call.q = UnsafePointer(memory.floats(inputs[0]))
        call.q_stride = Int64(queryStride)
        call.k = UnsafePointer(memory.floats(inputs[1]))
        call.k_stride = Int64(keyStride)
        call.v = UnsafePointer(memory.floats(inputs[2]))
        call.v_stride = Int64(keyStride)
        call.out = memory.floats([Float](repeating: 0, count: queryRows * queryStride))
        call.out_stride = Int64(queryStride)
        call.normaliser = memory.nan(queryRows * heads)
        let maxKeys = keys.max() ?? 0
        if weights {
            call.weights = memory.nan(queryRows * heads * maxKeys)
            call.weights_stride = Int64(maxKeys)
        }
        if buckets > 0 {
            call.bias = UnsafePointer(memory.floats(inputs[3]))
            call.bias_buckets = Int32(buckets)
            call.bias_max_distance = Int32(Self.maxDistance)
            call.bias_bidirectional = bidirectional ? 1 : 0
        }
        call.before = Int32(before ?? -1)
        call.after = Int32(after ?? -1)
        call.cap = cap
        if !slopes.isEmpty { call.slopes = UnsafePointer(memory.floats(slopes)) }
        call.heads = Int32(heads)
        call.kv_heads = Int32(kvHeads)
        call.width = Int32(width)
        call.causal = causal ? 1 : 0
        call.max_keys = Int32(maxKeys)
        call.scale = scale
        call.dropout = dropout
        call.purpose = Self.purpose
        call.random = UnsafePointer(memory.value(random))
        call.scratch = memory.scratch(
            bytes: heed_attention_scratch(Int64(width), Int64(maxKeys), Int64(heads / kvHeads)), parts: parts)
        return call
    }

    /// T5's bucket of a key's position relative to the query's, as Hugging Face computes it.
    func bucket(_ relative: Int) -> Int {
        let count = bidirectional ? buckets / 2 : buckets
        let shift = bidirectional && relative > 0 ? count : 0
        let distance = bidirectional ? abs(relative) : max(0, -relative)
        let exact = count / 2
        if distance < exact { return shift + distance }
        let ratio = log(Double(distance) / Double(exact)) / log(Double(Self.maxDistance) / Double(exact))
        return shift + min(count - 1, exact + Int(ratio * Double(count - exact) + 1e-9))
    }

    /// out [rows, stride], normaliser [rows, heads] and weights [rows, heads, most keys] in double precision.
    func oracle(_ inputs: [[Double]]) -> [[Double]] {
        let (q, k, v) = (inputs[0], inputs[1], inputs[2])
        let queryOffsets = Self.offsets(queries)
        let keyOffsets = Self.offsets(keys)
        let maxKeys = keys.max() ?? 0
        var out = [Double](repeating: 0, count: queryRows * queryStride)
        var normaliser = [Double](repeating: -.infinity, count: queryRows * heads)
        var weights = [Double](repeating: 0, count: queryRows * heads * maxKeys)
        for s in queries.indices {
            let past = causal ? keys[s] - queries[s] : 0
            for i in 0..<queries[s] {
                let row = queryOffsets[s] + i
                var visible = max(0, causal ? past + i + 1 : keys[s])
                if let after { visible = min(visible, past + i + after + 1) }
                guard visible > 0 else { continue }
                for h in 0..<heads {
                    let kvHead = h / (heads / kvHeads)
                    var scores = [Double](repeating: 0, count: visible)
                    for j in 0..<visible {
                        let (a, b) = (row * queryStride + h * width, (keyOffsets[s] + j) * keyStride + kvHead * width)
                        for d in 0..<width { scores[j] += q[a + d] * k[b + d] }
                        scores[j] *= Double(scale)
                        if cap > 0 { scores[j] = Double(cap) * tanh(scores[j] / Double(cap)) }
                        if !slopes.isEmpty { scores[j] += Double(slopes[h]) * Double(j - past - i) }
                        if let before, j < past + i - before { scores[j] = -.infinity }
                        if buckets > 0 { scores[j] += inputs[3][bucket(j - past - i) * heads + h] }
                    }
                    let largest = scores.reduce(-Double.infinity, max)
                    guard largest > -.infinity else { continue }
                    let sum = scores.reduce(0) { $0 + exp($1 - largest) }
                    normaliser[row * heads + h] = largest + log(sum)
                    for j in 0..<visible {
                        var p = exp(scores[j] - largest) / sum
                        weights[(row * heads + h) * maxKeys + j] = p
                        p *= factor(row: row, head: h, key: j)
                        let b = (keyOffsets[s] + j) * keyStride + kvHead * width
                        for d in 0..<width { out[row * queryStride + h * width + d] += p * v[b + d] }
                    }
                }
            }
        }
        return [out, normaliser, weights]
    }

    /// What dropout multiplies a weight with.
    func factor(row: Int, head: Int, key: Int) -> Double {
        guard dropout > 0 else { return 1 }
        let index = ((2 + row) * heads + head) << 20 + key
        let word = philoxWords(seed: 99, purpose: Self.purpose, step: 4, first: index, count: 1)[0]
        return Double(word) >= Double(dropout) * 4_294_967_296 ? 1 / (1 - Double(dropout)) : 0
    }
}

let attentionCases: [OperationCase] = [
    attentionCase(AttentionShape([5], heads: 2, width: 4)),
    attentionCase(AttentionShape([1], heads: 1, width: 8)),
    attentionCase(AttentionShape([3, 7], heads: 2, width: 5)),
    attentionCase(AttentionShape([4, 0, 6], heads: 4, kvHeads: 2, width: 6)),
    attentionCase(AttentionShape([6], heads: 3, kvHeads: 1, width: 16)),
    attentionCase(AttentionShape([3, 2], keys: [5, 9], heads: 2, width: 4, causal: false)),
    attentionCase(AttentionShape([2, 3], keys: [7, 3], heads: 2, width: 7)),
    attentionCase(AttentionShape([2], keys: [0], heads: 1, width: 4, causal: false)),
    attentionCase(AttentionShape([6], heads: 2, width: 4).with { $0.buckets = 8 }),
    attentionCase(
        AttentionShape([5, 9], heads: 2, width: 4, causal: false).with {
            $0.buckets = 8
            $0.bidirectional = true
        }),
    // Scale 1 and enough rows for the table of biases by distance, within and beyond the largest distance.
    attentionCase(
        AttentionShape([12], heads: 2, width: 4).with {
            $0.buckets = 8
            $0.scale = 1
        }),
    attentionCase(
        AttentionShape([40], heads: 1, width: 3, causal: false).with {
            $0.buckets = 8
            $0.bidirectional = true
            $0.scale = 1
        }),
    attentionCase(AttentionShape([7], heads: 2, width: 4).with { $0.scale = -0.5 }),
    attentionCase(AttentionShape([7], heads: 2, width: 4).with { $0.dropout = 0.3 }),
    attentionCase(AttentionShape([8], heads: 4, kvHeads: 2, width: 3, causal: false).with { $0.dropout = 0.5 }),
    attentionCase(AttentionShape([7, 3], heads: 2, width: 4).with { $0.before = 2 }),
    attentionCase(
        AttentionShape([9], heads: 4, kvHeads: 2, width: 5, causal: false).with {
            $0.before = 2
            $0.after = 3
        }),
    attentionCase(AttentionShape([6, 4], heads: 2, width: 4).with { $0.cap = 0.7 }),
    attentionCase(
        AttentionShape([8], heads: 3, width: 4).with {
            $0.slopes = [0.5, 0.25, 0.125]
            $0.before = 4
        }),
    // Windows that begin and end within and beyond tiles.
    attentionCase(
        AttentionShape([200], heads: 2, kvHeads: 1, width: 8).with {
            $0.before = 70
            $0.cap = 2
        }, gradient: false),
    attentionCase(AttentionShape([3], keys: [190], heads: 2, width: 8).with { $0.before = 40 }, gradient: false),
    attentionCase(
        AttentionShape([150], heads: 1, width: 16, causal: false).with {
            $0.before = 10
            $0.after = 65
        }, gradient: false),
    // Beyond one tile of keys: values only, central differences of the oracle would be slow.
    attentionCase(AttentionShape([130, 65], heads: 2, width: 20), gradient: false),
    attentionCase(AttentionShape([64, 1, 63], heads: 2, kvHeads: 1, width: 64), gradient: false),
    attentionCase(AttentionShape([9, 50], keys: [200, 64], heads: 1, width: 33), gradient: false),
    attentionCase(AttentionShape([20], keys: [150], heads: 2, width: 16, causal: false), gradient: false),
    attentionCase(AttentionShape([200], heads: 1, width: 80).with { $0.dropout = 0.1 }, gradient: false),
    attentionCase(AttentionShape([140], heads: 2, width: 8).with { $0.buckets = 16 }, gradient: false),
    attentionCase(AttentionShape([3], keys: [150], heads: 2, width: 8).with { $0.buckets = 16 }, gradient: false),
    attentionCase(AttentionShape([9], keys: [150], heads: 2, width: 8).with { $0.buckets = 16 }, gradient: false),
]

private func attentionCase(_ shape: AttentionShape, gradient: Bool = true) -> OperationCase {
    var operation = OperationCase(
        name: "attention \(shape)",
        inputs: shape.inputs(spread: 2),
        forward: { machine, memory, inputs in
            let call = shape.call(memory, inputs, parts: machine.parts, weights: true)
            run(machine.kernels.attention, call, parts: machine.parts)
            return [
                call.out.array(shape.queryRows * shape.queryStride),
                call.normaliser.array(shape.queryRows * shape.heads),
                call.weights.array(shape.queryRows * shape.heads * (shape.keys.max() ?? 0)),
            ]
        },
        oracle: { inputs in shape.oracle(inputs) })
    if gradient {
        operation.gradient = { machine, memory, inputs, seeds in
            attentionGradients(shape, machine, memory, inputs, dout: seeds[0])
        }
        operation.seeded = 1
    }
    return operation
}

/// dq, dk, dv and dbias of Σ out · dout.
func attentionGradients(
    _ shape: AttentionShape, _ machine: Machine, _ memory: Memory, _ inputs: [[Float]], dout: [Float]
) -> [[Float]] {
    var call = heed_attention_gradient()
    call.forward = shape.call(memory, inputs, parts: machine.parts)
    run(machine.kernels.attention, call.forward, parts: machine.parts)
    call.dout = UnsafePointer(memory.floats(dout))
    call.dout_stride = Int64(shape.queryStride)
    call.dq = memory.zeros(shape.queryRows * shape.queryStride)
    call.dq_stride = Int64(shape.queryStride)
    call.dk = memory.zeros(shape.keyRows * shape.keyStride)
    call.dk_stride = Int64(shape.keyStride)
    call.dv = memory.zeros(shape.keyRows * shape.keyStride)
    call.dv_stride = Int64(shape.keyStride)
    if shape.buckets > 0 { call.dbias = memory.zeros(shape.buckets * shape.heads) }
    run(machine.kernels.attention_gradient, call, parts: machine.parts)
    return [
        call.dq.array(shape.queryRows * shape.queryStride), call.dk.array(shape.keyRows * shape.keyStride),
        call.dv.array(shape.keyRows * shape.keyStride),
        shape.buckets > 0 ? call.dbias.array(shape.buckets * shape.heads) : [],
    ]
}
