import CHeedKernels
import HeedSupport
import TestFixtures
import Testing

/// The kernels against numbers from PyTorch in double precision, by the rules of the fixtures.
@Suite(.enabled(if: Shared.operations != nil, "needs the shared fixtures"))
struct GoldenOperationTests {
    @Test(
        "normalisation",
        arguments: [
            "layernorm_0", "layernorm_1", "layernorm_eps12_0", "layernorm_eps12_1", "layernorm_noaffine_0",
            "layernorm_noaffine_1", "rmsnorm_0", "rmsnorm_1",
        ])
    func normalisation(_ name: String) throws {
        let golden = try Golden(name)
        let x = golden["in.x"]
        let columns = try #require(x.shape.last)
        let rows = x.values.count / columns
        let layer = name.hasPrefix("layer")
        let epsilon = try #require(golden.figures["eps"]?.doubleValue)
        for isa in instructionSets {
            let kernels = Machine(isa: isa).kernels
            let result = withMemory { memory -> [[Float]] in
                var call = heed_norm()
                call.window = memory.window(rows)
                call.x = UnsafePointer(memory.floats(x.floats))
                if let gain = golden.tensors["in.w"] { call.gain = UnsafePointer(memory.floats(gain.floats)) }
                if let offset = golden.tensors["in.b"] { call.offset = UnsafePointer(memory.floats(offset.floats)) }
                call.y = memory.nan(rows * columns)
                call.mean = memory.nan(rows)
                call.scale = memory.nan(rows)
                call.columns = Int32(columns)
                call.kind = Int32((layer ? HEED_LAYER_NORM : HEED_RMS_NORM).rawValue)
                call.epsilon = Float(epsilon)
                run(kernels.norm, call, parts: 2)
                var input = heed_norm_input_gradient()
                input.window = call.window
                input.dy = UnsafePointer(memory.floats(golden["dout.y"].floats))
                input.x = call.x
                input.gain = call.gain
                input.mean = UnsafePointer(call.mean)
                input.scale = UnsafePointer(call.scale)
                input.dx = memory.nan(rows * columns)
                input.columns = call.columns
                input.kind = call.kind
                run(kernels.norm_input_gradient, input, parts: 2)
                var weights = heed_norm_weight_gradient()
                weights.window = call.window
                weights.dy = input.dy
                weights.x = input.x
                weights.mean = input.mean
                weights.scale = input.scale
                weights.dgain = memory.zeros(columns)
                weights.doffset = memory.zeros(columns)
                weights.columns = call.columns
                weights.kind = call.kind
                run(kernels.norm_weight_gradient, weights, parts: 2)
                return [
                    call.y.array(rows * columns), input.dx.array(rows * columns), weights.dgain.array(columns),
                    weights.doffset.array(columns),
                ]
            }
            let outputs = try #require(result)
            #expect(agrees(outputs[0], golden["out.f64.y"].values))
            #expect(gradientAgrees(outputs[1], golden["grad.f64.x"].values))
            if let dgain = golden.tensors["grad.f64.w"] { #expect(gradientAgrees(outputs[2], dgain.values)) }
            if let doffset = golden.tensors["grad.f64.b"] { #expect(gradientAgrees(outputs[3], doffset.values)) }
        }
    }

    @Test(
        "activations",
        arguments: [
            ("gelu_erf", HEED_GELU_ERF, true), ("gelu_tanh", HEED_GELU_TANH, true), ("silu", HEED_SILU, true),
            ("relu", HEED_RELU, false), ("sigmoid", HEED_SIGMOID, true), ("tanh", HEED_TANH, true),
            ("softplus", HEED_SOFTPLUS, true), ("relu_squared", HEED_RELU_SQUARED, false),
            ("quick_gelu", HEED_QUICK_GELU, false),
        ])
    func activation(_ name: String, _ activation: heed_activation, _ edge: Bool) throws {
        for suffix in ["_0", "_1"] + (edge ? ["_edge"] : []) {
            let golden = try Golden(name + suffix)
            let count = golden["in.x"].values.count
            for isa in instructionSets {
                let result = withMemory { memory -> [[Float]] in
                    var call = heed_activate()
                    call.window = memory.window(1)
                    call.x = UnsafePointer(memory.floats(golden["in.x"].floats))
                    call.y = memory.nan(count)
                    call.columns = Int32(count)
                    call.activation = Int32(activation.rawValue)
                    run(Machine(isa: isa).kernels.activate, call, parts: 1)
                    var gradient = heed_activate_gradient()
                    gradient.window = call.window
                    gradient.x = call.x
                    gradient.dy = UnsafePointer(memory.floats(golden["dout.y"].floats))
                    gradient.dx = memory.nan(count)
                    gradient.columns = call.columns
                    gradient.activation = call.activation
                    run(Machine(isa: isa).kernels.activate_gradient, gradient, parts: 1)
                    return [call.y.array(count), gradient.dx.array(count)]
                }
                let outputs = try #require(result)
                #expect(agrees(outputs[0], golden["out.f64.y"].values), "\(name + suffix)")
                #expect(gradientAgrees(outputs[1], golden["grad.f64.x"].values), "\(name + suffix)")
            }
        }
    }

    @Test("rotary positions in both layouts", arguments: ["rope_halves", "rope_interleaved"])
    func rotary(_ name: String) throws {
        let golden = try Golden(name)
        let shape = golden["in.x"].shape  // batch, heads, time, width
        let (groups, time, width) = (shape[0] * shape[1], shape[2], shape[3])
        let positions = golden["in.pos"].integers
        let rows = groups * time
        let base = try #require(golden.figures["base"]?.doubleValue)
        let half = width / 2
        let last = try #require(positions.max())
        let angles = (0..<((last + 1) * half)).map {
            Double($0 / half) / power(base, Double($0 % half) / Double(half))
        }
        for isa in instructionSets {
            let result = withMemory { memory -> [[Float]] in
                var call = heed_rotary()
                call.window = memory.window(rows)
                call.positions = UnsafePointer(memory.integers((0..<rows).map { positions[$0 % time] }))
                call.stride = Int64(width)
                call.cosine = UnsafePointer(memory.floats(angles.map { Float(cosine($0)) }))
                call.sine = UnsafePointer(memory.floats(angles.map { Float(sine($0)) }))
                call.heads = 1
                call.head_width = Int32(width)
                call.width = Int32(width)
                call.interleaved = name == "rope_interleaved" ? 1 : 0
                call.direction = 1
                call.x = memory.floats(golden["in.x"].floats)
                run(Machine(isa: isa).kernels.rotary, call, parts: 2)
                let y = call.x.array(rows * width)
                call.direction = -1
                call.x = memory.floats(golden["dout.y"].floats)
                run(Machine(isa: isa).kernels.rotary, call, parts: 2)
                return [y, call.x.array(rows * width)]
            }
            let outputs = try #require(result)
            #expect(agrees(outputs[0], golden["out.f64.y"].values))
            #expect(gradientAgrees(outputs[1], golden["grad.f64.x"].values))
        }
    }

    @Test(
        "cross entropy",
        arguments: ["0.0", "0.1"].flatMap { smoothing in
            ["mean", "sum", "none"].flatMap { reduction in
                ["", "_ignore"].map { "cross_entropy_ls\(smoothing)_\(reduction)\($0)" }
            }
        } + ["cross_entropy_pad_id0", "cross_entropy_big_logits"])
    func crossEntropy(_ name: String) throws {
        let golden = try Golden(name)
        let x = golden["in.x"]
        let (rows, columns) = (x.shape[0], x.shape[1])
        let targets = golden["in.t"].integers
        let ignore = golden.figures["ignore_index"]?.intValue ?? -100
        let reduction = golden.figures["reduction"]?.stringValue ?? "mean"
        let counted = targets.filter { $0 != ignore }.count
        let factor = reduction == "mean" ? 1 / Double(counted) : 1
        for isa in instructionSets {
            let result = withMemory { memory -> [[Float]] in
                var call = heed_cross_entropy()
                call.window = memory.window(rows)
                call.logits = memory.floats(x.floats)
                call.stride = Int64(columns)
                call.targets = UnsafePointer(memory.integers(targets))
                call.columns = Int32(columns)
                call.ignore = Int32(ignore)
                call.smoothing = Float(golden.figures["label_smoothing"]?.doubleValue ?? 0)
                call.scale = UnsafePointer(memory.floats([Float(factor)]))
                call.gradient = 1
                call.loss = memory.nan(rows)
                run(Machine(isa: isa).kernels.cross_entropy, call, parts: 2)
                return [call.loss.array(rows), call.logits.array(rows * columns)]
            }
            let outputs = try #require(result)
            let seeds = golden["dout.y"].floats
            let expected = golden["out.f64.y"].values
            if reduction == "none" {
                #expect(agrees(outputs[0], expected))
            } else {
                let sum = outputs[0].reduce(0.0) { $0 + Double($1) } * factor
                #expect(abs(sum - expected[0]) <= 2e-5 * max(1, abs(expected[0])))
            }
            let gradient = outputs[1].enumerated().map { $1 * seeds[reduction == "none" ? $0 / columns : 0] }
            #expect(gradientAgrees(gradient, golden["grad.f64.x"].values))
        }
    }

    @Test("embeddings", arguments: ["embedding_repeated", "embedding_padding_idx"])
    func embedding(_ name: String) throws {
        let golden = try Golden(name)
        let ids = golden["in.ids"].integers
        let (vocabulary, columns) = (golden["in.w"].shape[0], golden["in.w"].shape[1])
        // The padding row takes no gradient: its rows are not scattered.
        let padding = golden.figures["padding_idx"]?.intValue
        let kept = ids.indices.filter { ids[$0] != padding }
        let seeds = golden["dout.y"].floats
        for isa in instructionSets {
            let result = withMemory { memory -> [[Float]] in
                var call = heed_embedding()
                call.window = memory.window(ids.count)
                call.ids = UnsafePointer(memory.integers(ids))
                call.table = UnsafePointer(memory.floats(golden["in.w"].floats))
                call.y = memory.nan(ids.count * columns)
                call.columns = Int32(columns)
                call.scale = 1
                run(Machine(isa: isa).kernels.embedding, call, parts: 2)
                var gradient = heed_scatter_add()
                gradient.window = memory.window(kept.count)
                gradient.index = UnsafePointer(memory.integers(kept.map { ids[$0] }))
                gradient.dy = UnsafePointer(
                    memory.floats(kept.flatMap { seeds[($0 * columns)..<(($0 + 1) * columns)] }))
                gradient.gradient = memory.zeros(vocabulary * columns)
                gradient.columns = Int32(columns)
                run(Machine(isa: isa).kernels.scatter_add, gradient, parts: 2)
                return [call.y.array(ids.count * columns), gradient.gradient.array(vocabulary * columns)]
            }
            let outputs = try #require(result)
            #expect(agrees(outputs[0], golden["out.f64.y"].values))
            #expect(gradientAgrees(outputs[1], golden["grad.f64.w"].values))
        }
    }
}
