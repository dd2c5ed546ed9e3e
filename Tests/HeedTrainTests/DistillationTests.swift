import HeedModels
import HeedProcessor
import HeedRun
import HeedSupport
import HeedTensor
import Testing

@testable import HeedTrain

@Suite("Distillation")
struct DistillationTests {
    private func teacher(_ share: Double, _ temperature: Double = 2, vocabulary: Int = 61) throws -> Teacher {
        let model = try Model(
            .gpt2(width: 16, layers: 1, heads: 2, vocabulary: vocabulary, context: 16), family: .gpt2, seed: 3)
        return try Teacher(model, share: share, temperature: temperature, hash: "h")
    }

    /// Weights behind a few steps.
    private func weights(_ teacher: Teacher?, batch: Int = 6, accumulate: Int = 1) throws -> [Float] {
        var small = SmallRun(steps: 4)
        (small.options.step.batch, small.options.step.accumulate) = (batch, accumulate)
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        let model = try SmallRun.model()
        _ = try TrainingRun(
            model, small.data(for: model), small.options, output: TrainingOutput(folder: joinPath(folder, "out")),
            runtime: Runtime(threads: 2), teacher: teacher
        ).run()
        return Array(UnsafeBufferPointer(start: try model.weights.all().base, count: model.weights.layout.trained))
    }

    /// The first step under a teacher.
    private func step(_ teacher: Teacher?) throws -> StepResult {
        let small = SmallRun(steps: 1)
        let model = try SmallRun.model()
        let data = try small.data(for: model)
        return try TrainingStep(model, small.options.step, runtime: Runtime(threads: 1), teacher: teacher)
            .run(step: 1, rate: 1e-3, from: data.training)
    }

    @Test(
        "a teacher without a share changes no more than rounding, one with a share does; cutting a step changes no bit")
    func share() throws {
        let (alone, silent, heard) = (try step(nil), try step(teacher(0)), try step(teacher(0.9)))
        #expect(abs(alone.loss - silent.loss) < 1e-5)
        #expect(abs(alone.gradientNorm - silent.gradientNorm) < 1e-4 * alone.gradientNorm)
        #expect(abs(alone.loss - heard.loss) > 1e-2)
        let taught = try weights(teacher(0.9))
        #expect(taught != (try weights(nil)))
        #expect(try weights(teacher(0.9), batch: 2, accumulate: 3) == taught)
    }

    @Test("taught by itself, a model's loss is its own entropy and its gradient none")
    func itself() throws {
        var small = SmallRun(steps: 1)
        small.options.step.dropout = 0
        let model = try SmallRun.model()
        let data = try small.data(for: model)
        let step = try TrainingStep(
            model, small.options.step, runtime: Runtime(threads: 1),
            teacher: Teacher(SmallRun.model(), share: 1, temperature: 3, hash: "h"))
        let result = try step.run(step: 1, rate: 1e-3, from: data.training)
        #expect(abs(result.loss) < 1e-5)
        #expect(result.gradientNorm < 1e-5)
    }

    @Test("what does not fit is refused by name; a resumed run keeps its teacher")
    func refused() throws {
        let model = try SmallRun.model()
        #expect(throws: HeedError.self) { try teacher(1.5) }
        #expect(throws: HeedError.self) { try teacher(0.5, 0) }
        let error = #expect(throws: HeedError.self) { try teacher(0.5, vocabulary: 60).check(model, length: 16) }
        #expect(error?.description.contains("`teacher`") == true)
        let longer = #expect(throws: HeedError.self) { try teacher(0.5).check(model, length: 17) }
        #expect(longer?.description.contains("`context`") == true)
        let encoder = try Model(
            .encoder(.bert(width: 16, layers: 1, heads: 2, vocabulary: 61, context: 16)), family: .bert, seed: 3)
        #expect(throws: HeedError.self) { try Teacher(encoder, share: 0.5, temperature: 1, hash: "h") }

        let small = SmallRun(steps: 4)
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        func run(_ teacher: Teacher?, resume: Bool) throws {
            var output = TrainingOutput(folder: joinPath(folder, "out"))
            output.resume = resume
            let model = try SmallRun.model()
            _ = try TrainingRun(
                model, small.data(for: model), small.options, output: output, runtime: Runtime(threads: 1),
                teacher: teacher
            ).run(shouldStop: { !resume })
        }
        #expect(throws: HeedError.self) { try run(teacher(0.5), resume: false) }
        let other = #expect(throws: HeedError.self) { try run(teacher(0.6), resume: true) }
        #expect(other?.description.contains("`teacher`") == true)
        try run(teacher(0.5), resume: true)
    }
}
