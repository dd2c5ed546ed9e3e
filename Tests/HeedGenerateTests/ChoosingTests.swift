import HeedGenerate
import HeedSupport
import TestFixtures
import Testing

@Suite("Choosing a token")
struct ChoosingTests {
    /// The distribution and the id for one row of logits.
    private func choose(
        _ logits: [Float], _ options: GenerationOptions, history: [Int32] = [], generated: Int = 0, seed: UInt64 = 0,
        row: Int = 0
    ) throws -> (id: Int32, probabilities: [Float]) {
        var chooser = try TokenChooser(options: options, vocabulary: logits.count)
        var probabilities = [Float](repeating: 0, count: logits.count)
        let id = try logits.withUnsafeBufferPointer { logits in
            try history.withUnsafeBufferPointer { history in
                try probabilities.withUnsafeMutableBufferPointer {
                    try chooser.choose(
                        logits: logits, history: history, generated: generated,
                        random: SequenceRandom(seed: seed, row: row), probabilities: $0,
                        memory: ChoosingMemory(vocabulary: logits.count))
                }
            }
        }
        return (id, probabilities)
    }

    private func sampling(_ change: (inout GenerationOptions) -> Void) -> GenerationOptions {
        var options = GenerationOptions()
        options.samples = true
        change(&options)
        return options
    }

    private func kept(_ probabilities: [Float]) -> [Int] { probabilities.indices.filter { probabilities[$0] > 0 } }

    @Test("greedy takes the lowest id of equals; temperature 0 is greedy")
    func greedy() throws {
        #expect(try choose([1, 3, 3, 2], GenerationOptions()).id == 1)
        #expect(try choose([1, 3, 3, 2], sampling { $0.temperature = 0 }).id == 1)
    }

    @Test("greedy is the slow search for the first of the largest, for any length and place, with −∞ and ties")
    func greedyBySearch() throws {
        var dice = SplitMix(state: 7)
        for round in 0..<400 {
            let count = 1 + round % 83
            let values: [Float] = [-.infinity, -2, -0.0, 0, 0.5, 3]
            var logits = (0..<count).map { _ in values[Int(dice.next() % 6)] }
            logits[Int(dice.next() % UInt64(count))] = 0.5
            var best = 0
            for (id, logit) in logits.enumerated() where logit > logits[best] { best = id }
            #expect(try choose(logits, GenerationOptions()).id == Int32(best), "\(logits)")
            let place = Int(dice.next() % UInt64(count))
            for odd: Float in [.nan, .infinity] {
                logits[place] = odd
                #expect(throws: HeedError.self, "\(odd) at \(place) of \(count)") {
                    try choose(logits, GenerationOptions())
                }
            }
        }
    }

    @Test("a temperature near 0 is the most likely id, a high one is uniform")
    func temperatures() throws {
        #expect(try choose([1, 3, 2.9, 2], sampling { $0.temperature = 1e-4 }).probabilities == [0, 1, 0, 0])
        let uniform = try choose([1, 3, 2.9, 2], sampling { $0.temperature = 1e6 }).probabilities
        #expect(uniform.allSatisfy { abs($0 - 0.25) < 1e-6 })
    }

    @Test("top-k: equals of the last stay, k above V, k = 0")
    func topK() throws {
        let logits: [Float] = [1, 2, 2, 2, 0]
        #expect(kept(try choose(logits, sampling { $0.topK = 2 }).probabilities) == [1, 2, 3])
        #expect(kept(try choose([1, 5, 2, 3, 2], sampling { $0.topK = 2 }).probabilities) == [1, 3])
        #expect(kept(try choose(logits, sampling { $0.topK = 9 }).probabilities) == [0, 1, 2, 3, 4])
        #expect(kept(try choose(logits, sampling { $0.topK = 0 }).probabilities) == [0, 1, 2, 3, 4])
    }

    @Test("top-p keeps the smallest set that reaches p", arguments: [(0.4, 1), (0.7, 2), (0.9, 3), (0.99, 4), (0, 1)])
    func topP(_ p: Double, _ count: Int) throws {
        let logits = [0.5, 0.3, 0.15, 0.05].map { Float(ExactMathematics.log($0)) }
        #expect(kept(try choose(logits, sampling { $0.topP = p }).probabilities) == Array(0..<count))
    }

    @Test("top-p at exactly one half keeps one of two equals")
    func topPHalf() throws {
        #expect(kept(try choose([0, 0], sampling { $0.topP = 0.5 }).probabilities) == [0])
    }

    @Test("the filters leave as many as asked")
    func atLeast() throws {
        let logits: [Float] = [0, 10, 1, 2]
        for change: (inout GenerationOptions) -> Void in [
            { $0.topK = 1 }, { $0.topP = 0.1 }, { $0.minP = 1 }, { $0.typicalP = 0.01 }, { $0.epsilonCutoff = 0.9 },
            { $0.etaCutoff = 0.9 },
        ] {
            let options = sampling {
                change(&$0)
                $0.minTokensToKeep = 3
            }
            #expect(kept(try choose(logits, options).probabilities).count == 3)
        }
    }

    @Test("rules on the ids before")
    func rules() throws {
        var options = GenerationOptions()
        options.repetitionPenalty = 2
        #expect(try choose([4, 3, -1], options, history: [0, 0]).id == 1)
        options = GenerationOptions()
        options.noRepeatNgramSize = 2
        #expect(try choose([0, 5, 1], options, history: [1, 1]).id == 2, "1 1 may not follow again")
        #expect(try choose([0, 5, 1], options, history: [1]).id == 1)
        options.noRepeatNgramSize = 1
        #expect(try choose([0, 5, 1], options, history: [1, 2]).id == 0)
        options = GenerationOptions()
        options.endTokens = [1]
        options.minNewTokens = 2
        #expect(try choose([0, 5, 1], options, generated: 1).id == 2)
        #expect(try choose([0, 5, 1], options, generated: 2).id == 1)
        options = GenerationOptions()
        options.suppressedTokens = [1, 2]
        #expect(try choose([0, 5, 1], options).id == 0)
        options = GenerationOptions()
        options.badWords = [[2, 1], [0]]
        #expect(try choose([9, 5, 1], options, history: [2]).id == 2)
        #expect(try choose([9, 5, 1], options, history: [1]).id == 1)
        options = GenerationOptions()
        options.maxNewTokens = 3
        options.forcedBeginToken = 2
        options.forcedEndTokens = [0]
        #expect(try choose([0, 5, 1], options, history: [0], generated: 0).id == 2)
        #expect(try choose([0, 5, 1], options, history: [0, 0], generated: 0).id == 1, "a prefix is there already")
        #expect(try choose([0, 5, 1], options, history: [0, 2], generated: 1).id == 1)
        #expect(try choose([0, 5, 1], options, history: [0, 2, 1], generated: 2).id == 0)
    }

    @Test("nothing left, NaN and infinity are errors")
    func impossible() throws {
        var options = GenerationOptions()
        options.suppressedTokens = [0, 1]
        #expect(throws: HeedError.self) { try choose([1, 2], options) }
        #expect(throws: HeedError.self) { try choose([1, .nan], GenerationOptions()) }
        #expect(throws: HeedError.self) { try choose([1, .infinity], GenerationOptions()) }
        #expect(throws: HeedError.self) { try choose([1, .nan], sampling { _ in }) }
        #expect(throws: HeedError.self) { try choose([1, 1e30], sampling { $0.temperature = 1e-30 }) }
    }

    @Test("100,000 draws follow the distribution (chi-square)")
    func chiSquare() throws {
        let logits: [Float] = (0..<20).map { Float(($0 * 7) % 11) * 0.35 - 1 }
        var chooser = try TokenChooser(options: sampling { $0.topK = 12 }, vocabulary: logits.count)
        let memory = ChoosingMemory(vocabulary: logits.count)
        let expected = try choose(logits, sampling { $0.topK = 12 }).probabilities
        var counts = [Int](repeating: 0, count: logits.count)
        let draws = 100_000
        for step in 0..<draws {
            let id = try logits.withUnsafeBufferPointer {
                try chooser.choose(
                    logits: $0, history: UnsafeBufferPointer(start: nil, count: 0), generated: step % 1000,
                    random: SequenceRandom(seed: 42, row: step / 1000), memory: memory)
            }
            counts[Int(id)] += 1
        }
        var statistic = 0.0
        for id in 0..<logits.count {
            let mean = Double(expected[id]) * Double(draws)
            if mean == 0 {
                #expect(counts[id] == 0)
            } else {
                statistic += (Double(counts[id]) - mean) * (Double(counts[id]) - mean) / mean
            }
        }
        // 11 degrees of freedom: above 31.3 with a probability of 0.1 %.
        #expect(statistic < 31.3, "chi-square \(statistic)")
    }

    @Test("random numbers depend on seed, row and step only")
    func randomNumbers() {
        let one = SequenceRandom(seed: 7, row: 3)
        #expect(one.uniform(step: 5) == SequenceRandom(seed: 7, row: 3).uniform(step: 5))
        var seen: Set<Double> = []
        for seed in 0..<4 {
            for row in 0..<4 {
                for step in 0..<4 { seen.insert(SequenceRandom(seed: UInt64(seed), row: row).uniform(step: step)) }
            }
        }
        #expect(seen.count == 64)
        #expect(seen.allSatisfy { $0 >= 0 && $0 < 1 })
    }

    @Test("options that mean nothing are refused by their names on the command line")
    func validation() {
        let wrong: [(String, (inout GenerationOptions) -> Void)] = [
            ("`temperature`", { $0.temperature = -1 }), ("`temperature`", { $0.temperature = .nan }),
            ("`topP`", { $0.topP = 1.5 }), ("`topP`", { $0.topP = -0.1 }), ("`topK`", { $0.topK = -3 }),
            ("`minP`", { $0.minP = 2 }), ("`typicalP`", { $0.typicalP = 0 }),
            ("`repetitionPenalty`", { $0.repetitionPenalty = 0 }), ("`numBeams`", { $0.numBeams = 0 }),
            ("`maxNewTokens`", { $0.maxNewTokens = -4 }), ("`noRepeatNgramSize`", { $0.noRepeatNgramSize = -1 }),
            ("`numReturnSequences`", { $0.numReturnSequences = 2 }),
            (
                "`numReturnSequences`",
                {
                    $0.numBeams = 2
                    $0.numReturnSequences = 3
                }
            ),
            ("`suppressedTokens`", { $0.suppressedTokens = [10] }), ("`endTokens`", { $0.endTokens = [-1] }),
            ("`minNewTokens`", { $0.minNewTokens = 1000 }), ("`epsilonCutoff`", { $0.epsilonCutoff = 1 }),
            ("`etaCutoff`", { $0.etaCutoff = -1 }), ("`lengthPenalty`", { $0.lengthPenalty = .infinity }),
        ]
        for (name, change) in wrong {
            var options = GenerationOptions()
            change(&options)
            let error = #expect(throws: HeedError.self) { try options.validate(vocabulary: 10) }
            #expect(error?.place == name)
        }
        #expect(throws: Never.self) { try GenerationOptions().validate(vocabulary: 10) }
    }
}
