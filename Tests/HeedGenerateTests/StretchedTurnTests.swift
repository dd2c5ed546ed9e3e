import HeedLayers
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import Testing

@testable import HeedGenerate

/// Positions that turn by the length of their own sequence, and by nothing else.
@Suite("Turns that depend on the length")
struct StretchedTurnTests {
    static let scalings: [RotaryScaling] = [
        .dynamic(factor: 3, original: 24),
        .long(
            LongScaling(
                short: (0..<8).map { 1 + 0.1 * Double($0) }, long: (0..<8).map { 1.5 + 0.7 * Double($0) }, original: 24,
                attentionFactor: 1.1)),
    ]
    private static let vocabulary = 71

    private static func model(_ scaling: RotaryScaling) throws -> Model {
        var shape = DecoderConfiguration.llama(
            width: 64, layers: 2, heads: 4, keyHeads: 2, inner: 96, vocabulary: vocabulary, context: 128)
        shape.stack.positions = .all(.rotary(RotaryShape(scaling: scaling)))
        return try Model(.decoder(shape), family: .unpublished, seed: 11)
    }

    private static func ids(_ count: Int, _ salt: Int) -> [Int32] {
        (0..<count).map { Int32(($0 * 31 + salt * 7 + $0 * $0 % 13) % vocabulary) }
    }

    /// The logits of every token of `sequences` in one pass.
    private static func logits(_ model: Model, _ sequences: [[Int32]], longest: Int) throws -> [[Float]] {
        let batch = TokenBatch(rowCapacity: 400, sequenceCapacity: 8)
        for sequence in sequences { try batch.append(sequence) }
        let decoder = try model.decoder
        let pass = try Runtime(threads: 2).pass(model.weights, for: .inference, maximumLength: longest) { trace in
            decoder.logits(decoder(batch, in: trace)).kept()
        }
        pass.forward()
        var first = 0
        return sequences.map { sequence in
            defer { first += sequence.count }
            return pass[pass.outputs].withRows(first..<first + sequence.count) { Array($0) }
        }
    }

    @Test("the company and the capacity of a pass change nothing", arguments: scalings)
    func company(scaling: RotaryScaling) throws {
        let model = try Self.model(scaling)
        let sequences = [Self.ids(10, 1), Self.ids(60, 2), Self.ids(24, 3), Self.ids(25, 4)]
        let together = try Self.logits(model, sequences, longest: 100)
        for (sequence, found) in zip(sequences, together) {
            #expect(try Self.logits(model, [sequence], longest: sequence.count) == [found])
        }
    }

    @Test("up to the trained length as without stretching, beyond in another way", arguments: scalings)
    func length(scaling: RotaryScaling) throws {
        let rotary = RotaryShape(scaling: scaling)
        #expect(rotary.positions(width: 16, length: 24) == rotary.positions(width: 16, length: 1))
        #expect(rotary.positions(width: 16, length: 25) != rotary.positions(width: 16, length: 24))
        if case .dynamic = scaling {
            #expect(rotary.positions(width: 16, length: 24) == RotaryShape().positions(width: 16))
            #expect(rotary.positions(width: 16, length: 26) != rotary.positions(width: 16, length: 25))
        }
    }

    @Test("each step has the logits of a pass over the sequence so far", arguments: scalings)
    func steps(scaling: RotaryScaling) throws {
        let model = try Self.model(scaling)
        for (cache, chunk) in [(CacheKind.float32, 512), (.float32, 7), (.none, 512)] {
            var options = DecodingModelOptions()
            options.cache = cache
            options.promptChunk = chunk
            let running = try DecodingModel(model, runtime: try Runtime(threads: 2), options: options)
            let rows = [Self.ids(40, 1), Self.ids(50, 2)]
            let slots = try rows.map { try running.open(source: nil, capacity: $0.count) }
            // One row crosses the trained length while the other is beyond it, and later a copy of the first goes on.
            var read = [20, 30]
            for (row, slot) in slots.enumerated() {
                _ = try rows[row][..<5].withUnsafeBufferPointer { try running.add($0, to: slot, outputs: 0) }
                _ = try rows[row][5..<read[row]].withUnsafeBufferPointer { try running.add($0, to: slot, outputs: 1) }
            }
            try running.run()
            while read[0] < 40 {
                let outputs = try slots.indices.map { row in
                    read[row] += 1
                    return try rows[row][(read[row] - 1)..<read[row]].withUnsafeBufferPointer {
                        try running.add($0, to: slots[row], outputs: 1)
                    }
                }
                try running.run()
                for row in slots.indices {
                    let whole = try Self.logits(model, [Array(rows[row][..<read[row]])], longest: 100)[0]
                    #expect(Array(running.logits(outputs[row])) == whole.suffix(Self.vocabulary), "\(cache) \(chunk)")
                }
                if read[0] == 23 {
                    let copy = try running.fork(slots[0])
                    let ids = Self.ids(3, 9)
                    let output = try ids.withUnsafeBufferPointer { try running.add($0, to: copy, outputs: 1) }
                    try running.run()
                    let whole = try Self.logits(model, [Array(rows[0][..<23]) + ids], longest: 100)[0]
                    #expect(Array(running.logits(output)) == whole.suffix(Self.vocabulary))
                    try running.close(copy)
                }
            }
        }
    }

    @Test(
        "texts are the same alone, in company, in chunks, without a cache, with guesses and shared beginnings",
        arguments: scalings)
    func texts(scaling: RotaryScaling) throws {
        let model = try Self.model(scaling)
        func generate(
            _ prompts: [[Int32]], _ cache: CacheKind = .float32, chunk: Int = 512, drafts: Int = 0, beams: Int = 1
        ) throws -> [[Int32]] {
            var options = DecodingModelOptions()
            options.cache = cache
            options.promptChunk = chunk
            let running = try DecodingModel(model, runtime: try Runtime(threads: 2), options: options)
            var generation = GenerationOptions()
            generation.maxNewTokens = 30
            generation.samples = beams == 1
            generation.numBeams = beams
            generation.seed = 3
            generation.draftTokens = drafts
            let drafter = drafts > 0 ? PromptLookup() : nil
            return try Generator(model: running, options: generation, drafter: drafter)
                .generate(prompts.map { GenerationPrompt(ids: $0) }).sequences.flatMap { $0.map(\.ids) }
        }
        // The first two begin alike.
        let prompts = [Self.ids(12, 1), Self.ids(40, 1), Self.ids(24, 3)]
        let expected = try generate(prompts, .none)
        #expect(Set(expected.flatMap { $0 }).count > 10)
        #expect(try generate(prompts) == expected)
        #expect(try generate(prompts, chunk: 5) == expected)
        #expect(try generate(prompts, drafts: 4) == expected)
        for beams in [1, 3] {
            let cached = try generate([prompts[2]], beams: beams)
            #expect(try cached == generate([prompts[2]], .none, beams: beams))
        }
    }
}
