import HeedModels
import HeedSupport
import HeedTensor
import HeedWeights
import Testing

@testable import HeedTrain

/// Strings in, strings out: small enough to be learned in seconds, hard enough to need both stacks.
enum ToyTask: String, CaseIterable {
    case copy, reverse, sort, addition

    // Ids: 0 padding and start, 1 end, 2 … digits or letters, then plus.
    static let plus: Int32 = 12
    static let vocabulary = 14

    /// Pair `number` of the task; numbers of the training and of the held-out pairs are disjoint.
    func pair(_ number: Int) -> SentencePair {
        let random = RandomSource(seed: 7, purpose: .sampling, step: UInt32(truncatingIfNeeded: number))
        func draw(_ index: Int, below limit: Int) -> Int { Int(random.word(UInt64(index))) % limit }
        switch self {
        case .copy, .reverse, .sort:
            let length = 3 + draw(0, below: 5)
            let letters = (0..<length).map { Int32(2 + draw(1 + $0, below: 10)) }
            let answer =
                switch self {
                case .copy: letters
                case .reverse: Array(letters.reversed())
                default: letters.sorted()
                }
            return SentencePair(source: letters + [1], target: answer + [1])
        case .addition:
            func digits(_ value: Int) -> [Int32] { [2 + Int32(value / 10), 2 + Int32(value % 10)] }
            // Every sum of two numbers below 100, in an order that mixes them; 3571 has no factor in common with 10,000.
            let place = number * 3571 % 10_000
            let (a, b) = (place / 100, place % 100)
            // The lowest digit first, as one adds by hand.
            let sum = a + b
            let answer = [2 + Int32(sum % 10), 2 + Int32(sum / 10 % 10), 2 + Int32(sum / 100)]
            return SentencePair(source: digits(a) + [ToyTask.plus] + digits(b) + [1], target: answer + [1])
        }
    }
}

@Suite("Toy tasks")
struct ToyTaskTests {
    @Test("learned to 99 % exact on held-out strings", arguments: ToyTask.allCases)
    func learns(task: ToyTask) throws {
        let pairs = (0..<9_000).map { task.pair($0) }
        let seen = Set(pairs.map { $0.source })
        var configuration = EncoderDecoderConfiguration.original(
            width: 64, layers: task == .addition ? 2 : 1, heads: 4, inner: 128, vocabulary: ToyTask.vocabulary,
            context: 16, dropout: 0, padding: 0)
        configuration.both {
            $0.placement = .before
            $0.finalNorm = true
        }
        let model = try Model(.encoderDecoder(configuration), family: .unpublished, seed: 11)
        let runtime = try Runtime(threads: 2)
        let text = try ParallelText(pairs, tokensPerBatch: 640, seed: 3)
        var options = StepOptions()
        options.beta2 = 0.98
        options.weightDecay = 0
        let step = try TrainingStep(model, options, capacity: text.capacity, runtime: runtime)
        let steps = task == .addition ? 1_600 : 900
        let schedule = LearningRateSchedule(.cosine, peak: 3e-3, minimum: 1e-5, warmup: 100, steps: steps)
        let source = PairSource(text, start: 0)
        for number in 1...steps { _ = try step.run(step: number, rate: schedule.rate(number), from: source) }
        let held = (9_000..<9_400).map { task.pair($0) }.filter { !seen.contains($0.source) }
        #expect(held.count > 100)
        let exact = try held.count { try greedy(model, $0, runtime) }
        #expect(Double(exact) >= 0.99 * Double(held.count), "\(exact) of \(held.count)")
    }

    /// Whether greedy decoding gives the target. Under teacher forcing the argmax at every position is right if and only
    /// if greedy decoding is.
    private func greedy(_ model: Model, _ pair: SentencePair, _ runtime: Runtime) throws -> Bool {
        var file = TensorFile()
        file.append("input_ids", shape: [1, pair.source.count], integers: pair.source.map { Int64($0) })
        file.append(
            "decoder_input_ids", shape: [1, pair.target.count],
            integers: [0] + pair.target.dropLast().map { Int64($0) })
        let output = try ForwardPass(model, options: PassOptions(), runtime: runtime).run(file)
        guard case .floats(let logits)? = output["logits"]?.values else { return false }
        let width = logits.count / pair.target.count
        return pair.target.indices.allSatisfy { position in
            let row = logits[position * width..<(position + 1) * width]
            let best = row.indices.max { row[$0] < row[$1] } ?? row.startIndex
            return Int32(best - row.startIndex) == pair.target[position]
        }
    }
}
