import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedWeights
import Testing

@testable import HeedTrain

/// What a test throws where a kill would strike.
private struct Killed: Error {}

@Suite("Training runs")
struct TrainingRunTests {
    @Test("micro-batches, threads and repetition change no bit")
    func sameBits() throws {
        let one = SmallRun()
        let expected = try one.complete()
        #expect(expected.rows.count == 12)
        #expect(expected.rows.map { $0[0] } == (1...12).map { String($0) })
        #expect(expected.rows.indices.filter { expected.rows[$0][5] != "-" } == [3, 7, 11])
        var other = one
        for (batch, accumulate, threads) in [(6, 1, 1), (3, 2, 1), (2, 3, 2), (1, 6, 3), (6, 1, 2), (6, 1, 3)] {
            other.options.step.batch = batch
            other.options.step.accumulate = accumulate
            other.threads = threads
            #expect(
                try other.complete() == expected, "batch \(batch), accumulate \(accumulate), threads \(threads)")
        }
        other.options.step.seed = 2
        #expect(try other.complete().weights != expected.weights)
    }

    @Test("the loss falls")
    func learns() throws {
        let rows = try SmallRun(steps: 60).complete().rows
        let first = try #require(Double(rows[0][1]))
        let last = try #require(Double(rows[59][1]))
        #expect(first > 3.9 && last < first - 1, "from \(first) to \(last)")
    }

    @Test("killed at every file operation, resumed: the same bits, no strays")
    func kills() throws {
        let small = SmallRun()
        let expected = try small.complete()
        var point = 0
        var reached = true
        while reached {
            point += 1
            let folder = try SmallRun.folder()
            defer { try? removeTree(folder) }
            reached = try kill(small, in: folder, at: point)
            guard reached else { break }
            // What a killed writer leaves: half a file under its temporary name, half a line of the log.
            let out = joinPath(folder, "out")
            for path in ["model.safetensors", "config.json", "training/state.safetensors"] {
                let folder = parentPath(joinPath(out, path))
                if isDirectory(folder) { try writeAtomically(path: joinPath(out, path) + ".tmp-99999-1", text: "half") }
            }
            let log = joinPath(folder, "log.jsonl")
            try writeAtomically(path: log, bytes: try readFile(log) + Array("{\"step\":12,\"lo".utf8))
            try writeAtomically(path: log + ".tmp-99999-2", text: "half")
            try whole(out)

            _ = try small.make(folder, resume: true).run()
            #expect(try SmallRun.result(folder) == expected, "killed at operation \(point)")
            let strays = try (listDirectory(folder) + listDirectory(out) + listDirectory(joinPath(out, "training")))
                .filter { $0.contains(".tmp") }
            #expect(strays.isEmpty, "killed at operation \(point)")
        }
        // Four saves of "state", "model", "end" each, and twice more for what is written once.
        #expect(point == 4 * 3 + 2 + 1)
    }

    /// Runs until file operation `point` and stops there as a kill would; false when the run ends before.
    private func kill(_ small: SmallRun, in folder: String, at point: Int) throws -> Bool {
        let run = try small.make(folder)
        var operations = 0
        run.beforeFileOperation = { _ in
            operations += 1
            if operations == point { throw Killed() }
        }
        do {
            _ = try run.run()
            return false
        } catch is Killed {
            return true
        }
    }

    /// Every public file that is there can be read.
    private func whole(_ folder: String) throws {
        let model = joinPath(folder, "model.safetensors")
        guard fileExists(model) else { return }
        #expect(try SafetensorsFile(path: model).tensors.count > 0)
        _ = try Model.load(folder: folder)
    }

    @Test("asked to stop after every step, resumed: the same bits")
    func interruptions() throws {
        let small = SmallRun()
        let expected = try small.complete()
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        for step in 1...11 {
            let error = #expect(throws: HeedError.self) {
                try small.make(folder, resume: true).run(shouldStop: { true })
            }
            #expect(error?.kind == .interrupted)
            #expect(error?.description.contains("after step \(step) of 12") == true)
            #expect(error?.description.contains(joinPath(folder, "out")) == true)
        }
        _ = try small.make(folder, resume: true).run()
        #expect(try SmallRun.result(folder) == expected)
    }

    @Test("a finished run is left alone, a lost model file comes back")
    func finished() throws {
        let small = SmallRun(steps: 4)
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        let summary = try small.make(folder).run()
        #expect(summary.ending == .finished && summary.step == 4 && summary.resumedFrom == 0)
        let result = try SmallRun.result(folder)
        #expect(try small.make(folder, resume: true).run().ending == .wasFinished)
        #expect(try SmallRun.result(folder) == result)
        try removeFile(joinPath(folder, "out/model.safetensors"))
        #expect(try small.make(folder, resume: true).run().ending == .wasFinished)
        #expect(try SmallRun.result(folder) == result)
    }

    @Test("a run is not thrown away by accident")
    func protects() throws {
        let small = SmallRun(steps: 4)
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        _ = try small.make(folder).run()
        let error = #expect(throws: HeedError.self) { try small.make(folder) }
        #expect(error?.description.contains("`resume`") == true)
        #expect(error?.description.contains("`overwrite`") == true)
    }

    @Test("other options than the saved run's are named")
    func mismatches() throws {
        let small = SmallRun(steps: 4)
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        #expect(throws: HeedError.self) { try small.make(folder).run(shouldStop: { true }) }
        func expect(_ option: String, _ change: (inout SmallRun) -> Void) throws {
            var other = small
            change(&other)
            let error = #expect(throws: HeedError.self) { try other.make(folder, resume: true).run() }
            #expect(error?.description.contains(option) == true, "\(option): \(error?.description ?? "")")
        }
        try expect("`peak`") { $0.options.schedule.peak = 1e-3 }
        try expect("`batch`") { $0.options.step.batch = 5 }
        try expect("`seed`") { $0.options.step.seed = 5 }
        try expect("`dropout`") { $0.options.step.dropout = nil }
        try expect("`data`") { $0.validation = nil }
        let wide = try Model(
            .gpt2(width: 40, layers: 2, heads: 2, vocabulary: 61, context: 16), family: .gpt2, seed: 7)
        let error = #expect(throws: HeedError.self) { try small.make(folder, resume: true, model: wide).run() }
        #expect(error?.description.contains("another shape") == true)
        // How steps are cut and saved may change.
        var same = small
        same.options.step.batch = 2
        same.options.step.accumulate = 3
        same.options.saveEvery = 0
        #expect(try same.make(folder, resume: true).run().resumedFrom == 1)
    }

    @Test("a run becomes longer, whether it was stopped or had ended; the schedule follows the new length")
    func lengthening() throws {
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        _ = try SmallRun(steps: 6).make(folder).run()
        let longer = SmallRun(steps: 10)
        do {
            let run = try longer.make(folder, resume: true)
            let summary = try run.run()
            #expect(summary.ending == .finished && summary.step == 10 && summary.resumedFrom == 6)
            #expect(run.formerSteps == 6)
        }
        let rates = try SmallRun.result(folder).rows.compactMap { Double($0[2]) }
        #expect(rates == (1...10).map { step in (step <= 6 ? SmallRun(steps: 6) : longer).options.schedule.rate(step) })
        #expect(try SmallRun(steps: 4).make(folder, resume: true).run().ending == .wasFinished)

        // Where the rate does not depend on the length, the bits are those of a run that long from the start.
        var constant = SmallRun(steps: 12)
        constant.options.schedule.shape = .constant
        let expected = try constant.complete()
        var short = constant
        short.options.schedule.steps = 8
        let other = try SmallRun.folder()
        defer { try? removeTree(other) }
        _ = try short.make(other).run()
        _ = try constant.make(other, resume: true).run()
        let result = try SmallRun.result(other)
        #expect(result.weights == expected.weights)
        // The shorter run also measured at its own end.
        #expect(result.rows.map { $0[1] } == expected.rows.map { $0[1] })

        let stopped = try SmallRun.folder()
        defer { try? removeTree(stopped) }
        #expect(throws: HeedError.self) { try longer.make(stopped).run(shouldStop: { true }) }
        #expect(try SmallRun(steps: 12).make(stopped, resume: true).run().step == 12)
    }

    @Test("what no run wrote is not written over unasked, and goes as a whole when asked")
    func foreign() throws {
        let small = SmallRun(steps: 4)
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        let out = joinPath(folder, "out")
        try createDirectory(out)
        _ = try small.make(folder)
        for name in ["vocab.txt", "model-00001-of-00002.safetensors", "notes.md"] {
            try writeAtomically(path: joinPath(out, name), text: "mine")
        }
        for resume in [false, true] {
            let error = #expect(throws: HeedError.self) { try small.make(folder, resume: resume) }
            #expect(error?.description.contains("`overwrite`") == true)
        }
        var output = TrainingOutput(folder: out)
        output.overwrite = true
        let model = try SmallRun.model()
        let data = try small.data(for: model)
        _ = try TrainingRun(model, data, small.options, output: output, runtime: Runtime(threads: 1)).run()
        #expect(
            try listDirectory(out)
                == ["config.json", "generation_config.json", "model.safetensors", "notes.md", "training"])

        let log = joinPath(folder, "novel.txt")
        try writeAtomically(path: log, text: "It was a dark night.\n")
        var logged = TrainingOutput(folder: joinPath(folder, "new"))
        logged.log = log
        #expect(throws: HeedError.self) {
            try TrainingRun(model, data, small.options, output: logged, runtime: Runtime(threads: 1))
        }
        #expect(try readFile(log).count == 21)
    }

    @Test("the model of a finished run is the mean of its last saves; a longer run goes on from the last step")
    func published() throws {
        let small = SmallRun(steps: 6)
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        func run(_ steps: Int, resume: Bool) throws -> TrainingSummary {
            var output = TrainingOutput(folder: folder)
            output.averaged = 2
            output.resume = resume
            let model = try SmallRun.model()
            return try TrainingRun(
                model, small.data(for: model), SmallRun(steps: steps).options, output: output,
                runtime: Runtime(threads: 1)
            ).run()
        }
        func weights(_ path: String) throws -> [Float] {
            let weights = try Model.load(folder: path).weights.all()
            return (0..<weights.count).map { weights.base[$0] }
        }
        _ = try run(6, resume: false)
        let kept = try ["step-3", "step-6"].map { try weights(joinPath(folder, "checkpoints/\($0)")) }
        let mean = zip(kept[0], kept[1]).map { Float((Double($0) + Double($1)) / 2) }
        #expect(try weights(folder) == mean)
        #expect(try run(6, resume: true).ending == .wasFinished)
        #expect(try weights(folder) == mean, "nothing is published over the mean")
        try removeFile(joinPath(folder, "training/average.json"))
        #expect(try run(6, resume: true).ending == .wasFinished)
        #expect(try weights(folder) == mean, "a mean that was cut short is made again")
        #expect(try run(8, resume: true).resumedFrom == 6)
        #expect(try listDirectory(joinPath(folder, "checkpoints")) == ["step-6", "step-8"])
    }

    @Test("a gradient that is not finite stops the run and keeps the last save")
    func divergence() throws {
        var small = SmallRun(steps: 40)
        small.options.schedule = LearningRateSchedule(.linear, peak: 1e30, minimum: 0, warmup: 0, steps: 40)
        small.options.saveEvery = 1
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        let error = #expect(throws: HeedError.self) { try small.make(folder).run() }
        #expect(error?.kind == .numeric)
        let text = error?.description ?? ""
        #expect(text.contains("step ") && text.contains("keeps the last good save"), "\(text)")
        _ = try SafetensorsFile(path: joinPath(folder, "out/model.safetensors"))

        // Nothing saved: nothing left.
        small.options.saveEvery = 0
        let other = try SmallRun.folder()
        defer { try? removeTree(other) }
        let model = try SmallRun.model()
        try model.weights.all().base[0] = .nan
        #expect(throws: HeedError.self) { try small.make(other, model: model).run() }
        #expect(!isDirectory(joinPath(other, "out")))
    }

    @Test("a run ends early when the validation loss no longer falls")
    func patience() throws {
        var small = SmallRun(steps: 50)
        small.options.schedule.peak = 1e-12
        small.options.schedule.minimum = 0
        small.options.step.dropout = 0
        small.options.evaluateEvery = 1
        small.options.patience = 2
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        let summary = try small.make(folder).run()
        #expect(summary.ending == .stoppedEarly && summary.step < 50)
        #expect(try small.make(folder, resume: true).run().ending == .wasFinished)

        var stopping = EarlyStopping(patience: 2)
        #expect([3.0, 2, 2, 1, 1.5].map { stopping.observe($0) } == [true, true, false, true, false])
        #expect(!stopping.isOver)
        stopping.observe(1)
        #expect(stopping.isOver)
    }

    @Test("two runs do not write one folder")
    func lock() throws {
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        let first = RunFolder(path: joinPath(folder, "out"), tokenizerFiles: nil)
        try first.open()
        let error = #expect(throws: HeedError.self) { try SmallRun(steps: 4).make(folder).run() }
        #expect(error?.description.contains("another process") == true)
        withExtendedLifetime(first) {}
    }

    @Test("options are checked by name")
    func optionNames() throws {
        func expect(_ option: String, _ change: (inout TrainingOptions) -> Void) {
            var options = TrainingOptions()
            change(&options)
            let error = #expect(throws: HeedError.self, "\(option)") { try options.validate() }
            #expect(error?.kind == .usage && error?.description.hasPrefix(option) == true)
        }
        try TrainingOptions().validate()
        expect("`batch`") { $0.step.batch = 0 }
        expect("`batch`") {
            $0.step.batch = 1 << 20; $0.step.context = 1 << 20
        }
        expect("`context`") { $0.step.context = -1 }
        expect("`accumulate`") { $0.step.accumulate = 0 }
        expect("`steps`") { $0.schedule.steps = 0 }
        expect("`peak`") { $0.schedule.peak = .nan }
        expect("`peak`") { $0.schedule.peak = 0 }
        expect("`minimum`") { $0.schedule.minimum = 1 }
        expect("`warmup`") { $0.schedule.warmup = 3000 }
        expect("`weightDecay`") { $0.step.weightDecay = -1 }
        expect("`beta1`") { $0.step.beta1 = 1 }
        expect("`beta2`") { $0.step.beta2 = .infinity }
        expect("`epsilon`") { $0.step.epsilon = 0 }
        expect("`clip`") { $0.step.clip = -1 }
        expect("`dropout`") { $0.step.dropout = 1.5 }
        expect("`labelSmoothing`") { $0.step.labelSmoothing = 2 }
        expect("`saveEvery`") { $0.saveEvery = -1 }
        expect("`evaluateEvery`") { $0.evaluateEvery = -1 }
        let error = #expect(throws: HeedError.self) { try ScheduleShape.named("cosin") }
        #expect(error?.description.contains("The nearest is cosine") == true)
    }

    @Test("the mean of several models")
    func average() throws {
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        var folders: [String] = []
        for seed in 1...3 {
            let model = try Model(
                .gpt2(width: 8, layers: 1, heads: 2, vocabulary: 11, context: 4), family: .gpt2, seed: UInt64(seed))
            folders.append(joinPath(folder, "\(seed)"))
            try model.save(folder: folders[seed - 1])
        }
        let models = try folders.map { try Model.load(folder: $0).weights.all() }
        let mean = try averageWeights(of: folders).weights.all()
        for index in 0..<mean.count {
            let sum = models.reduce(0.0) { $0 + Double($1.base[index]) }
            #expect(mean.base[index] == Float(sum / 3))
        }
        try SmallRun.model().save(folder: joinPath(folder, "other"))
        #expect(throws: HeedError.self) { try averageWeights(of: [folders[0], joinPath(folder, "other")]) }
    }
}
