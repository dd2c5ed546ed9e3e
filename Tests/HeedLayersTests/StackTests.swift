import Testing

@testable import HeedLayers
@testable import HeedTensor

@Suite("Stacks and their blocks")
struct StackTests {
    private func shape(_ change: (inout StackShape) -> Void = { _ in }) -> StackShape {
        var shape = StackShape(layers: 2, width: 8, heads: 2, inner: 12)
        change(&shape)
        return shape
    }

    private func names(_ shape: StackShape, _ role: StackRole) -> [String] {
        ParameterLayout.declare { Stack($0, shape, role).ending(in: $0 / "finalNorm") }.layout.parameters.map(\.name)
    }

    @Test("parameters are declared in the order that new models take their random numbers in")
    func order() {
        let half = ["gain", "offset"]
        let linear = ["weight", "bias"]
        func block(_ parts: [(String, [String])]) -> [String] {
            parts.flatMap { part, names in names.map { "blocks.0.\(part).\($0)" } }
        }
        let attention = [("attention.projection", linear), ("attention.output", linear)]
        let rest = [("feedForwardNorm", half), ("feedForward.up", linear), ("feedForward.down", linear)]
        let cross = [
            ("crossAttention.query", linear), ("crossAttention.memory", linear), ("crossAttention.output", linear),
        ]
        let end = half.map { "finalNorm.\($0)" }
        let one = shape { $0.layers = 1 }
        #expect(names(one, .alone) == block([("attentionNorm", half)] + attention + rest) + end)
        #expect(names(one, .writesMemory) == block(attention + [("attentionNorm", half)] + rest) + end)
        #expect(
            names(one, .readsMemory)
                == block(attention + cross + [("attentionNorm", half), ("crossNorm", half)] + rest) + end)
        let around = names(shape { $0.placement = .around }, .alone)
        #expect(around.contains("blocks.1.attentionAnswerNorm.gain"))
        #expect(around.contains("blocks.1.feedForwardAnswerNorm.offset"))
        let bare = names(
            shape {
                $0.hasBias = false
                $0.norm = .rootMeanSquare
                $0.finalNorm = false
            }, .alone)
        #expect(!bare.contains { $0.hasSuffix("bias") || $0.hasSuffix("offset") || $0.hasPrefix("finalNorm") })
    }

    @Test("every layer knows its path: that of its parameters")
    func paths() {
        let stack = ParameterLayout.declare {
            Stack($0 / "decoder", shape(), .readsMemory).ending(in: $0 / "decoderNorm")
        }.model
        #expect(stack.path == "decoder")
        #expect(stack.finalNorm?.path == "decoderNorm")
        for (layer, block) in stack.blocks.enumerated() {
            #expect(block.path == "decoder.blocks.\(layer)")
            for linear in [
                block.attention.output, block.feedForward.dense?.up, block.feedForward.dense?.down,
                block.crossAttention?.output,
            ] {
                #expect(linear?.weight.name == linear.map { $0.path + ".weight" })
            }
            #expect(block.attention.path == block.path + ".attention")
            #expect(block.feedForward.dense?.path == block.path + ".feedForward")
            #expect(block.attentionNorm.norm?.gain.name == block.attentionNorm.norm.map { $0.path + ".gain" })
        }
    }

    /// The names of the operations of one pass.
    private func operations(_ shape: StackShape, _ role: StackRole = .alone, memory: Bool = false) -> [String] {
        let stack = ParameterLayout.declare { Stack($0, shape, role).ending(in: $0 / "finalNorm") }.model
        let trace = Trace(for: .inference, maximumLength: 4)
        let batch = TokenBatch(rowCapacity: 4, sequenceCapacity: 1)
        let table = ParameterLayout.declare { $0.parameter("table", [5, 8], .zeros) }.model
        let rows = trace.embed(batch, table: table)
        _ = stack(rows, PassContext(batch, memory: memory ? .states(rows, of: batch) : nil))
        return trace.nodes.map(\.operation.name)
    }

    @Test("norms stand where the placement says")
    func placements() {
        func norms(_ placement: NormPlacement) -> [Bool] {
            let one = shape {
                $0.layers = 1
                $0.placement = placement
                $0.finalNorm = false
            }
            return operations(one).dropFirst().map { $0 == "layer norm" }
        }
        // norm, q|k|v, attention, output; norm, up, down
        #expect(norms(.before) == [true, false, false, false, true, false, false])
        #expect(norms(.after) == [false, false, false, true, false, false, true])
        // q|k|v, attention, output, norm, add; up, down, norm, add
        #expect(norms(.answer) == [false, false, false, true, false, false, false, true, false])
        #expect(norms(.around) == [true, false, false, false, true, false, true, false, false, true, false])
    }

    @Test("a memory is read where there is one, and the half that reads it left out where there is none")
    func memory() {
        let one = shape { $0.layers = 1 }
        let without = operations(one, .readsMemory)
        let with = operations(one, .readsMemory, memory: true)
        #expect(without.count { $0 == "attention" } == 1)
        #expect(with.count { $0 == "attention" } == 2)
        #expect(with.count - without.count == 5)  // norm, queries, keys and values, attention, output
        #expect(operations(one, .alone, memory: true) == operations(one, .alone))
    }

    @Test("choices per layer repeat")
    func patterns() {
        let pattern = PerLayer.pattern([AttentionMask.causal, .full, .full])
        #expect((0..<7).map { pattern[$0] } == [.causal, .full, .full, .causal, .full, .full, .causal])
        #expect(pattern.distinct == [.causal, .full])
        #expect(PerLayer.all(3)[100] == 3)
        #expect(PerLayer<Int>.pattern([])[0] == nil)
        let stack = ParameterLayout.declare {
            Stack($0, shape { $0.mask = .pattern([.causal, .full]) })
        }.model
        #expect(stack.blocks.map(\.attention.shape.causal) == [true, false])
    }
}

@Suite("Rotary positions")
struct RotaryShapeTests {
    @Test("pair i turns by θ^(−2i/width), slowed down as the scaling says")
    func frequencies() {
        let plain = RotaryShape(theta: 10_000).positions(width: 8, length: 64).frequencies
        #expect(plain.count == 4 && plain[0] == 1)
        #expect(abs(plain[2] - 0.01) < 1e-15)
        let linear = RotaryShape(theta: 10_000, scaling: .linear(factor: 4)).positions(width: 8, length: 64).frequencies
        #expect(linear == plain.map { $0 / 4 })
        let llama = RotaryShape(theta: 10_000, scaling: .llama3(factor: 8, low: 1, high: 4, original: 64))
            .positions(width: 8, length: 64).frequencies
        #expect(llama[0] == plain[0])  // 6.3 positions a turn: kept
        #expect(llama[1] > plain[1] / 8 && llama[1] < plain[1])  // 62.8 positions: between 16 and 64, blended
        #expect(llama[2] == plain[2] / 8 && llama[3] == plain[3] / 8)
    }
}
