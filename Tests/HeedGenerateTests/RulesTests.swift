import HeedSupport
import HeedWeights
import Testing

@testable import HeedGenerate

@Suite("Rules and filters by themselves")
struct RulesTests {
    private static let logits: [Float] = [1.5, -0.75, 0.25, 2.0, -1.25, 0.5]
    private static let history: [Int32] = [3, 1, 4, 1, 2]
    private static let source: [Int32] = [1, 2, 5, 4, 1]

    private func apply(
        _ change: (inout GenerationOptions) -> Void, history: [Int32] = RulesTests.history, generated: Int = 3
    ) -> [Float] {
        var options = GenerationOptions()
        change(&options)
        let memory = ChoosingMemory(vocabulary: RulesTests.logits.count)
        _ = memory.row.update(fromContentsOf: RulesTests.logits)
        history.withUnsafeBufferPointer {
            for rule in options.rules(source: RulesTests.source) {
                rule.apply(
                    to: memory.row, after: SequenceView(history: $0, generated: generated), memory: memory)
            }
        }
        return Array(memory.row)
    }

    private func near(_ got: [Float], _ expected: [Float]) -> Bool {
        zip(got, expected).allSatisfy { $0 == $1 || abs($0 - $1) < 1e-6 } && got.count == expected.count
    }

    @Test("numbers of transformers' processors")
    func golden() {
        #expect(near(apply { $0.encoderRepetitionPenalty = 1.5 }, [1.5, -0.5, 0.375, 2.0, -0.833333, 0.75]))
        #expect(near(apply { $0.encoderNoRepeatNgramSize = 2 }, [1.5, -0.75, 0.25, 2.0, -1.25, -.infinity]))
        #expect(
            near(apply { $0.encoderNoRepeatNgramSize = 1 }, [1.5, -.infinity, -.infinity, 2, -.infinity, -.infinity]))
        let biases = [
            TokenBias([5], 1.25), TokenBias([1, 2], -2), TokenBias([2, 0], 0.5), TokenBias([4, 1, 2, 3], 3),
        ]
        #expect(near(apply { $0.biases = biases }, [2.0, -0.75, 0.25, 5.0, -1.25, 1.75]))
        func decay(_ start: Int) -> [Float] {
            apply {
                $0.endTokens = [0, 4]
                $0.lengthDecay = LengthDecayOptions(start: start, factor: 1.5)
            }
        }
        #expect(near(decay(1), [3.375, -0.75, 0.25, 2.0, 0.3125, 0.5]))
        #expect(near(decay(3), RulesTests.logits))
        let banned = apply {
            $0.endTokens = [1]
            $0.badWords = [[0], [1], [2, 3], [5, 5]]
        }
        #expect(banned == [-.infinity, -0.75, 0.25, -.infinity, -1.25, 0.5], "the end id alone is not banned")
    }

    @Test("penalties on generated ids, not on the prompt's")
    func generated() {
        // New ids: 4, 1, 2; then 1, 1, 2 of which 1 counts twice.
        #expect(near(apply { $0.presencePenalty = 0.5 }, [1.5, -1.25, -0.25, 2.0, -1.75, 0.5]))
        #expect(
            near(
                apply({ $0.frequencyPenalty = 0.5 }, history: [3, 3, 1, 1, 2], generated: 3),
                [1.5, -1.75, -0.25, 2.0, -1.25, 0.5]))
        #expect(near(apply({ $0.frequencyPenalty = 0.5 }, generated: 0), RulesTests.logits))
        let negative = apply {
            $0.presencePenalty = -1
            $0.frequencyPenalty = -0.25
        }
        #expect(near(negative, [1.5, 0.5, 1.5, 2.0, 0.0, 0.5]))
    }

    @Test("ids that do not begin a text: the first new one, or the second behind a forced one")
    func begin() {
        func first(_ forced: Int32?, history: [Int32], generated: Int) -> [Float] {
            apply(
                {
                    $0.beginSuppressedTokens = [0, 3]
                    $0.forcedBeginToken = forced
                }, history: history, generated: generated)
        }
        let banned: [Float] = [-.infinity, -0.75, 0.25, -.infinity, -1.25, 0.5]
        #expect(first(nil, history: [3, 1], generated: 0) == banned)
        #expect(first(nil, history: [3, 1], generated: 1) == RulesTests.logits)
        #expect(first(4, history: [3], generated: 0).enumerated().allSatisfy { ($1 == 0) == ($0 == 4) })
        #expect(first(4, history: [3, 4], generated: 1) == banned)
        #expect(first(4, history: [3, 4, 2], generated: 2) == RulesTests.logits)
        #expect(first(4, history: [3, 1], generated: 0) == banned, "a prompt of two forces nothing")
    }

    @Test("top-a keeps a share of the square of the best")
    func topA() throws {
        // Probabilities 0.5, 0.3, 0.15, 0.05: the bound is 0.8 · 0.25 = 0.2.
        var candidates = CandidateSet(vocabulary: 4)
        let logits = [0.5, 0.3, 0.15, 0.05].map { Float(ExactMathematics.log($0)) }
        try logits.withUnsafeBufferPointer { try candidates.load($0) }
        TopA(share: 0.8, atLeast: 1).apply(to: &candidates)
        #expect(candidates.count == 2)
        try logits.withUnsafeBufferPointer { try candidates.load($0) }
        TopA(share: 1, atLeast: 3).apply(to: &candidates)
        #expect(candidates.count == 3)
    }
}

@Suite("generation_config.json")
struct GenerationDefaultsTests {
    private func defaults(_ text: String) throws -> GenerationDefaults {
        try GenerationDefaults(ConfigurationReader(JSON.parse(Array(text.utf8), in: "test"), file: "test"))
    }

    @Test("every key that is honoured")
    func honoured() throws {
        let defaults = try defaults(
            """
            {"do_sample": true, "temperature": 0.6, "top_k": 40, "top_p": 0.9, "min_p": 0.05, "typical_p": 0.8,
             "epsilon_cutoff": 0.001, "eta_cutoff": 0.002, "repetition_penalty": 1.1, "no_repeat_ngram_size": 3,
             "encoder_repetition_penalty": 1.2, "encoder_no_repeat_ngram_size": 4, "num_beams": 5,
             "num_return_sequences": 2, "length_penalty": -0.5, "early_stopping": "never", "max_new_tokens": 77,
             "min_new_tokens": 3, "max_length": 20, "min_length": 9, "suppress_tokens": [7, 8],
             "begin_suppress_tokens": [9], "bad_words_ids": [[1], [2, 3]], "forced_bos_token_id": 4,
             "forced_eos_token_id": [5, 6], "sequence_bias": [[[1, 2], -2.5]], "renormalize_logits": true,
             "exponential_decay_length_penalty": [10, 1.1], "stop_strings": "END"}
            """)
        var expected = GenerationOptions()
        expected.samples = true
        expected.temperature = 0.6
        expected.topK = 40
        expected.topP = 0.9
        expected.minP = 0.05
        expected.typicalP = 0.8
        expected.epsilonCutoff = 0.001
        expected.etaCutoff = 0.002
        expected.repetitionPenalty = 1.1
        expected.noRepeatNgramSize = 3
        expected.encoderRepetitionPenalty = 1.2
        expected.encoderNoRepeatNgramSize = 4
        expected.numBeams = 5
        expected.numReturnSequences = 2
        expected.lengthPenalty = -0.5
        expected.earlyStopping = .never
        expected.maxNewTokens = 77
        expected.minNewTokens = 3
        expected.suppressedTokens = [7, 8]
        expected.beginSuppressedTokens = [9]
        expected.badWords = [[1], [2, 3]]
        expected.forcedBeginToken = 4
        expected.forcedEndTokens = [5, 6]
        expected.biases = [TokenBias([1, 2], -2.5)]
        expected.renormalizesLogits = true
        expected.lengthDecay = LengthDecayOptions(start: 10, factor: 1.1)
        #expect(defaults.options == expected, "new tokens are worth more than lengths")
        #expect(defaults.stopStrings == ["END"])
        #expect(defaults.unknownKeys.isEmpty)
        #expect(defaults.settings.count == 29)
    }

    @Test("lengths that count the prompt")
    func lengths() throws {
        let options = try defaults("{\"max_length\": 20, \"min_length\": 9}").options
        let short = try options.forPrompt(of: 4, context: 100)
        #expect(short.maxNewTokens == 16 && short.minNewTokens == 5 && short.maxLength == nil)
        let long = try options.forPrompt(of: 15, context: 100)
        #expect(long.maxNewTokens == 5 && long.minNewTokens == 0)
        #expect(throws: HeedError.self) { try options.forPrompt(of: 20, context: 100) }
        let result = try Generator(model: ToyModel(vocabulary: 9), options: options)
            .generate([[1, 2], [3, 4, 5, 6, 7]].map { GenerationPrompt(ids: $0) })
        #expect(result.sequences.map { $0[0].ids.count } == [18, 15])
    }

    @Test("what has no effect is not told; what is given is not told")
    func used() throws {
        let defaults = try defaults(
            "{\"temperature\": 0.6, \"length_penalty\": 2.0, \"repetition_penalty\": 1.5, \"top_p\": 1.0, \"num_beams\": 1}"
        )
        #expect(defaults.settings.map(\.key) == ["temperature", "length_penalty", "repetition_penalty"])
        func used(_ change: (inout GenerationOptions) -> Void, given: Set<String> = []) -> [String] {
            var options = defaults.options
            change(&options)
            return defaults.used(for: options, given: given).map { "\($0.key) \($0.value)" }
        }
        #expect(used { _ in } == ["repetition_penalty 1.5"])
        #expect(used { $0.samples = true } == ["temperature 0.6", "repetition_penalty 1.5"])
        #expect(used({ $0.numBeams = 2 }, given: ["repetition_penalty"]) == ["length_penalty 2.0"])
    }

    @Test("keys that would change ids are refused, unknown ones listed, wrong values named")
    func refused() throws {
        #expect(try defaults("{\"guidance_scale\": 1.0, \"watermarking_config\": null}").settings.isEmpty)
        for text in [
            "{\"guidance_scale\": 1.5}", "{\"watermarking_config\": {}}", "{\"num_beam_groups\": 2}",
            "{\"temperature\": \"hot\"}", "{\"top_p\": 3}", "{\"bad_words_ids\": [1]}", "{\"bad_words_ids\": [[]]}",
            "{\"sequence_bias\": [[1, 2]]}", "{\"early_stopping\": \"maybe\"}", "{\"num_beams\": 0}",
            "{\"suppress_tokens\": [-1]}", "{\"exponential_decay_length_penalty\": [1]}", "{\"stop_strings\": 3}",
            "{\"do_sample\": 1}",
        ] {
            let error = #expect(throws: HeedError.self, "\(text)") { try defaults(text) }
            let key = text.split(separator: "\"")[1]
            #expect(error?.description.contains(key) == true, "\(text)")
        }
        let odd = try defaults("{\"chat_format\": \"chatml\", \"use_cache\": true, \"transformers_version\": \"5\"}")
        #expect(odd.unknownKeys == ["chat_format"])
    }
}
