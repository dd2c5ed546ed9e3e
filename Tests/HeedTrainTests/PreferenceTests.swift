import HeedModels
import HeedProcessor
import HeedRun
import HeedSupport
import HeedTensor
import HeedWeights
import Testing

@testable import HeedTrain

@Suite("Preferences")
struct PreferenceTests {
    private func rows(_ model: Model) throws -> TrainingRows {
        var file = TensorFile(place: "test")
        let (count, width) = (8, 10)
        let ids = (0..<count * width).map { Int64($0 * 7 % 61) }
        // The first four tokens of a row are the prompt.
        let labels = ids.enumerated().map { $0 % width < 4 ? -100 : $1 }
        file.append("input_ids", shape: [count, width], integers: ids)
        file.append("labels", shape: [count, width], integers: labels)
        return try TrainingRows(file, model.architecture)
    }

    private func options(_ pairs: Int) -> StepOptions {
        var options = StepOptions()
        (options.batch, options.accumulate, options.context) = (1, 2 * pairs, 10)
        (options.optimiser, options.beta1, options.weightDecay, options.clip) = (.sgd, 0, 0, nil)
        options.dropout = 0
        return options
    }

    private func source(_ model: Model, _ rows: TrainingRows, pairs: Int, _ runtime: Runtime) throws -> PreferenceSource
    {
        _ = try model.weights.change()
        return try PreferenceSource(
            rows, beta: 0.5, pairsPerStep: pairs, order: .sequential, seed: 1,
            AnswerScorer(model, longest: rows.longest, precision: .float32, runtime: runtime))
    }

    @Test("a model that has not moved prefers neither; a small step lowers the loss as its gradient says")
    func gradient() throws {
        let runtime = try Runtime(threads: 1)
        let model = try SmallRun.model()
        let rows = try rows(model)
        let source = try source(model, rows, pairs: 4, runtime)
        let step = try TrainingStep(
            model, options(4), capacity: StepCapacity(tokens: 10, sequences: 1, length: 10), runtime: runtime)
        // From where the weights are, and from where a first step has led.
        for (number, rate) in [(1, 0.05), (2, 1e-3)] {
            let before = try #require(try source.prepare(step: number)).loss
            if number == 1 { #expect(abs(before - 0.693147) < 1e-6) } else { #expect(before < 0.69) }
            let result = try step.run(step: number, rate: rate, from: source)
            #expect(result.loss == before)
            guard number == 2 else { continue }
            let after = try #require(try source.prepare(step: number)).loss
            let expected = rate * result.gradientNorm * result.gradientNorm
            #expect(abs((before - after) - expected) < 0.05 * expected, "\(before - after) and \(expected)")
        }
    }

    @Test("what is preferred becomes likelier than what is not")
    func learns() throws {
        let runtime = try Runtime(threads: 1)
        let model = try SmallRun.model()
        let rows = try rows(model)
        let source = try source(model, rows, pairs: 2, runtime)
        let step = try TrainingStep(
            model, options(2), capacity: StepCapacity(tokens: 10, sequences: 1, length: 10), runtime: runtime)
        var last = 1.0
        for number in 1...40 { last = try step.run(step: number, rate: 0.05, from: source).loss }
        #expect(last < 0.3, "\(last)")
    }

    @Test("−log σ and σ at the ends")
    func functions() {
        for x in [-700.0, -3, 0, 3, 700] {
            #expect(PreferenceSource.surprise(x).isFinite && PreferenceSource.sigmoid(x).isFinite)
            #expect(abs(PreferenceSource.surprise(x) - PreferenceSource.surprise(-x) + x) < 1e-9 * max(abs(x), 1))
            #expect(abs(PreferenceSource.sigmoid(x) + PreferenceSource.sigmoid(-x) - 1) < 1e-12)
        }
    }
}
