import HeedProcessor
import HeedSupport
import HeedTensor
import ReferenceBackend
import Testing

/// What a small model of a test reads and what it is held against.
struct TinyCase: Sendable, CustomStringConvertible {
    let description: String
    var sequences: [Int] = [5, 1, 7]
    let record: @Sendable (Trace, TokenBatch, ParameterScope) -> Void
}

/// Every operation alone, and traces that make the planner share, recompute, work in place and accumulate.
@Suite("Operations and planner against the double-precision back end")
struct ReferenceTests {
    static let width = 12
    static let vocabulary = 17

    private static func loss(_ x: Tensor, _ batch: TokenBatch, _ scope: ParameterScope, _ name: String = "loss") {
        _ = x.crossEntropy(
            scope.parameter(name, [vocabulary, x.columns], .normal(0.5)), targets: .rows(batch), smoothing: 0.1)
    }

    private static func start(_ trace: Trace, _ batch: TokenBatch, _ scope: ParameterScope) -> Tensor {
        trace.embed(
            batch, table: scope.parameter("table", [vocabulary, width], .normal(1)),
            positions: .learned(scope.parameter("positions", [12, width], .normal(0.3)), first: 1),
            types: scope.parameter("types", [2, width], .normal(0.3)), scale: 1.5, padding: 3)
    }

    private static func matrix(_ scope: ParameterScope, _ name: String, _ out: Int, _ width: Int) -> Parameter {
        scope.parameter(name, [out, width], .normal(0.4))
    }

    /// Logits that a formula gives.
    private static func teacher(rows: Int, temperature: Float) -> SoftTargets? {
        guard
            let teacher = try? SoftTargets(rows: rows, classes: vocabulary, share: 0.7, temperature: temperature)
        else { return nil }
        for index in 0..<rows * vocabulary { teacher.logits[index] = Float(index * 29 % 37) / 6 - 3 }
        return teacher
    }

    static let cases: [TinyCase] =
        [
            TinyCase(description: "embed, linear, cross-entropy") { trace, batch, scope in
                loss(
                    start(trace, batch, scope).linear(
                        matrix(scope, "w", width, width), scope.parameter("b", [width], .normal(0.2))), batch, scope)
            },
            TinyCase(description: "more rows than logits are kept of", sequences: Array(repeating: 10, count: 31)) {
                trace, batch, scope in
                loss(start(trace, batch, scope), batch, scope)
            },
            TinyCase(description: "residual sums that share a gradient") { trace, batch, scope in
                let x = start(trace, batch, scope)
                let y = x.linear(matrix(scope, "a", width, width), adding: x)
                loss(y.linear(matrix(scope, "b", width, width), adding: y) + x, batch, scope)
            },
            TinyCase(description: "a value read three times") { trace, batch, scope in
                let x = start(trace, batch, scope).activated(.tanh)
                loss(x.activated(.gelu) + x.activated(.silu) + x.scaled(by: -0.5), batch, scope)
            },
            TinyCase(description: "two losses") { trace, batch, scope in
                let x = start(trace, batch, scope)
                loss(x.activated(.geluTanh), batch, scope, "first")
                loss(x.linear(matrix(scope, "w", width, width), activation: .relu), batch, scope, "second")
            },
            TinyCase(description: "norms") { trace, batch, scope in
                let x = start(trace, batch, scope)
                let y = x.normalised(
                    .layer, gain: scope.parameter("gain", [width], .normal(1)),
                    offset: scope.parameter("offset", [width], .normal(1)), epsilon: 1e-5)
                let z = y.linear(matrix(scope, "w", width, width), adding: x)
                loss(
                    z.normalised(
                        .rootMeanSquare, gain: scope.parameter("g", [width], .normal(1)), offset: nil, epsilon: 1e-6),
                    batch, scope)
            },
            TinyCase(description: "rows picked twice") { trace, batch, scope in
                let x = start(trace, batch, scope).activated(.tanh)
                _ = x.firsts(of: batch).crossEntropy(
                    scope.parameter("firsts", [vocabulary, width], .normal(0.5)), targets: .sequences(batch))
                loss(x, batch, scope)
            },
            TinyCase(description: "dropout with and without residual") { trace, batch, scope in
                let x = start(trace, batch, scope).dropped(0.3)
                loss(x.linear(matrix(scope, "w", width, width)).dropped(0.4, adding: x), batch, scope)
            },
            TinyCase(description: "causal attention, rotary in place, shared heads, dropout on weights") {
                trace, batch, scope in
                let shape = AttentionShape(heads: 4, keyHeads: 2, width: 4, causal: true)
                let x = start(trace, batch, scope)
                let rotary = RotaryPositions(frequencies: [1, 0.1], factor: 1.1)
                let qkv = x.linear(matrix(scope, "qkv", 32, width)).rotated(batch, rotary, heads: 6, width: 4)
                let y = qkv.attending(shape, batch: batch, layer: 0, dropout: 0.25)
                loss(y.linear(matrix(scope, "o", width, 16), adding: x), batch, scope)
            },
            TinyCase(description: "a value that is turned in place and read elsewhere") { trace, batch, scope in
                let x = start(trace, batch, scope)
                let rotary = RotaryPositions(frequencies: [1, 0.3], interleaved: true)
                loss(x.rotated(batch, rotary, heads: 3, width: 4) + x, batch, scope)
            },
            TinyCase(description: "attention with a relative bias") { trace, batch, scope in
                let shape = AttentionShape(heads: 3, width: 4, scale: 1, causal: false)
                let bias = RelativeBias(
                    table: matrix(scope, "bias", 8, 3), maximumDistance: 6, bidirectional: true)
                let qkv = start(trace, batch, scope).linear(matrix(scope, "qkv", 36, width))
                loss(qkv.attending(shape, batch: batch, layer: 0, bias: bias), batch, scope)
            },
            TinyCase(description: "attention in a window, capped scores, some columns turned, heads normalised") {
                trace, batch, scope in
                var shape = AttentionShape(heads: 4, keyHeads: 2, width: 4, causal: true)
                shape.window = AttentionWindow(before: 2)
                shape.cap = 0.8
                let rotary = RotaryPositions(frequencies: [0.7])
                let qkv = start(trace, batch, scope).linear(matrix(scope, "qkv", 32, width)).headsNormalised(
                    [
                        NormedHeads(first: 0, count: 4, width: 4, gain: scope.parameter("q", [4], .normal(1))),
                        NormedHeads(first: 16, count: 1, width: 8, gain: scope.parameter("k", [8], .normal(1))),
                    ], epsilon: 1e-6)
                let turned = qkv.rotated(batch, rotary, heads: 6, width: 4)
                let y = turned.attending(shape, batch: batch, layer: 0)
                _ = y.crossEntropy(
                    scope.parameter("loss", [vocabulary, 16], .normal(0.5)), targets: .rows(batch), cap: 1.5,
                    smoothing: 0.1)
            },
            TinyCase(description: "attention to both sides of a window, slopes") { trace, batch, scope in
                var shape = AttentionShape(heads: 3, width: 4, causal: false)
                shape.window = AttentionWindow(before: 1, after: 2)
                shape.slopes = [0.5, 0.25, 0.125]
                let qkv = start(trace, batch, scope).linear(matrix(scope, "qkv", 36, width))
                loss(qkv.attending(shape, batch: batch, layer: 0).capped(at: 0.7), batch, scope)
            },
            TinyCase(description: "experts of rows, with and without weights that sum to 1") { trace, batch, scope in
                var x = start(trace, batch, scope)
                for normalises in [true, false] {
                    let routing = Routing(batch.rows, experts: 4, chosen: 2, normalises: normalises)
                    func matrices(_ name: String, _ out: Int, _ columns: Int) -> [Parameter] {
                        (0..<4).map { matrix(scope, "\(name)\($0)\(normalises)", out, columns) }
                    }
                    let weights = x.linear(matrix(scope, "router\(normalises)", 4, width)).routed(routing)
                    let hidden = x.dispatched(routing).linear(matrices("up", 20, width), routing).gated(.silu)
                    let answers = hidden.linear(matrices("down", width, 10), routing)
                    x = answers.mixed(weights, routing, adding: normalises ? x : nil)
                }
                loss(x.scaled(by: 0.5, adding: x), batch, scope)
            },
            TinyCase(
                description: "low-rank updates of some rows, beside a residual, before a function, in part dropped"
            ) {
                trace, batch, scope in
                let x = start(trace, batch, scope)
                let qkv = matrix(scope, "qkv", 36, width)
                let (up, down) = (matrix(scope, "up", 20, width), matrix(scope, "down", width, 20))
                func update(_ name: String, _ weight: Parameter, _ first: Int, _ out: Int, dropout: Float = 0) {
                    scope.update(
                        weight,
                        with: LowRankUpdate(
                            down: matrix(scope, name + "A", 3, weight.shape[1]), up: matrix(scope, name + "B", out, 3),
                            firstRow: first, scale: 1.5, dropout: dropout))
                }
                update("q", qkv, 0, 12)
                update("v", qkv, 24, 12)
                update("up", up, 0, 20, dropout: 0.2)
                update("down", down, 0, width)
                let shape = AttentionShape(heads: 3, width: 4, causal: true)
                let y = x.linear(qkv).attending(shape, batch: batch, layer: 0)
                loss(y.linear(up, activation: .gelu).linear(down, adding: y), batch, scope)
            },
            TinyCase(description: "a penalty on log Z, logits capped") { trace, batch, scope in
                trace.logitPenalty = 0.3
                let x = start(trace, batch, scope)
                _ = x.crossEntropy(
                    scope.parameter("loss", [vocabulary, width], .normal(0.5)), targets: .rows(batch), cap: 2,
                    smoothing: 0.1)
            },
            TinyCase(
                description: "a teacher beside the targets, logits capped", sequences: Array(repeating: 10, count: 31)
            ) {
                trace, batch, scope in
                trace.teacher = teacher(rows: 400, temperature: 2.5)
                trace.logitPenalty = 0.1
                let x = start(trace, batch, scope)
                _ = x.crossEntropy(
                    scope.parameter("loss", [vocabulary, width], .normal(0.5)), targets: .rows(batch), cap: 2,
                    smoothing: 0.1)
            },
            TinyCase(description: "a teacher of an output matrix with a low-rank update") { trace, batch, scope in
                trace.teacher = teacher(rows: 20, temperature: 1)
                let x = start(trace, batch, scope)
                let head = scope.parameter("head", [vocabulary, width], .normal(0.5))
                scope.update(
                    head,
                    with: LowRankUpdate(
                        down: matrix(scope, "A", 2, width), up: matrix(scope, "B", vocabulary, 2), firstRow: 0,
                        scale: 0.7))
                _ = x.crossEntropy(head, targets: .rows(batch))
            },
            TinyCase(description: "a low-rank update of the output matrix, logits capped") { trace, batch, scope in
                let x = start(trace, batch, scope)
                let head = scope.parameter("head", [vocabulary, width], .normal(0.5))
                scope.update(
                    head,
                    with: LowRankUpdate(
                        down: matrix(scope, "A", 2, width), up: matrix(scope, "B", vocabulary, 2), firstRow: 0,
                        scale: 0.7))
                _ = x.crossEntropy(head, targets: .rows(batch), cap: 2, smoothing: 0.1)
            },
            TinyCase(description: "one logit per row, held against 0 and 1") { trace, batch, scope in
                let y = start(trace, batch, scope).linear(matrix(scope, "w", width, width), activation: .gelu)
                _ = y.linear(matrix(scope, "one", 1, width)).binaryCrossEntropy(targets: .rows(batch))
            },
            TinyCase(description: "an edited value, one of whose readers is where the way back starts") {
                trace, batch, scope in
                let x = start(trace, batch, scope)
                let edit = ValueEdit(x.shape)
                for row in 0..<12 { edit.set(row: row, column: row % width, factor: 0.5, offset: Float(row)) }
                edit.remove(columns: 3..<5)
                let y = x.edited(by: edit).linear(matrix(scope, "w", width, width), activation: .tanh)
                let seed = y.seeded()
                seed.choose(row: 4, column: 2)
                loss(y + x, batch, scope)
            },
            TinyCase(description: "attention to a memory") { trace, batch, scope in
                let shape = AttentionShape(heads: 3, keyHeads: 1, width: 4, causal: false)
                let x = start(trace, batch, scope)
                let kv = x.activated(.tanh).linear(matrix(scope, "kv", 8, width))
                let q = x.linear(matrix(scope, "q", 12, width))
                loss(q.attending(to: kv, shape, batch: batch, memoryBatch: batch), batch, scope)
            },
        ]
        + Activation.allCases.map { activation in
            TinyCase(description: "\(activation.rawValue) alone, in a product, recomputed, as a gate") {
                trace, batch, scope in
                let x = start(trace, batch, scope)
                let hidden = x.linear(matrix(scope, "up", 20, width), activation: activation)
                let y = hidden.linear(matrix(scope, "down", width, 20), adding: x)
                let z = y.linear(matrix(scope, "gate", 2 * width, width)).gated(activation)
                loss(z.activated(activation), batch, scope)
            }
        }

    private func batch(_ lengths: [Int]) throws -> TokenBatch {
        let batch = TokenBatch(rowCapacity: lengths.reduce(0, +) + 3, sequenceCapacity: lengths.count + 1)
        for (index, length) in lengths.enumerated() {
            try batch.append((0..<length).map { Int32(($0 * 5 + index * 3 + $0 * $0) % ReferenceTests.vocabulary) })
        }
        for row in 0..<batch.rows.current {
            batch.targets[row] = row % 4 == 1 ? TokenBatch.ignored : Int32(row * 7 % ReferenceTests.vocabulary)
            batch.types[row] = Int32(row % 2)
        }
        for sequence in 0..<batch.sequences.current { batch.sequenceTargets[sequence] = Int32(sequence * 3) }
        return batch
    }

    /// Losses do not show here; what they teach does.
    private func gradients(_ tiny: TinyCase, on backend: any Backend, isFrozen: (String) -> Bool = { _ in false })
        throws
        -> ParameterBuffer
    {
        let batch = try batch(tiny.sequences)
        // Declared once for the layout; recording declares the same again.
        let layout = ParameterLayout.declare(isFrozen: isFrozen) { scope in
            tiny.record(Trace(for: .training, maximumLength: 12), batch, scope)
        }.layout
        let weights = try Weights(layout)
        try weights.all().initialise(seed: 3)
        let pass = try backend.pass(weights, for: .training, maximumLength: 12) { trace in
            trace.randomState.set(seed: 9, step: 4, rowBase: 6)
            trace.lossScale.value = 0.2
            _ = ParameterLayout.declare { tiny.record(trace, batch, $0) }
        }
        for _ in 0..<2 {
            pass.forward()
            pass.backward()
        }
        pass.finishGradients()
        return try #require(pass.gradients)
    }

    @Test("gradients of two passes", arguments: cases)
    func gradients(_ tiny: TinyCase) throws {
        let wanted = try gradients(tiny, on: ReferenceBackend())
        let largest = (0..<wanted.count).reduce(0) { max($0, abs(wanted.base[$1])) }
        #expect(largest > 1e-3 && largest.isFinite)
        for set in InstructionSet.allCases where set.isAvailable {
            let found = try gradients(tiny, on: Runtime(threads: 2, instructionSet: set))
            for parameter in wanted.layout.parameters {
                let off = zip(wanted[parameter], found[parameter]).map { abs($0 - $1) }.max() ?? 0
                #expect(off <= 2e-5 * max(largest, 1), "\(parameter.name), \(set): \(off) of \(largest)")
            }
        }
    }

    @Test("a frozen parameter has no gradient; the others' gradients keep their bits", arguments: cases)
    func frozen(_ tiny: TinyCase) throws {
        let runtime = try Runtime(threads: 1)
        let all = try gradients(tiny, on: runtime)
        for parameter in all.layout.parameters where all.layout.parameters.count > 1 {
            let some = try gradients(tiny, on: runtime) { $0 == parameter.name }
            #expect(some[parameter].isEmpty && some.count < all.count)
            for other in all.layout.parameters where other != parameter {
                #expect(Array(all[other]) == Array(some[other]), "\(other.name) without \(parameter.name)")
            }
        }
    }

    @Test("buffers that are used at the same time never share addresses", arguments: cases)
    func lifetimes(_ tiny: TinyCase) throws {
        let batch = try batch(tiny.sequences)
        let layout = ParameterLayout.declare {
            tiny.record(Trace(for: .training, maximumLength: 12), batch, $0)
        }.layout
        let trace = Trace(for: .training, maximumLength: 12, updates: layout.updates)
        _ = ParameterLayout.declare { tiny.record(trace, batch, $0) }
        let schedule = try Schedule(trace, layout)
        // First and last use by what the events themselves say.
        var uses: [Int: ClosedRange<Int>] = [:]
        for (time, event) in (schedule.forward + schedule.backward).enumerated() {
            let frame = event.frame
            var used = frame.inputs + [frame.output] + frame.auxiliaries.compactMap { $0 }
            used += frame.inputGradients.compactMap { $0?.buffer } + [frame.outputGradient].compactMap { $0 }
            if case .backward = event.action {
                // The gradient may leave alone what it does not read.
                let read = event.operation.gradientInputs.map { frame.inputs[$0] }
                used.removeAll { buffer in frame.inputs.contains(buffer) && !read.contains(buffer) }
                if !event.operation.gradientReadsOutput { used.removeAll { $0 == frame.output } }
                used += frame.inputGradients.compactMap { $0?.buffer } + [frame.outputGradient].compactMap { $0 }
            }
            if case .copy(let from, let to) = event.action { used = [from, to.buffer] }
            if case .recompute = event.action { used = [frame.output] + frame.auxiliaries.compactMap { $0 } }
            for buffer in used { uses[buffer.index] = (uses[buffer.index]?.lowerBound ?? time)...time }
        }
        #expect(uses.count > 2)
        var overlaps = 0
        for (a, lifeOfA) in uses {
            for (b, lifeOfB) in uses where a < b && lifeOfA.overlaps(lifeOfB) {
                let (first, second) = (schedule.arena.offsets[a], schedule.arena.offsets[b])
                let apart =
                    first + schedule.requests[a].bytes <= second || second + schedule.requests[b].bytes <= first
                #expect(apart, "buffers \(a) and \(b)")
                overlaps += 1
            }
        }
        #expect(overlaps > 0)
    }
}
