import HeedGenerate
import HeedSupport
import Testing

@Suite("Beam search")
struct BeamSearchTests {
    private func search(
        vocabulary: Int, _ options: GenerationOptions, prompt: [Int32] = [0]
    ) throws -> [GeneratedSequence] {
        try Generator(model: ToyModel(vocabulary: vocabulary), options: options)
            .generate([GenerationPrompt(ids: prompt)]).sequences[0]
    }

    /// Every sequence up to `length` ids, with Σ log p / lengthᵖᵉⁿᵃˡᵗʸ; it ends at an end id or at `length`.
    private func everything(
        vocabulary: Int, length: Int, ends: Set<Int32>, penalty: Double
    ) -> [(ids: [Int32], score: Double)] {
        var all: [(ids: [Int32], score: Double)] = []
        func extend(_ ids: [Int32], _ sum: Double) {
            let logs = logSoftmax(ToyModel.logits(after: [0] + ids, vocabulary: vocabulary))
            for id in 0..<vocabulary {
                let longer = ids + [Int32(id)]
                let total = sum + logs[id]
                if longer.count == length || ends.contains(Int32(id)) {
                    all.append((longer, total / ExactMathematics.pow(Double(longer.count), penalty)))
                } else {
                    extend(longer, total)
                }
            }
        }
        extend([], 0)
        return all.sorted { $0.score > $1.score }
    }

    @Test("beams enough for every sequence find the best ones", arguments: [0.0, 0.6, 1.0, 2.0, -1.0])
    func exhaustive(_ penalty: Double) throws {
        var options = GenerationOptions()
        options.maxNewTokens = 3
        options.numBeams = 125
        options.numReturnSequences = 10
        options.endTokens = [2]
        options.lengthPenalty = penalty
        options.earlyStopping = .never
        let got = try search(vocabulary: 5, options)
        let best = everything(vocabulary: 5, length: 3, ends: [2], penalty: penalty)
        #expect(got.map(\.ids) == best.prefix(10).map(\.ids))
        for (one, other) in zip(got, best) { #expect(abs((one.score ?? .nan) - other.score) < 1e-5) }
        #expect(got.allSatisfy { $0.finishReason == ($0.ids.last == 2 ? .stop : .length) })
    }

    @Test("scores are the re-scored sums of log probabilities")
    func scores() throws {
        var options = GenerationOptions()
        options.maxNewTokens = 9
        options.numBeams = 4
        options.numReturnSequences = 4
        options.endTokens = [3, 7]
        options.lengthPenalty = 0.6
        for sequence in try search(vocabulary: 23, options) {
            var ids: [Int32] = [0]
            var sum = 0.0
            for id in sequence.ids {
                sum += logSoftmax(ToyModel.logits(after: ids, vocabulary: 23))[Int(id)]
                ids.append(id)
            }
            let expected = sum / ExactMathematics.pow(Double(sequence.ids.count), 0.6)
            #expect(abs((sequence.score ?? .nan) - expected) < 1e-5)
        }
    }

    @Test("one beam is greedy")
    func oneBeam() throws {
        var options = GenerationOptions()
        options.maxNewTokens = 8
        options.endTokens = [1]
        let greedy = try search(vocabulary: 11, options)
        let settings = options
        let beams = try BeamSearch(options: settings, vocabulary: 11, prompt: [0])
        let memory = ChoosingMemory(vocabulary: 11)
        while !beams.isFinished {
            let logits = ToyModel.logits(after: beams.history(of: 0), vocabulary: 11)
            try logits.withUnsafeBufferPointer { try beams.add(logits: $0, row: 0, memory: memory) }
            beams.finishStep()
        }
        #expect(beams.results().map(\.ids) == greedy.map(\.ids))
    }

    @Test("early stopping ends with as many finished sequences as beams, or goes on")
    func earlyStopping() throws {
        var options = GenerationOptions()
        options.maxNewTokens = 14
        options.numBeams = 3
        options.numReturnSequences = 3
        options.endTokens = [1, 4, 6]
        options.lengthPenalty = 2
        var scores: [BeamStopping: Double] = [:]
        for policy in BeamStopping.allCases {
            options.earlyStopping = policy
            let got = try search(vocabulary: 9, options)
            #expect(got.count == 3)
            #expect(zip(got, got.dropFirst()).allSatisfy { ($0.score ?? 0) >= ($1.score ?? 0) })
            scores[policy] = got[0].score
        }
        #expect((scores[.never] ?? -1) >= (scores[.no] ?? 0))
        #expect((scores[.no] ?? -1) >= (scores[.yes] ?? 0))
    }

    @Test("rules hold within beams")
    func rules() throws {
        var options = GenerationOptions()
        options.maxNewTokens = 12
        options.numBeams = 4
        options.numReturnSequences = 4
        options.noRepeatNgramSize = 2
        options.suppressedTokens = [2]
        options.endTokens = [5]
        options.minNewTokens = 6
        for sequence in try search(vocabulary: 7, options) {
            let all = [0] + sequence.ids
            let pairs = zip(all, all.dropFirst()).map { $0 * 100 + $1 }
            #expect(Set(pairs).count == pairs.count)
            #expect(!sequence.ids.contains(2))
            #expect(sequence.ids.count > 6 || !sequence.ids.contains(5))
        }
    }

    @Test("fewer sequences than beams exist")
    func tooManyBeams() throws {
        var options = GenerationOptions()
        options.maxNewTokens = 2
        options.numBeams = 20
        options.numReturnSequences = 20
        #expect(try search(vocabulary: 3, options).count == 9)
    }

    @Test("drawn beams are repeatable and differ by seed")
    func drawn() throws {
        var options = GenerationOptions()
        options.maxNewTokens = 8
        options.numBeams = 3
        options.numReturnSequences = 3
        options.samples = true
        options.topK = 9
        let once = try search(vocabulary: 30, options)
        #expect(once == (try search(vocabulary: 30, options)))
        options.seed = 5
        #expect(once != (try search(vocabulary: 30, options)))
        #expect(once.count == 3)
    }
}
