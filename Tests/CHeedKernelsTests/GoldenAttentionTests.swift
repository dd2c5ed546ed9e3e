import CHeedKernels
import TestFixtures
import Testing

/// Attention against PyTorch. The goldens also seed the weights and have a free bias, which the kernel has not; both
/// are put into the width: values [v | identity] give the weights as outputs (and take their seeds), and queries
/// [q | bias/scale] with keys [k | identity] add the bias to the scores (and give its gradient).
@Suite(.enabled(if: Shared.operations != nil, "needs the shared fixtures"))
struct GoldenAttentionTests {
    @Test(
        "values, weights and all gradients",
        arguments: [
            "attention_full", "attention_causal", "attention_key_padding", "attention_causal_key_padding",
            "attention_gqa_causal", "attention_mqa_causal", "attention_cross", "attention_causal_offset",
            "attention_bias", "attention_unscaled",
        ])
    func attention(_ name: String) throws {
        let golden = try Golden(name)
        let shape = golden["in.q"].shape
        let (batch, heads, queries, width) = (shape[0], shape[1], shape[2], shape[3])
        let (kvHeads, keys) = (golden["in.k"].shape[1], golden["in.k"].shape[2])
        let causal = name.contains("causal") || name == "attention_bias"
        let mask = golden.tensors["in.key_mask"]?.integers
        let bias = golden.tensors["in.bias"]?.floats
        let scale = name == "attention_unscaled" ? 1 : Float(1 / Double(width).squareRoot())
        let wide = width + keys
        let scaleBack = 1 / scale

        // [batch, heads, time, width] → rows of [heads · wide] with an extension per (batch, head, time, key).
        func rows(_ x: [Float], _ heads: Int, _ time: Int, extra: (Int, Int, Int, Int) -> Float) -> [[Float]] {
            (0..<(batch * time)).map { row in
                (0..<heads).flatMap { h -> [Float] in
                    let (b, t) = (row / time, row % time)
                    let start = ((b * heads + h) * time + t) * width
                    return x[start..<(start + width)] + (0..<keys).map { extra(b, h, t, $0) }
                }
            }
        }
        let q = rows(golden["in.q"].floats, heads, queries) { _, h, i, j in
            bias.map { $0[(h * queries + i) * keys + j] * scaleBack } ?? 0
        }
        let k = rows(golden["in.k"].floats, kvHeads, keys) { _, _, t, j in t == j ? 1 : 0 }
        let v = rows(golden["in.v"].floats, kvHeads, keys) { _, _, t, j in t == j ? 1 : 0 }
        let seedsOfWeights = golden["dout.weights"].floats
        let dout = rows(golden["dout.y"].floats, heads, queries) { b, h, i, j in
            seedsOfWeights.isEmpty ? 0 : seedsOfWeights[((b * heads + h) * queries + i) * keys + j]
        }

        // With a mask every query is a sequence of its own with the keys that it may see.
        var sequences: [(queries: [Int], keys: [Int])] = []
        for b in 0..<batch {
            if let mask {
                for i in 0..<queries {
                    let seen = (0..<keys).filter { mask[b * keys + $0] == 1 && (!causal || $0 <= i + keys - queries) }
                    sequences.append(([b * queries + i], seen.map { b * keys + $0 }))
                }
            } else {
                sequences.append(
                    ((0..<queries).map { b * queries + $0 }, (0..<keys).map { b * keys + $0 }))
            }
        }
        var layout = AttentionShape(
            sequences.map(\.queries.count), keys: sequences.map(\.keys.count), heads: heads, kvHeads: kvHeads,
            width: wide, causal: causal && mask == nil)
        layout.scale = scale
        layout.padding = 0
        let queryOrder = sequences.flatMap(\.queries)
        let keyOrder = sequences.flatMap(\.keys)
        let inputs = [queryOrder.flatMap { q[$0] }, keyOrder.flatMap { k[$0] }, keyOrder.flatMap { v[$0] }, []]
        let seeds = queryOrder.flatMap { dout[$0] }

        for isa in instructionSets {
            for parts in [1, 3] {
                let machine = Machine(isa: isa, parts: parts)
                let result = withMemory { memory -> [[Float]] in
                    let call = layout.call(memory, inputs, parts: parts)
                    run(machine.kernels.attention, call, parts: parts)
                    let out = call.out.array(layout.queryRows * layout.queryStride)
                    return [out] + attentionGradients(layout, machine, memory, inputs, dout: seeds)
                }
                let outputs = try #require(result)
                // Back to [batch, heads, time, width] and [batch, heads, time, keys].
                func split(
                    _ x: [Float], _ order: [Int], _ heads: Int, _ time: Int
                ) -> (main: [Float], extra: [Float]) {
                    var main = [Float](repeating: 0, count: batch * heads * time * width)
                    var extra = [Float](repeating: 0, count: batch * heads * time * keys)
                    for (r, row) in order.enumerated() {
                        for h in 0..<heads {
                            let from = (r * heads + h) * wide
                            let to = (row / time * heads + h) * time + row % time
                            for d in 0..<width { main[to * width + d] += x[from + d] }
                            for j in 0..<keys { extra[to * keys + j] += x[from + width + j] }
                        }
                    }
                    return (main, extra)
                }
                let (y, weights) = split(outputs[0], queryOrder, heads, queries)
                #expect(agrees(y, golden["out.f64.y"].values), "\(machine)")
                if let expected = golden.tensors["out.f64.weights"] {
                    #expect(agrees(weights, expected.values), "\(machine)")
                }
                let (dq, dqExtra) = split(outputs[1], queryOrder, heads, queries)
                #expect(gradientAgrees(dq, golden["grad.f64.q"].values), "\(machine)")
                let dk = split(outputs[2], keyOrder, kvHeads, keys).main
                #expect(gradientAgrees(dk, golden["grad.f64.k"].values), "\(machine)")
                let dv = split(outputs[3], keyOrder, kvHeads, keys).main
                #expect(gradientAgrees(dv, golden["grad.f64.v"].values), "\(machine)")
                if let expected = golden.tensors["grad.f64.bias"] {
                    let each = heads * queries * keys
                    let dbias = (0..<each).map { i in
                        (0..<batch).reduce(Float(0)) { $0 + dqExtra[$1 * each + i] } * scaleBack
                    }
                    #expect(gradientAgrees(dbias, expected.values), "\(machine)")
                }
            }
        }
    }
}
