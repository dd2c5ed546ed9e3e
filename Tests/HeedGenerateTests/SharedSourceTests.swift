import HeedLayers
import HeedProcessor
import HeedRun
import HeedModels
import HeedSupport
import HeedTensor
import HeedWeights
import Testing

@testable import HeedGenerate

@Suite("Beams that share a source")
struct SharedSourceTests {
    private static func model() throws -> Model {
        try Model(
            .encoderDecoder(
                .original(width: 32, layers: 2, heads: 4, inner: 48, vocabulary: 40, context: 48, dropout: 0)),
            family: .marian, seed: 5)
    }

    private func translate(
        _ prompts: [GenerationPrompt], model: Model? = nil, cache: CacheKind = .float32, threads: Int = 1,
        beams: Int = 5
    ) throws -> [[GeneratedSequence]] {
        var settings = DecodingModelOptions()
        settings.cache = cache
        let source = try DecodingModel(
            model ?? SharedSourceTests.model(), runtime: try Runtime(threads: threads), options: settings)
        var options = GenerationOptions()
        options.numBeams = beams
        options.numReturnSequences = min(beams, 3)
        options.maxNewTokens = 30
        options.endTokens = [3]
        options.minNewTokens = 12
        return try Generator(model: source, options: options).generate(prompts).sequences
    }

    private let prompts = [
        GenerationPrompt(ids: [39], source: [5, 6, 7, 8, 9, 3]), GenerationPrompt(ids: [39, 11, 12], source: [30, 3]),
        GenerationPrompt(ids: [39], source: (0..<40).map { Int32($0 * 7 % 38) }),
    ]

    @Test("slots that beams leave and take hold what a computation from scratch gives, on any number of threads")
    func sameBits() throws {
        let plain = try translate(prompts)
        #expect(plain.count == 3)
        #expect(plain.allSatisfy { $0.count == 3 && $0.allSatisfy { $0.ids.count >= 12 } })
        #expect(try translate(prompts, cache: .none) == plain)
        #expect(try translate(prompts, threads: 3) == plain)
    }

    @Test("any positions: relative offsets and rotary pairs continue where the cache ends")
    func otherPositions() throws {
        for rotary in [false, true] {
            var configuration = EncoderDecoderConfiguration.original(
                width: 32, layers: 2, heads: 4, inner: 48, vocabulary: 40, context: 48, dropout: 0)
            configuration.embeddedPositions = .none
            configuration.both {
                $0.positions = .all(
                    rotary
                        ? .rotary(RotaryShape()) : .relative(RelativeBuckets(buckets: 8, maximumDistance: 16)))
            }
            let model = try Model(.encoderDecoder(configuration), family: .unpublished, seed: 6)
            let plain = try translate(prompts, model: model, cache: .none)
            #expect(try translate(prompts, model: model) == plain)
        }
    }

    @Test("rows of one source stand side by side, so that its keys and values are read once for them")
    func neighbours() throws {
        let batch = DecodingBatch(
            try DecodingModel(SharedSourceTests.model(), runtime: Runtime(threads: 1)))
        var options = GenerationOptions()
        options.maxNewTokens = 4
        // The first text twice: equal texts are sources of their own.
        let joined = try (prompts + prompts.prefix(1)).enumerated().map {
            try batch.join($0.element, options: options, number: $0.offset)
        }
        try batch.step()
        for row in joined + joined.reversed() { _ = try batch.fork(row) }
        #expect(batch.rows.map(\.number) == joined.indices.flatMap { [$0, $0, $0] })
    }

    @Test("a source is translated as if alone")
    func company() throws {
        let together = try translate(prompts)
        for (prompt, expected) in zip(prompts, together) { #expect(try translate([prompt])[0] == expected) }
    }
}

@Suite("Alignments from attention to the source")
struct SourceAlignerTests {
    @Test("the weights are the mean over heads of a pass, whatever the company")
    func weights() throws {
        let model = try Model(
            .encoderDecoder(
                .original(width: 32, layers: 3, heads: 4, inner: 48, vocabulary: 40, context: 48, dropout: 0)),
            family: .marian, seed: 5)
        let runtime = try Runtime(threads: 2)
        let pairs = [
            SourceAligner.Pair(source: [5, 6, 7, 3], target: [39, 8, 9]),
            SourceAligner.Pair(source: [11, 3], target: [39, 12, 13, 14, 15]),
        ]
        for layer in [nil, 0, 2] {
            let aligner = try SourceAligner(model, longest: 7, layer: layer, runtime: runtime)
            #expect(aligner.layer == layer ?? 1)
            let got = try aligner.align(pairs)
            for (pair, rows) in zip(pairs, got) {
                var options = PassOptions()
                options.everything = true
                var input = TensorFile()
                input.append("input_ids", shape: [1, pair.source.count], integers: pair.source.map { Int64($0) })
                input.append(
                    "decoder_input_ids", shape: [1, pair.target.count], integers: pair.target.map { Int64($0) })
                let pass = try ForwardPass(model, options: options, runtime: runtime).run(input)
                let entry = try #require(pass["cross_attentions.\(aligner.layer)"])
                #expect(entry.shape == [1, 4, pair.target.count, pair.source.count])
                guard case .floats(let all) = entry.values else { continue }
                let (height, width) = (pair.target.count, pair.source.count)
                for row in 0..<height {
                    for key in 0..<width {
                        let sum = (0..<4).reduce(Float(0)) { $0 + all[($1 * height + row) * width + key] }
                        #expect(rows[row][key] == sum / 4)
                    }
                }
            }
        }
        #expect(throws: HeedError.self) { try SourceAligner(model, longest: 7, layer: 3, runtime: runtime) }
        #expect(throws: HeedError.self) {
            try SourceAligner(model, longest: 3, runtime: runtime).align([pairs[0]])
        }
    }
}
