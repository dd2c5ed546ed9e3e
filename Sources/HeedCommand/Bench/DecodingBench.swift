import Heed
import HeedProcessor
import HeedTensor

/// Reading a prompt and continuing it with a model of random weights.
struct DecodingBench {
    private let runtime: Runtime
    private let preset: String
    private let model: Model

    init(_ runtime: Runtime, _ shape: BenchShape, weights: WeightForm) throws {
        self.runtime = runtime
        preset = shape.preset
        model = try shape.model(weights: weights)
    }

    /// Tokens a second of `batch` sequences of 32 prompt ids and up to 128 new ones.
    func decode(batch: Int, cache: CacheKind, seconds: Double, into report: inout JSONObject) throws {
        var options = DecodingModelOptions()
        options.cache = cache
        let decoding = try DecodingModel(model, runtime: runtime, options: options)
        let prompts = (0..<batch).map { GenerationPrompt(ids: ids(32, salt: $0)) }
        let new = min(128, decoding.contextLength - 32)
        var generation = GenerationOptions()
        generation.maxNewTokens = new
        let generator = try Generator(model: decoding, options: generation)
        var results: [GenerationResult] = []
        _ = try Timings(budget: seconds) { results.append(try generator.generate(prompts)) }
        // The first run packs the weights.
        let steps = results.dropFirst().map(\.decodeSeconds).sorted()
        let median = steps[steps.count / 2]
        report["preset"] = .string(preset)
        report["batch"] = .integer(batch)
        report["cache"] = .string(cache.rawValue)
        report["prompt_tokens"] = 32
        report["new_tokens"] = .integer(new)
        report["runs"] = .integer(steps.count)
        // The prompt's pass gives the first new token of every sequence.
        let tokens = Double(batch * (new - 1))
        report["tokens_per_second"] = .number(rounded(tokens / median))
        report["tokens_per_second_most"] = .number(rounded(tokens / (steps.first ?? median)))
        report["tokens_per_second_least"] = .number(rounded(tokens / (steps.last ?? median)))
        report["milliseconds_per_step"] = .number(rounded(median / Double(new - 1) * 1e3))
        let bytes = Double(model.weights.layout.trainedCount) * model.weights.form.bytesPerNumber
        report["weights_read_gb_per_second"] = .number(rounded(bytes * Double(new - 1) / median / 1e9))
    }

    /// Tokens a second of reading `context` prompt ids in each of `batch` sequences.
    func prefill(batch: Int, context: Int, seconds: Double, into report: inout JSONObject) throws {
        let decoding = try DecodingModel(model, runtime: runtime)
        let length = min(context, decoding.contextLength)
        let prompts = (0..<batch).map { GenerationPrompt(ids: ids(length, salt: $0)) }
        let timings = try Timings(budget: seconds) {
            let rows = DecodingBatch(decoding)
            var generation = GenerationOptions()
            generation.maxNewTokens = 1
            for prompt in prompts { _ = try rows.join(prompt, options: generation) }
            while !rows.rows.isEmpty { try rows.step() }
        }
        let tokens = Double(batch * length)
        report["preset"] = .string(preset)
        report["batch"] = .integer(batch)
        report["prompt_tokens"] = .integer(length)
        report["runs"] = .integer(timings.seconds.count)
        report["tokens_per_second"] = .number(rounded(tokens / timings.median))
        report["tokens_per_second_most"] = .number(rounded(tokens / timings.least))
        report["tokens_per_second_least"] = .number(rounded(tokens / timings.most))
        report["milliseconds"] = .number(rounded(timings.median * 1e3))
    }

    private func ids(_ count: Int, salt: Int) -> [Int32] {
        let vocabulary = model.architecture.vocabulary
        return (0..<count).map { Int32(($0 * 7919 + salt * 104_729 + 13) % vocabulary) }
    }
}
