import HeedGenerate
import HeedModels
import HeedSupport
import HeedTensor
import TestFixtures
import Testing

/// One golden generation: options, prompts without padding, and the new ids up to the first end id.
struct GenerationGolden: Sendable, CustomTestStringConvertible {
    let model: String
    let name: String
    let options: GenerationOptions
    let prompts: [[Int32]]
    /// For every prompt, every sequence.
    let sequences: [[[Int32]]]
    let scores: [[Double]]?

    var testDescription: String { "\(model) \(name)" }

    static let all: [GenerationGolden] = ["gpt2", "llama"].flatMap { family -> [GenerationGolden] in
        guard let folder = Shared.given(family) else { return [] }
        return ((try? listDirectory(folder)) ?? []).flatMap { name -> [GenerationGolden] in
            guard let json = try? JSON.load(path: joinPath(folder, "\(name)/golden.json")) else { return [] }
            return (json["generation"]?.arrayValue ?? []).compactMap { GenerationGolden("\(family)/\(name)", $0) }
        }
    }

    init?(_ model: String, _ json: JSON) {
        func ids(_ json: JSON?) -> [Int32] { (json?.arrayValue ?? []).compactMap { $0.intValue.map(Int32.init) } }
        func rows(_ json: JSON?) -> [[Int32]] { (json?.arrayValue ?? []).map { ids($0) } }
        guard let name = json["name"]?.stringValue, let arguments = json["args"] else { return nil }
        self.model = model
        self.name = name
        var options = GenerationOptions()
        options.maxNewTokens = arguments["max_new_tokens"]?.intValue ?? 0
        options.minNewTokens = arguments["min_new_tokens"]?.intValue ?? 0
        options.endTokens = ids(arguments["eos_token_id"])
        options.repetitionPenalty = arguments["repetition_penalty"]?.doubleValue ?? 1
        options.noRepeatNgramSize = arguments["no_repeat_ngram_size"]?.intValue ?? 0
        options.suppressedTokens = ids(arguments["suppress_tokens"])
        options.numBeams = arguments["num_beams"]?.intValue ?? 1
        options.numReturnSequences = arguments["num_return_sequences"]?.intValue ?? 1
        options.lengthPenalty = arguments["length_penalty"]?.doubleValue ?? 1
        switch arguments["early_stopping"] {
        case .bool(true): options.earlyStopping = .yes
        case .string("never"): options.earlyStopping = .never
        default: options.earlyStopping = .no
        }
        self.options = options
        let whole = rows(json["sequences"])
        let width: Int
        if let masks = json["attention_mask"] {
            let padded = rows(json["input_ids"])
            prompts = zip(padded, rows(masks)).map { row, mask in zip(row, mask).filter { $0.1 != 0 }.map(\.0) }
            width = padded.first?.count ?? 0
        } else {
            prompts = [ids(json["prompt_ids"])]
            width = prompts[0].count
        }
        let each = options.numReturnSequences
        let ends = Set(options.endTokens)
        let new = whole.map { row -> [Int32] in
            let fresh = row.dropFirst(width)
            guard let end = fresh.firstIndex(where: { ends.contains($0) }) else { return Array(fresh) }
            return Array(fresh[...end])
        }
        func grouped<Element>(_ list: [Element]) -> [[Element]] {
            stride(from: 0, to: list.count, by: each).map { Array(list[$0..<min($0 + each, list.count)]) }
        }
        sequences = grouped(new)
        scores = json["sequences_scores"]?.arrayValue.map { grouped($0.compactMap(\.doubleValue)) }
    }
}

@Suite("Generation with real models", .enabled(if: Shared.isThere))
struct GoldenGenerationTests {
    private func generate(
        _ golden: GenerationGolden, _ change: (inout DecodingModelOptions) -> Void = { _ in }, threads: Int = 1
    ) throws -> [[GeneratedSequence]] {
        let model = try Model.load(folder: Shared.fixture("\(golden.model)/hf"))
        var options = DecodingModelOptions()
        change(&options)
        let source = try DecodingModel(model, runtime: try Runtime(threads: threads), options: options)
        return try Generator(model: source, options: golden.options)
            .generate(golden.prompts.map { GenerationPrompt(ids: $0) }).sequences
    }

    @Test("goldens are read")
    func count() {
        #expect(GenerationGolden.all.count > 100)
    }

    @Test("ids and scores are those of Hugging Face", arguments: GenerationGolden.all)
    func golden(_ golden: GenerationGolden) throws {
        let got = try generate(golden)
        #expect(got.map { $0.map(\.ids) } == golden.sequences)
        for (row, scores) in zip(got, golden.scores ?? []) {
            for (sequence, score) in zip(row, scores) {
                // The golden is a sum in single precision: beyond 1e-4 its own last two bits decide.
                let bound = max(1e-4, 2 * Double(Float(abs(score)).ulp))
                #expect(abs((sequence.score ?? .nan) - score) <= bound)
            }
        }
    }

    @Test("the same ids and scores for any chunk, without a cache, with any number of threads")
    func invariance() throws {
        for golden in GenerationGolden.all where ["beam4_early", "batch_left_padded_greedy"].contains(golden.name) {
            let expected = try generate(golden)
            #expect(try generate(golden, { $0.promptChunk = 1 }) == expected)
            #expect(try generate(golden, { $0.promptChunk = 3 }, threads: 2) == expected)
            #expect(try generate(golden, { $0.cache = .none }) == expected)
        }
    }

    @Test("sliding is a full pass over the last ids that fit")
    func sliding() throws {
        let golden = try #require(GenerationGolden.all.first { $0.name == "greedy" })
        let model = try Model.load(folder: Shared.fixture("\(golden.model)/hf"))
        let runtime = try Runtime(threads: 1)
        let source = try DecodingModel(model, runtime: runtime)
        let context = source.contextLength
        var options = golden.options
        options.endTokens = []
        options.maxNewTokens = context + 5
        options.contextOverflow = .slide
        let ids = try Generator(model: source, options: options)
            .generate([GenerationPrompt(ids: golden.prompts[0])]).sequences[0][0].ids
        let all = golden.prompts[0] + ids
        var one = options
        one.maxNewTokens = 1
        let last = try Generator(model: source, options: one)
            .generate([GenerationPrompt(ids: Array(all.dropLast().suffix(context)))]).sequences[0][0].ids
        #expect(last == [all[all.count - 1]])
        #expect(ids.count == context + 5)
    }
}
