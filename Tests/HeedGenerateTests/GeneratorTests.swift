import HeedGenerate
import HeedSupport
import Testing

@Suite("Generator")
struct GeneratorTests {
    private let prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9], [1, 2, 3]].map { GenerationPrompt(ids: $0) }

    private func options(_ change: (inout GenerationOptions) -> Void = { _ in }) -> GenerationOptions {
        var options = GenerationOptions()
        options.maxNewTokens = 12
        change(&options)
        return options
    }

    private func generate(
        _ prompts: [GenerationPrompt], _ options: GenerationOptions, context: Int = .max,
        hooks: GenerationHooks = .init()
    ) throws -> [[GeneratedSequence]] {
        try Generator(model: ToyModel(vocabulary: 17, contextLength: context), options: options)
            .generate(prompts, hooks: hooks).sequences
    }

    @Test("greedy follows the highest logit, up to and including an end id")
    func greedy() throws {
        let got = try generate(prompts, options { $0.endTokens = [3, 4] })
        for (prompt, sequences) in zip(prompts, got) {
            var ids = prompt.ids
            var expected: [Int32] = []
            while expected.count < 12 {
                let logits = ToyModel.logits(after: ids, vocabulary: 17)
                let best = Int32(logits.firstIndex(of: logits.max() ?? 0) ?? 0)
                expected.append(best)
                ids.append(best)
                if best == 3 || best == 4 { break }
            }
            let ended = expected.last == 3 || expected.last == 4
            #expect(sequences == [GeneratedSequence(ids: expected, finishReason: ended ? .stop : .length)])
        }
    }

    @Test("rows of a ragged batch are decoded as if alone")
    func raggedRows() throws {
        for beams in [1, 3] {
            let settings = options {
                $0.endTokens = [3, 5]
                $0.numBeams = beams
                $0.numReturnSequences = beams
                $0.repetitionPenalty = 1.3
            }
            let together = try generate(prompts, settings)
            for (index, prompt) in prompts.enumerated() {
                #expect(try generate([prompt], settings)[0] == together[index])
            }
        }
    }

    @Test("draws depend on seed and row; several sequences of a prompt differ")
    func draws() throws {
        let settings = options {
            $0.samples = true
            $0.numReturnSequences = 3
            $0.seed = 9
        }
        let once = try generate(prompts, settings)
        #expect(once == (try generate(prompts, settings)))
        #expect(once[0] == (try generate([prompts[0]], settings)[0]))
        #expect(once[0][0] != once[0][1])
        #expect(once[0] != once[3], "the same prompt in another row draws other numbers")
        var other = settings
        other.seed = 10
        #expect(once != (try generate(prompts, other)))
    }

    @Test("hooks: ids in order, ending a sequence, distributions of the first sequence, interruption")
    func hooks() throws {
        var hooks = GenerationHooks()
        var events: [[Int32]] = Array(repeating: [], count: prompts.count)
        hooks.onToken = { event in
            #expect(event.step == events[event.prompt].count)
            events[event.prompt].append(event.id)
            return !(event.prompt == 1 && event.step == 2)
        }
        var sums: [Float] = []
        hooks.onDistribution = { sums.append($0.reduce(0, +)) }
        let got = try generate(prompts, options(), hooks: hooks)
        #expect(got.map { $0[0].ids } == events)
        #expect(got[1][0].ids.count == 3)
        #expect(got[1][0].finishReason == .stop)
        #expect(got[0][0].finishReason == .length)
        #expect(sums.count == 12 && sums.allSatisfy { abs($0 - 1) < 1e-5 })

        var asked = 0
        hooks = GenerationHooks()
        hooks.isInterrupted = {
            asked += 1
            return asked > 4
        }
        let cut = try generate(prompts, options(), hooks: hooks)
        #expect(cut.allSatisfy { $0[0].ids.count == 4 && $0[0].finishReason == .interrupted })
    }

    @Test("sliding predicts every token from the last ids that fit")
    func sliding() throws {
        let settings = options { $0.contextOverflow = .slide }
        let got = try generate(prompts, settings, context: 6)
        for (prompt, sequences) in zip(prompts, got) {
            var ids = prompt.ids
            for _ in 0..<12 {
                let logits = ToyModel.logits(after: Array(ids.suffix(6)), vocabulary: 17)
                ids.append(Int32(logits.firstIndex(of: logits.max() ?? 0) ?? 0))
            }
            #expect(sequences[0].ids == Array(ids[prompt.ids.count...]))
        }
        let long = [GenerationPrompt(ids: Array(0..<11))]
        #expect(try generate(long, settings, context: 6)[0][0].ids.count == 12)
        let beams = options {
            $0.contextOverflow = .slide
            $0.numBeams = 3
        }
        #expect(try generate(prompts, beams, context: 6).allSatisfy { $0[0].ids.count == 12 })
    }

    @Test("forgetting several ids at a time replaces a row more rarely")
    func slideStep() throws {
        let source = ToyModel(vocabulary: 17, contextLength: 6)
        let settings = options {
            $0.contextOverflow = .slide
            $0.slideStep = 3
        }
        _ = try Generator(model: source, options: settings).generate([prompts[0]])
        #expect(source.replacements == 3)
    }

    @Test("empty, too long and impossible prompts are refused")
    func refused() throws {
        for prompt in [[], Array(0..<9), [17], [-1]] as [[Int32]] {
            #expect(throws: HeedError.self) { try generate([GenerationPrompt(ids: prompt)], options(), context: 8) }
        }
        let error = #expect(throws: HeedError.self) { try generate(prompts, options(), context: 12) }
        #expect(error?.description.contains("`contextOverflow` slide") == true)
        #expect(try generate([GenerationPrompt(ids: [1])], options(), context: 12).count == 1)
    }
}
