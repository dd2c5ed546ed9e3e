import HeedModels
import HeedProcessor
import HeedSupport
import Testing

@testable import HeedTrain

@Suite("Trials of learning rates, and norms by layer")
struct RateTrialTests {
    @Test("the rate where the loss falls fastest, and none where it never falls")
    func suggestion() {
        let rates = (0..<100).map { ExactMathematics.pow(10, Double($0) / 20 - 5) }
        // Falls around the fiftieth, rises from the eightieth on.
        let losses = (0..<100).map { index -> Double in
            index >= 80 ? 1 + Double(index - 80) : 4 - 3 / (1 + ExactMathematics.exp(-Double(index - 50) / 3))
        }
        let found = RateTrial(rates: rates, measured: losses)
        let rate = found.suggestion ?? 0
        #expect(rate > rates[45] && rate < rates[65], "\(rate)")
        #expect(RateTrial(rates: rates, measured: rates.map { $0 + 1 }).suggestion == nil)
        #expect(RateTrial(rates: [], measured: []).suggestion == nil)
    }

    @Test("a trial on a model finds a rate that a run can take, and writes nothing")
    func trial() throws {
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        let trial = try SmallRun().make(folder).tryRates()
        #expect(trial.rates.count == trial.losses.count && trial.rates.count > 40)
        let rate = try #require(trial.suggestion)
        #expect(rate > 1e-5 && rate < 1, "\(rate)")
        #expect(try listDirectory(folder).isEmpty)
    }

    @Test("norms by layer add up to the norm of all, and stand in the log")
    func layers() throws {
        var small = SmallRun(steps: 3)
        small.options.step.reportsLayers = true
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        _ = try small.make(folder).run()
        let lines = String(decoding: try readFile(joinPath(folder, "log.jsonl")), as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 3)
        for line in lines {
            let row = try JSON.parse(String(line))
            let norms = try #require(row["layer_grad_norms"]?.objectValue)
            #expect(
                norms.keys == [
                    "transformer.wte", "transformer.wpe", "transformer.h.0", "transformer.h.1", "transformer.ln_f",
                ])
            let sum = norms.values.compactMap(\.doubleValue).reduce(0) { $0 + $1 * $1 }.squareRoot()
            let norm = try #require(row["grad_norm"]?.doubleValue)
            #expect(abs(sum - norm) < 1e-9 * norm)
        }
        #expect(LayerNorms.layer(of: "lm_head.weight") == "lm_head" && LayerNorms.layer(of: "bias") == "bias")
    }

    @Test("a step is computed again to the same bits, from a save and from the start")
    func replay() throws {
        let small = SmallRun()
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        _ = try small.make(folder).run()
        let rows = try SmallRun.result(folder).rows
        for (step, origin) in [(11, 9), (12, 9), (10, 9), (4, 0), (1, 0)] {
            let found = try small.make(folder, resume: true).replay(step: step)
            #expect(found.origin == origin)
            #expect(JSON.number(found.result.loss).serialised() == rows[step - 1][1])
            #expect(JSON.number(found.result.gradientNorm).serialised() == rows[step - 1][3])
            #expect(found.sequences.count == 6 && found.sequences.allSatisfy { $0.ids.count == 16 })
            let mean = found.sequences.reduce(0) { $0 + $1.loss } / 6
            #expect(abs(mean - found.result.loss) < 1e-5)
        }
        #expect(throws: HeedError.self) { try small.make(folder, resume: true).replay(step: 13) }

        // A tensor of one step is where the next begins, and the last is the model; so is what is written.
        let last = try Model.load(folder: joinPath(folder, "out"))
        let name = try #require(last.trainedTensors.first { $0.storedShape.count == 2 }?.name)
        let before = joinPath(folder, "before")
        let steps = try [11, 12].map { step in
            try small.make(folder, resume: true).replay(
                step: step, tensors: [name], writing: step == 12 ? before : nil)
        }
        let (eleventh, twelfth) = (try #require(steps[0].tensors.first), try #require(steps[1].tensors.first))
        #expect(eleventh.after == twelfth.before && twelfth.before != twelfth.after)
        #expect(twelfth.gradient.count == twelfth.shape.reduce(1, *) && twelfth.gradient.contains { $0 != 0 })
        func stored(_ model: Model) throws -> [Float]? {
            let numbers = try model.weights.all()
            return model.trainedTensors.first { $0.name == name }?.stored(in: numbers)
        }
        #expect(try stored(last) == twelfth.after)
        #expect(try stored(Model.load(folder: before)) == twelfth.before)
        let error = #expect(throws: HeedError.self) {
            try small.make(folder, resume: true).replay(step: 12, tensors: [name + "s"])
        }
        #expect(error?.description.contains("The nearest is \(name)") == true)
    }
}
