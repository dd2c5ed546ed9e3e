import HeedModels
import HeedProcessor
import HeedTensor
import Testing

@testable import HeedTrain

@Suite("When gradients are complete")
struct CompletionTests {
    private struct Ids: BatchSource {
        let options: StepOptions
        let vocabulary: Int
        let readsSource: Bool

        func fill(_ input: StepInput, step: Int, part: Int) throws {
            for batch in readsSource ? [input.source, input.tokens] : [input.tokens] {
                for row in 0..<options.batch {
                    for column in 0..<options.context {
                        let index = row * options.context + column
                        batch.ids[index] = Int32((index * 7 + step) % vocabulary)
                        batch.positions[index] = Int32(column)
                        batch.targets[index] = Int32((index * 5 + 3) % vocabulary)
                    }
                    batch.offsets[row + 1] = Int32((row + 1) * options.context)
                    batch.lengths[row] = Int32(options.context)
                    batch.sequenceTargets[row] = Int32(row & 1)
                }
                batch.rows.current = options.batch * options.context
                batch.sequences.current = options.batch
            }
        }
    }

    @Test(
        "nothing is added to a gradient behind the event that completes it",
        arguments: ["tiny", "llama-tiny", "bert-tiny", "translation-small"], [1, 2])
    func final(preset name: String, threads: Int) throws {
        let preset = try Preset.named(name)
        let model = try Model(preset.configuration, family: preset.family, seed: 3)
        var options = StepOptions()
        (options.batch, options.context, options.dropout) = (2, 12, 0.1)
        let step = try TrainingStep(model, options, runtime: Runtime(threads: threads))
        let source = Ids(
            options: options, vocabulary: model.architecture.vocabulary, readsSource: model.architecture.readsSource)
        _ = try step.run(step: 1, rate: 1e-3, from: source)

        // The input of that step is still there.
        let pass = step.pass
        let gradients = try #require(pass.gradients)
        let trained = gradients.layout.parameters.filter { gradients.layout.isTrained($0) }
        let byEvent = Dictionary(grouping: trained.filter { pass.completions[$0] != nil }) { pass.completions[$0] ?? 0 }
        var complete: [Parameter: [Float]] = [:]
        pass.forward()
        pass.backward { events in
            for parameter in byEvent[events] ?? [] { complete[parameter] = Array(gradients[parameter]) }
        }
        pass.finishGradients()
        #expect(complete.count > trained.count * 3 / 4)
        for (parameter, values) in complete {
            #expect(Array(gradients[parameter]) == values, "\(parameter.name)")
            #expect(values.contains { $0 != 0 }, "\(parameter.name)")
        }
        let parts = gradients.layout.parameters.map { Array(gradients[$0]) }
        gradients.base.update(repeating: 0, count: gradients.count)
        // The same pass without a look in between.
        pass.forward()
        pass.backward()
        pass.finishGradients()
        #expect(gradients.layout.parameters.map { Array(gradients[$0]) } == parts)
        withExtendedLifetime(step) {}
    }
}
