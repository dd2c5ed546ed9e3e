import HeedLayers
import HeedProcessor
import HeedModels
import HeedSupport
import HeedTensor
import HeedWeights
import TestFixtures
import Testing

@testable import HeedTrain

/// The 2017 model as `torch.nn.Transformer` has it: one more norm behind each stack, an output offset, interleaved
/// sinusoids, separate tables.
struct OriginalTransformer {
    let model: Model
    let golden: SafetensorsFile
    let notes: JSON

    init() throws {
        let folder = Shared.fixture("seq2seq", "vanilla_a")
        golden = try SafetensorsFile(path: joinPath(folder, "golden.safetensors"))
        notes = try JSON.load(path: joinPath(folder, "golden.json"))
        var stack = StackShape(layers: 2, width: 16, heads: 4, inner: 32)
        stack.activation = .relu
        stack.placement = .after
        var configuration = EncoderDecoderConfiguration(
            vocabulary: 19, context: 64, encoder: stack, decoder: stack, start: 1, padding: 0)
        configuration.sourceVocabulary = 23
        configuration.embeddedPositions = .sinusoidal(SinusoidalPositions(layout: .interleaved))
        configuration.scalesEmbedding = true
        configuration.sharedTable = false
        configuration.tied = false
        configuration.logitsBias = .learned
        model = try Model(.encoderDecoder(configuration), family: .unpublished, seed: 1)
        let numbers = try model.weights.all()
        for tensor in try tensors() {
            let values = try golden.floats("param." + tensor.name)
            tensor.set(values, in: numbers)
        }
    }

    /// PyTorch's names.
    func tensors() throws -> [CheckpointTensor] {
        let layers = try model.encoderDecoder
        var list: [CheckpointTensor] = []
        func add(_ name: String, _ parameter: Parameter?, _ rows: Range<Int>? = nil) {
            if let parameter { list.append(CheckpointTensor(name, parameter, rows: rows.map { [$0] })) }
        }
        func add(_ name: String, _ linear: Linear) {
            add(name + ".weight", linear.weight)
            add(name + ".bias", linear.bias)
        }
        func add(_ name: String, _ norm: Norm?) {
            add(name + ".weight", norm?.gain)
            add(name + ".bias", norm?.offset)
        }
        add("src_emb.weight", layers.sourceEmbedding.table)
        add("tgt_emb.weight", layers.targetEmbedding.table)
        add("generator.weight", layers.output.weight)
        add("generator.bias", layers.output.bias)
        for (side, stack) in [("encoder", layers.encoder), ("decoder", layers.decoder)] {
            for (number, block) in stack.blocks.enumerated() {
                let name = "transformer.\(side).layers.\(number)."
                if case .itself(let projection) = block.attention.reading {
                    add(name + "self_attn.in_proj_weight", projection.weight)
                    add(name + "self_attn.in_proj_bias", projection.bias)
                }
                add(name + "self_attn.out_proj", block.attention.output)
                add(name + "norm1", block.attentionNorm.norm)
                if let cross = block.crossAttention { add(name + "multihead_attn.out_proj", cross.output) }
                if let norm = block.crossNorm?.norm { add(name + "norm2", norm) }
                if let layer = block.feedForward.dense {
                    add(name + "linear1", layer.up)
                    add(name + "linear2", layer.down)
                }
                add(name + (block.crossNorm == nil ? "norm2" : "norm3"), block.feedForwardNorm.norm)
            }
            add("transformer.\(side).norm", stack.finalNorm)
        }
        return list
    }

    /// The one tensor of PyTorch that is two of ours: queries of the stream, keys and values of the memory.
    func crossProjections() throws -> [(name: String, parts: [Parameter])] {
        try model.encoderDecoder.decoder.blocks.enumerated().flatMap { number, block in
            let name = "transformer.decoder.layers.\(number).multihead_attn.in_proj_"
            guard case .memory(let queries, let memory)? = block.crossAttention?.reading else {
                return [] as [(String, [Parameter])]
            }
            return [
                (name + "weight", [queries.weight, memory.weight]),
                (name + "bias", [queries.bias, memory.bias].compactMap { $0 }),
            ]
        }
    }

    func loadCrossProjections() throws {
        for (name, parts) in try crossProjections() {
            let values = try golden.floats("param." + name)
            var start = 0
            for part in parts {
                _ = try model.weights.rows(part).update(from: values[start..<start + part.count])
                start += part.count
            }
        }
    }

    /// A padded matrix of ids.
    func rows(_ name: String, from: Int = 0, rows: Int) throws -> [[Int32]] {
        let columns = golden.tensors.first { $0.name == name }?.shape.last ?? 1
        let ids = try golden.integers(name)
        return (from..<from + rows).map { row in (0..<columns).map { Int32(ids[row * columns + $0]) } }
    }

    /// Appends pairs whose padding (0) is left out; the state of input t predicts target t.
    func fill(
        _ batch: TokenBatch, _ source: TokenBatch, _ sources: [[Int32]], _ inputs: [[Int32]], _ targets: [[Int32]]
    ) throws {
        batch.clear()
        source.clear()
        for row in sources.indices {
            try source.append(sources[row].filter { $0 != 0 })
            let first = batch.rows.current
            let there = inputs[row].indices.filter { inputs[row][$0] != 0 }
            try batch.append(there.map { inputs[row][$0] })
            for (index, column) in there.enumerated() where targets[row][column] != 0 {
                batch.targets[first + index] = targets[row][column]
            }
        }
    }
}

extension OriginalTransformer: BatchSource {
    func fill(_ input: StepInput, step: Int, part: Int) throws {
        let sources = try rows("train.batches.src", from: (step - 1) * 4, rows: 4)
        let pairs = try rows("train.batches.tgt", from: (step - 1) * 4, rows: 4)
        try fill(
            input.tokens, input.source, sources, pairs.map { Array($0.dropLast()) }, pairs.map { Array($0.dropFirst()) }
        )
    }
}

@Suite("The 2017 transformer against torch.nn.Transformer")
struct OriginalTransformerTests {
    @Test("states, logits and gradients, with and without label smoothing", .enabled(if: Shared.isThere))
    func passes() throws {
        let original = try OriginalTransformer()
        try original.loadCrossProjections()
        let layers = try original.model.encoderDecoder
        let golden = original.golden
        let sources = try original.rows("src", rows: 3)
        let inputs = try original.rows("tgt_in", rows: 3)
        let outputs = try original.rows("tgt_out", rows: 3)
        let runtime = try Runtime(threads: 2)
        for smoothing in ["0.0", "0.1"] {
            let batch = TokenBatch(rowCapacity: 18, sequenceCapacity: 3)
            let source = TokenBatch(rowCapacity: 21, sequenceCapacity: 3)
            try original.fill(batch, source, sources, inputs, outputs)
            let counted = Targets.rows(batch).counted
            let pass = try runtime.pass(original.model.weights, for: .training, maximumLength: 8) { trace in
                trace.lossScale.value = 1 / Float(counted)
                let memory = layers.encode(source, in: trace, observing: true)
                let states = layers.decode(batch, reading: memory, of: source, in: trace, observing: true)
                layers.logits(states).observed(as: "logits")
                return layers.loss(states, targets: batch, smoothing: Float(smoothing) ?? 0)
            }
            let gradients = try #require(pass.gradients)
            pass.forward()
            pass.backward()
            pass.finishGradients()
            var loss = 0.0
            pass.outputs.add(to: &loss)
            let expected = original.notes["loss_ls\(smoothing).f64"]?.doubleValue ?? 0
            #expect(abs(loss / Double(counted) - expected) < 2e-6)

            for (name, reference, ids) in [
                ("encoder_hidden_states.1", "encoder_layer.0.f64", sources),
                ("encoder_hidden_states.2", "memory.f64", sources),
                ("decoder_hidden_states.1", "decoder_layer.0.f64", inputs),
                ("decoder_hidden_states.2", "decoder_out.f64", inputs), ("logits", "logits.f64", inputs),
            ] {
                let observation = try #require(pass.observation(name))
                let wanted = try golden.doubles(reference)
                let width = observation.columns
                var packed = 0
                var worst = 0.0
                for (row, ids) in ids.enumerated() {
                    for (column, id) in ids.enumerated() where id != 0 {
                        for i in 0..<width {
                            let value = Double(observation[packed, i])
                            worst = max(worst, abs(value - wanted[(row * ids.count + column) * width + i]))
                        }
                        packed += 1
                    }
                }
                #expect(worst < 1e-5, "\(name): \(worst)")
            }
            var compared = 0
            func compare(_ ours: [Float], _ name: String) throws {
                let wanted = try golden.doubles("grad_ls\(smoothing).f64.\(name)")
                #expect(ours.count == wanted.count)
                let off = zip(ours, wanted).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
                let size = wanted.reduce(0) { $0 + $1 * $1 }
                #expect(off.squareRoot() <= 2e-5 * size.squareRoot() + 1e-6, "\(name)")
                compared += 1
            }
            for tensor in try original.tensors() { try compare(tensor.stored(in: gradients), tensor.name) }
            for (name, parts) in try original.crossProjections() {
                try compare(parts.flatMap { Array(gradients[$0]) }, name)
            }
            #expect(compared == golden.tensors.count { $0.name.hasPrefix("grad_ls\(smoothing).f64.") })
        }
    }

    @Test("twenty Adam steps under the schedule of 2017", .enabled(if: Shared.isThere))
    func training() throws {
        let original = try OriginalTransformer()
        try original.loadCrossProjections()
        var options = StepOptions()
        options.beta2 = 0.98
        options.epsilon = 1e-9
        options.weightDecay = 0
        options.clip = nil
        options.labelSmoothing = 0.1
        let step = try TrainingStep(
            original.model, options,
            capacity: StepCapacity(tokens: 28, sourceTokens: 28, sequences: 4, length: 8),
            runtime: Runtime(threads: 2))
        let losses = original.notes["training"]?["losses.f64"]?.arrayValue?.compactMap(\.doubleValue) ?? []
        let rates = original.notes["training"]?["lrs"]?.arrayValue?.compactMap(\.doubleValue) ?? []
        #expect(losses.count == 20)
        // ½ · d^−½ · min(t^−½, t · 40^−1.5) is a peak of ½ · d^−½ · 40^−½ after a warm-up of 40.
        let schedule = LearningRateSchedule(
            .inverseSquareRoot, peak: 0.5 * 0.25 / (40.0).squareRoot(), warmup: 40, steps: 20)
        for number in 1...20 {
            #expect(abs(schedule.rate(number) - rates[number - 1]) < 1e-12)
            let result = try step.run(step: number, rate: schedule.rate(number), from: original)
            #expect(abs(result.loss - losses[number - 1]) < 2e-5, "step \(number): \(result.loss)")
        }
    }
}
