import Heed
import HeedProcessor
import HeedTensor

/// Translating sources with an encoder-decoder of random weights: the sources are read, then every target gets the same
/// number of tokens.
struct TranslationBench {
    private let runtime: Runtime
    private let preset: String
    private let model: Model

    init(_ runtime: Runtime, _ shape: BenchShape, weights: WeightForm) throws {
        self.runtime = runtime
        preset = shape.preset
        model = try shape.model(weights: weights)
    }

    /// Target tokens a second, reading the sources included, by number of beams.
    func run(
        batch: Int, context: Int, beams: [Int], seconds: Double, profile: Bool, into report: inout JSONObject
    ) throws {
        let layers = try model.encoderDecoder
        report["preset"] = .string(preset)
        report["vocabulary"] = .integer(layers.configuration.vocabulary)
        report["batch"] = .integer(batch)
        report["source_tokens"] = .integer(context)
        report["target_tokens"] = .integer(context)
        let decoding = try DecodingModel(model, runtime: runtime)
        let start = Int32(layers.configuration.start)
        let prompts = (0..<batch).map {
            GenerationPrompt(ids: [start], source: ids(context, of: layers.configuration.sourceVocabulary, salt: $0))
        }
        report["runs_by_beams"] = .array(
            try beams.map { beams in
                var generation = GenerationOptions()
                generation.maxNewTokens = context
                generation.minNewTokens = context
                generation.endTokens = [0]
                generation.numBeams = beams
                let generator = try Generator(model: decoding, options: generation)
                var results: [GenerationResult] = []
                let timings = try Timings(budget: seconds / Double(max(beams, 1))) {
                    results.append(try generator.generate(prompts))
                }
                let reading = results.dropFirst().map(\.prefillSeconds).sorted()
                let tokens = Double(batch * context)
                let (perSource, perTarget) = layers.configuration.operations(keys: Double(context))
                let operations = tokens * (perSource + perTarget * Double(beams))
                return [
                    "beams": .integer(beams), "runs": .integer(timings.seconds.count),
                    "target_tokens_per_second": .number(rounded(tokens / timings.median)),
                    "most": .number(rounded(tokens / timings.least)),
                    "least": .number(rounded(tokens / timings.most)),
                    "milliseconds": .number(rounded(timings.median * 1e3)),
                    "milliseconds_reading": .number(rounded(reading[reading.count / 2] * 1e3)),
                    "gflops": .number(rounded(operations / timings.median / 1e9)),
                ]
            })
        if profile {
            report["profile"] = .array(decoding.profile().map(profileRow))
        }
    }

    private func ids(_ count: Int, of vocabulary: Int, salt: Int) -> [Int32] {
        (0..<count).map { Int32(($0 * 7919 + salt * 104_729 + 13) % vocabulary) }
    }
}
