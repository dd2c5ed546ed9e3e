import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import Testing

@testable import HeedGenerate

@Suite("Guessing ahead")
struct SpeculationTests {
    /// Always guesses the same, right or wrong.
    private final class Parrot: Drafter {
        var steps = 0
        func draft(for rows: [DecodingRow]) {
            steps += 1
            for row in rows { row.guesses = (0..<row.guessLimit).map { Int32(($0 + steps) % 5) } }
        }
        func forget(_ row: DecodingRow) {}
    }

    private func options(_ change: (inout GenerationOptions) -> Void) -> [GenerationOptions] {
        (0..<4).map { kind in
            var options = GenerationOptions()
            options.maxNewTokens = 40
            options.seed = 5
            options.endTokens = kind == 3 ? [4] : []
            if kind % 2 == 1 {
                options.samples = true
                options.temperature = 0.7
                options.topK = 4
            }
            if kind == 2 { options.repetitionPenalty = 1.2 }
            change(&options)
            return options
        }
    }

    private let prompts = [[1, 2, 3, 1, 2], [0], [4, 3, 4, 3, 4, 3]].map { GenerationPrompt(ids: $0) }

    private func check(_ model: any NextTokenModel, _ drafter: () throws -> any Drafter, copies: Int = 1) throws {
        for plain in options({ _ in }) {
            var settings = plain
            if settings.samples { settings.numReturnSequences = copies }
            let expected = try Generator(model: model, options: settings).generate(prompts).sequences
            for count in [1, 3, 8] {
                settings.draftTokens = count
                let got = try Generator(model: model, options: settings, drafter: drafter()).generate(prompts)
                #expect(got.sequences == expected, "\(count) guesses, draws: \(settings.samples)")
            }
        }
    }

    @Test("the ids are those without guesses, whoever guesses: a toy")
    func toy() throws {
        let model = ToyModel(vocabulary: 5, promptChunk: 3)
        try check(model, { PromptLookup() }, copies: 3)
        try check(model, { Parrot() })
        try check(model, { DraftModel(ToyModel(vocabulary: 5)) }, copies: 2)
        #expect(model.openSlots == 0)
    }

    @Test("the ids are those without guesses, whoever guesses: models")
    func models() throws {
        let runtime = try Runtime(threads: 2)
        func decoder(_ seed: UInt64, layers: Int) throws -> DecodingModel {
            let shape = DecoderConfiguration.gpt2(width: 32, layers: layers, heads: 4, vocabulary: 23, context: 96)
            return try DecodingModel(try Model(shape, family: .gpt2, seed: seed), runtime: runtime)
        }
        let large = try decoder(3, layers: 2)
        try check(large, { PromptLookup() }, copies: 2)
        try check(large, { DraftModel(try decoder(4, layers: 1)) })
    }

    @Test("a drafter that is right saves passes, and draws agree as the model's do")
    func passes() throws {
        let model = ToyModel(vocabulary: 9)
        var options = GenerationOptions()
        options.maxNewTokens = 60
        options.draftTokens = 5
        for draws in [false, true] {
            options.samples = draws
            let batch = DecodingBatch(model, drafter: DraftModel(ToyModel(vocabulary: 9)))
            let row = try batch.join(prompts[0], options: options)
            var steps = 0
            while !batch.rows.isEmpty {
                try batch.step()
                steps += 1
            }
            #expect(row.generated == 60)
            #expect(steps == 11, "one for the prompt, then six ids a step")
        }
    }

    @Test("an owner that ends a row in the middle of a step drops what came behind")
    func finish() throws {
        let model = ToyModel(vocabulary: 9)
        var options = GenerationOptions()
        options.maxNewTokens = 30
        options.draftTokens = 6
        var hooks = GenerationHooks()
        var seen = 0
        hooks.onToken = { event in
            #expect(event.step == seen)
            seen += 1
            return event.step < 10
        }
        let plain = try Generator(model: model, options: options).generate([prompts[0]]).sequences[0][0].ids
        let drafter = DraftModel(ToyModel(vocabulary: 9))
        let got = try Generator(model: model, options: options, drafter: drafter).generate([prompts[0]], hooks: hooks)
        #expect(got.sequences[0][0].ids == Array(plain.prefix(11)))
        #expect(got.sequences[0][0].finishReason == .stop && seen == 11)
    }

    @Test("prompt lookup: the last match counts, in the text and in the source")
    func lookup() throws {
        let batch = DecodingBatch(ToyModel(vocabulary: 20))
        var options = GenerationOptions()
        options.draftTokens = 3
        func guesses(_ ids: [Int32], source: [Int32]? = nil, limit: Int = 3) throws -> [Int32] {
            let row = try batch.join(GenerationPrompt(ids: ids, source: source), options: options)
            row.guessLimit = limit
            PromptLookup().draft(for: [row])
            return row.guesses
        }
        #expect(try guesses([1, 2, 9, 9, 1, 2, 7, 8, 5, 1, 2]) == [7, 8, 5])
        #expect(try guesses([1, 2, 9, 9, 1, 2, 7, 8, 5, 1, 2], limit: 2) == [7, 8])
        #expect(try guesses([1, 2, 3]) == [])
        #expect(try guesses([5, 5, 5]) == [5], "what follows the match before the last id")
        #expect(try guesses([0, 3, 4], source: [9, 3, 4, 11, 12]) == [11, 12])
    }
}
