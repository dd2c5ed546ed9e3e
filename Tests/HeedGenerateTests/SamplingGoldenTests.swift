import HeedGenerate
import HeedSupport
import HeedWeights
import TestFixtures
import Testing

/// One golden of `fixtures/given/sampling`: processors by name, applied left to right.
struct SamplingCase: Sendable, CustomTestStringConvertible {
    let key: String
    let vector: String
    let options: GenerationOptions
    let kept: Int
    let keptSetIsSure: Bool

    var testDescription: String { key }

    static let all: [SamplingCase] = {
        guard let path = Shared.given("sampling/warpers.json"), let notes = try? JSON.load(path: path) else {
            return []
        }
        return (notes["cases"]?.arrayValue ?? []).compactMap(SamplingCase.init)
    }()

    init?(_ json: JSON) {
        guard let key = json["key"]?.stringValue, let vector = json["vector"]?.stringValue,
            let kept = json["kept"]?.intValue, let steps = json["steps"]?.arrayValue
        else { return nil }
        var options = GenerationOptions()
        options.samples = true
        for step in steps {
            let number = { (name: String) in step[name]?.doubleValue ?? .nan }
            if let least = step["min_tokens_to_keep"]?.intValue { options.minTokensToKeep = least }
            switch step["name"]?.stringValue {
            case "TemperatureLogitsWarper": options.temperature = number("temperature")
            case "TopKLogitsWarper": options.topK = Int(number("top_k"))
            case "TopPLogitsWarper": options.topP = number("top_p")
            case "MinPLogitsWarper": options.minP = number("min_p")
            case "TypicalLogitsWarper": options.typicalP = number("mass")
            case "EpsilonLogitsWarper": options.epsilonCutoff = number("epsilon")
            case "EtaLogitsWarper": options.etaCutoff = number("epsilon")
            case "RepetitionPenaltyLogitsProcessor": options.repetitionPenalty = number("penalty")
            case "NoRepeatNGramLogitsProcessor": options.noRepeatNgramSize = Int(number("ngram_size"))
            default: return nil
            }
        }
        self.key = key
        self.vector = vector
        self.options = options
        self.kept = kept
        keptSetIsSure = json["kept_set_same_in_f32"]?.boolValue ?? false
    }
}

@Suite("Sampling goldens", .enabled(if: Shared.isThere))
struct SamplingGoldenTests {
    @Test("all 192 goldens are read")
    func count() {
        #expect(SamplingCase.all.count == 192)
    }

    @Test("the distribution is that of Hugging Face's processors", arguments: SamplingCase.all)
    func golden(_ item: SamplingCase) throws {
        let file = try SafetensorsFile(path: Shared.fixture("sampling/warpers.safetensors"))
        let logits = try file.floats("\(item.vector).logits")
        let history = try file.integers("\(item.vector).history").map(Int32.init)
        let expected = try file.doubles("\(item.key).probs")
        var got = [Float](repeating: .nan, count: logits.count)
        var chooser = try TokenChooser(options: item.options, vocabulary: logits.count)
        let id = try logits.withUnsafeBufferPointer { logits in
            try history.withUnsafeBufferPointer { history in
                try got.withUnsafeMutableBufferPointer { got in
                    try chooser.choose(
                        logits: logits, history: history, generated: 0, random: SequenceRandom(seed: 1, row: 0),
                        probabilities: got, memory: ChoosingMemory(vocabulary: logits.count))
                }
            }
        }
        let worst = zip(got, expected).map { abs(Double($0) - $1) }.max() ?? .infinity
        #expect(worst <= 2e-6, "largest difference \(worst)")
        if item.keptSetIsSure { #expect(got.count { $0 > 0 } == item.kept) }
        #expect(got[Int(id)] > 0)
    }
}
