import HeedProcessor
import HeedSupport
import Testing

@testable import HeedModels
@testable import HeedTensor

/// Logits of the same tokens by every way that generation and scoring can take must be the same bits.
@Suite("The numeric contract")
struct NumericContractTests {
    static let shapes: [(String, DecoderConfiguration)] = [
        ("gpt2", odd(.gpt2(width: 40, layers: 2, heads: 5, vocabulary: 83, context: 160))),
        (
            "llama",
            .llama(width: 48, layers: 2, heads: 6, keyHeads: 2, inner: 70, vocabulary: 101, context: 160)
        ),
    ]

    private static func odd(_ configuration: DecoderConfiguration) -> DecoderConfiguration {
        var configuration = configuration
        configuration.inner = 77
        return configuration
    }

    private static func tokens(_ count: Int, _ salt: Int, _ vocabulary: Int) -> [Int32] {
        (0..<count).map { Int32(($0 * 7 + salt * 13 + $0 * $0 % 11) % vocabulary) }
    }

    /// A way to compute the logits of every position of `rows[0]`.
    private struct Way: CustomStringConvertible {
        var threads = 1
        var set = InstructionSet.best
        var companions = 0
        var chunk: Int?
        var training = false
        var cache = CacheForm.float32
        var description: String {
            "threads \(threads), \(set), batch \(companions + 1), "
                + (training ? "training plan" : chunk.map { "cache, chunks of \($0)" } ?? "no cache")
        }
    }

    /// FNV-1a over the bits.
    private static func hash(_ values: [Float]) -> UInt64 {
        values.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1.bitPattern)) &* 0x100_0000_01b3 }
    }

    private func logits(_ model: Model, _ way: Way, length: Int) throws -> [Float] {
        let runtime = try Runtime(threads: way.threads, instructionSet: way.set)
        let decoder = try model.decoder
        let configuration = decoder.configuration
        let vocabulary = configuration.vocabulary
        let main = NumericContractTests.tokens(length, 1, vocabulary)
        let others = (0..<way.companions).map {
            NumericContractTests.tokens((length * ($0 + 3) / 5) % length + 1, $0 + 2, vocabulary)
        }
        // The row of interest stands in the middle of its companions.
        var sequences = others
        let place = others.count / 2
        sequences.insert(main, at: place)
        let batch = TokenBatch(
            rowCapacity: sequences.reduce(0) { $0 + $1.count }, sequenceCapacity: sequences.count)
        let cache = try way.chunk.map { _ in
            try KeyValueCache(
                layers: configuration.layers, slots: sequences.count, tokens: length, heads: configuration.keyHeads,
                width: configuration.headWidth, form: way.cache)
        }
        let pass = try runtime.pass(
            model.weights, for: way.training ? .training : .inference, maximumLength: length, store: cache
        ) { trace in decoder.logits(decoder(batch, in: trace)).kept() }
        var result: [Float] = []
        let step = way.chunk ?? length
        for start in stride(from: 0, to: length, by: step) {
            batch.clear()
            var first = 0
            for (slot, sequence) in sequences.enumerated() {
                let part = sequence[min(start, sequence.count)..<min(start + step, sequence.count)]
                if slot == place { first = batch.rows.current }
                guard !part.isEmpty else { continue }
                try batch.append(Array(part), slot: slot, past: start)
            }
            pass.forward()
            pass[pass.outputs].withRows(first..<first + min(step, length - start)) { result += $0 }
        }
        return result
    }

    @Test("one hash over threads, batches, chunks, cache and instruction sets", arguments: 0..<2)
    func oneHash(shape: Int) throws {
        let (name, configuration) = NumericContractTests.shapes[shape]
        let model = try Model(configuration, family: name == "gpt2" ? .gpt2 : .llama, seed: 5)
        let length = 150  // more than two tiles of keys
        let reference = try logits(model, Way(), length: length)
        #expect(!reference.contains { !$0.isFinite })
        #expect(Set(reference).count > 1000)
        let expected = NumericContractTests.hash(reference)
        var ways: [Way] = []
        let sets = InstructionSet.allCases.filter { $0 != .portable && $0.isAvailable }
        for set in sets {
            for threads in [1, 2, 3] {
                for companions in [0, 2, 7] {
                    for chunk in [nil, 1, 7, length] {
                        ways.append(Way(threads: threads, set: set, companions: companions, chunk: chunk))
                    }
                }
                ways.append(Way(threads: threads, set: set, companions: 2, training: true))
            }
        }
        for way in ways {
            let values = try logits(model, way, length: length)
            #expect(NumericContractTests.hash(values) == expected, "\(name): \(way)")
        }
    }

    @Test(
        "one hash in every form of weights, near that of fp32",
        arguments: [WeightForm.float16, .bfloat16, .int8, .int4],
        0..<2)
    func oneHash(form: WeightForm, shape: Int) throws {
        let (name, configuration) = NumericContractTests.shapes[shape]
        let family = name == "gpt2" ? Family.gpt2 : .llama
        let model = try Model(.decoder(configuration), family: family, weights: form, seed: 5)
        let whole = try Model(.decoder(configuration), family: family, weights: .float32, seed: 5)
        let length = 70
        for set in InstructionSet.allCases where set.isAvailable {
            let reference = try logits(model, Way(set: set), length: length)
            for way in [
                Way(threads: 2, set: set), Way(set: set, companions: 2), Way(set: set, chunk: 1),
                Way(threads: 3, set: set, companions: 7, chunk: 7), Way(set: set, companions: 3, chunk: length),
            ] {
                #expect(try logits(model, way, length: length) == reference, "\(name): \(form), \(way)")
            }
            if set != .portable, form != .bfloat16 {
                #expect(reference == (try logits(model, Way(), length: length)), "\(name): \(form), \(set)")
            }
            let exact = try logits(whole, Way(set: set), length: length)
            let error = zip(reference, exact).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            let size = exact.reduce(0) { $0 + $1 * $1 }
            #expect(error > 0 && error < size * (form.isInteger ? 1e-3 : 1e-4), "\(error / size)")
        }
    }

    @Test(
        "one hash in every form of the cache, near that of fp32", arguments: [CacheForm.bfloat16, .float16, .int8],
        0..<2)
    func oneHash(cache: CacheForm, shape: Int) throws {
        let (name, configuration) = NumericContractTests.shapes[shape]
        let model = try Model(configuration, family: name == "gpt2" ? .gpt2 : .llama, seed: 5)
        let length = 150
        for set in InstructionSet.allCases where set.isAvailable {
            let reference = try logits(model, Way(set: set, chunk: length, cache: cache), length: length)
            for way in [
                Way(threads: 2, set: set, chunk: length, cache: cache), Way(set: set, chunk: 1, cache: cache),
                Way(threads: 3, set: set, companions: 7, chunk: 7, cache: cache),
            ] {
                #expect(try logits(model, way, length: length) == reference, "\(name): \(cache), \(way)")
            }
            if set != .portable {
                let best = try logits(model, Way(chunk: length, cache: cache), length: length)
                #expect(reference == best, "\(name): \(cache), \(set)")
            }
            let exact = try logits(model, Way(set: set), length: length)
            let error = zip(reference, exact).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            let size = exact.reduce(0) { $0 + $1 * $1 }
            #expect(error > 0 && error < size * 1e-3, "\(error / size)")
        }
    }

    @Test("a cache takes the bytes of the formula")
    func cacheBytes() throws {
        for (form, bytes) in [(CacheForm.float32, 4), (.bfloat16, 2), (.float16, 2), (.int8, 1)] {
            let cache = try KeyValueCache(layers: 3, slots: 2, tokens: 128, heads: 5, width: 24, form: form)
            #expect(cache.byteCount == 2 * 3 * 2 * 128 * 5 * (24 * bytes + (form == .int8 ? 4 : 0)))
            #expect(cache.byteCount == 2 * 128 * 3 * form.bytesPerToken(heads: 5, width: 24))
        }
    }

    /// Gradients of a step whose buffers share what they may, or, `watched`, whose every value stays readable, which
    /// forbids sharing, working in place and recomputing.
    private func gradients(_ model: Model, watched: Bool) throws -> [Float] {
        let runtime = try Runtime(threads: 2)
        let decoder = try model.decoder
        let batch = TokenBatch(rowCapacity: 64, sequenceCapacity: 3)
        for (salt, length) in [30, 1, 33].enumerated() {
            try batch.append(NumericContractTests.tokens(length, salt, decoder.configuration.vocabulary))
        }
        for row in 0..<64 { batch.targets[row] = Int32(row * 5 % decoder.configuration.vocabulary) }
        let pass = try runtime.pass(model.weights, for: .training, maximumLength: 40) { trace in
            trace.lossScale.value = 1 / 64
            _ = decoder.loss(decoder(batch, in: trace), targets: batch)
            guard watched else { return }
            for value in trace.values.indices {
                Tensor(trace: trace, id: value, shape: trace.values[value]).observed(as: "value \(value)")
            }
        }
        pass.forward()
        pass.backward()
        pass.finishGradients()
        let sums = try #require(pass.gradients)
        return Array(UnsafeBufferPointer(start: sums.base, count: sums.count))
    }

    @Test("how buffers are shared changes no bit of a gradient", arguments: 0..<2)
    func sharing(shape: Int) throws {
        let (name, configuration) = NumericContractTests.shapes[shape]
        let model = try Model(configuration, family: name == "gpt2" ? .gpt2 : .llama, seed: 5)
        let alone = try gradients(model, watched: true)
        #expect(Set(alone).count > 1_000 && !alone.contains { !$0.isFinite })
        #expect(NumericContractTests.hash(try gradients(model, watched: false)) == NumericContractTests.hash(alone))
    }

    @Test("the portable path keeps its own bits", arguments: 0..<2)
    func portable(shape: Int) throws {
        let (name, configuration) = NumericContractTests.shapes[shape]
        let model = try Model(configuration, family: name == "gpt2" ? .gpt2 : .llama, seed: 5)
        let expected = try logits(model, Way(set: .portable), length: 70)
        for way in [
            Way(threads: 2, set: .portable), Way(set: .portable, companions: 2), Way(set: .portable, chunk: 1),
            Way(threads: 2, set: .portable, companions: 7, chunk: 7), Way(set: .portable, training: true),
        ] {
            let values = try logits(model, way, length: 70)
            #expect(values == expected, "\(name): \(way)")
        }
        let best = try logits(model, Way(), length: 70)
        #expect(zip(best, expected).allSatisfy { abs($0 - $1) <= 1e-4 })
    }

    @Test("later tokens change no earlier logit")
    func causality() throws {
        let (_, configuration) = NumericContractTests.shapes[0]
        let model = try Model(configuration, family: .gpt2, seed: 6)
        let long = try logits(model, Way(), length: 90)
        let short = try logits(model, Way(), length: 60)
        #expect(Array(long.prefix(short.count)) == short)
    }
}
