import HeedProcessor
import HeedModels
import HeedSupport
import HeedTensor
import HeedWeights
import TestFixtures
import Testing

@testable import HeedTrain

/// A run that PyTorch made with nanoGPT's settings: start weights, window offsets and losses.
struct ReferenceRun {
    let model: Model
    let tokens: [Int32]
    let offsets: [Int]
    let losses: [Double]
    let norms: [Double]
    let options: StepOptions

    init() throws {
        let folder = Shared.path("models", "shakespeare-char")
        model = try Model.load(folder: joinPath(folder, "start"))
        let record = try JSON.load(path: joinPath(folder, "run.json"))
        let characters = Array(record["characters"]?.stringValue ?? "").map { $0 }
        let text = String(decoding: try readFile(Shared.path("data", "text", "tinyshakespeare.txt")), as: UTF8.self)
        let ids = Dictionary(uniqueKeysWithValues: characters.enumerated().map { ($1, Int32($0)) })
        tokens = text.compactMap { ids[$0] }
        let file = try SafetensorsFile(path: joinPath(folder, "offsets.safetensors"))
        offsets = try file.integers(file.tensors[0].name)
        losses = record["losses"]?.arrayValue?.compactMap(\.doubleValue) ?? []
        norms = record["grad_norms"]?.arrayValue?.compactMap(\.doubleValue) ?? []
        var options = StepOptions()
        options.beta2 = 0.99
        options.dropout = 0
        self.options = options
    }

    static func rate(_ step: Int) -> Double {
        if step <= 100 { return 1e-3 * Double(step) / 100 }
        let (_, cosine) = ExactMathematics.sineAndCosine(Double.pi * Double(step - 1 - 100) / 1900)
        return 1e-4 + 9e-4 * 0.5 * (1 + cosine)
    }
}

extension ReferenceRun: BatchSource {
    func fill(_ input: StepInput, step: Int, part: Int) throws {
        let batch = input.tokens
        for row in 0..<12 {
            let start = offsets[(step - 1) * 12 + row]
            let first = batch.rows.current
            try batch.append(tokens[start..<start + 64])
            for i in 0..<64 { batch.targets[first + i] = tokens[start + i + 1] }
        }
    }
}

@Suite("Tiny Shakespeare against PyTorch")
struct ShakespeareTests {
    @Test("the first 100 losses and norms", .enabled(if: Shared.isThere))
    func firstHundredSteps() throws {
        let run = try ReferenceRun()
        #expect(run.tokens.count == 1_115_394)
        let step = try TrainingStep(run.model, run.options, runtime: Runtime(threads: 2))
        var worst = 0.0
        for number in 1...100 {
            let result = try step.run(step: number, rate: ReferenceRun.rate(number), from: run)
            worst = max(worst, abs(result.loss - run.losses[number - 1]))
            #expect(abs(result.gradientNorm - run.norms[number - 1]) <= 1e-4 * max(1, run.norms[number - 1]))
        }
        #expect(worst <= 1e-4)
    }

    @Test(
        "all 2,000 steps: losses, and the validation loss over every window of the last tenth",
        .enabled(if: Shared.isThere && Shared.wantsLongTests, "set HEED_LONG_TESTS to run it; some minutes"))
    func wholeRun() throws {
        let run = try ReferenceRun()
        let runtime = try Runtime(threads: 2)
        let step = try TrainingStep(run.model, run.options, runtime: runtime)
        let meter = try StreamLoss(run.model, context: 64, runtime: runtime)
        let first = run.tokens.count * 9 / 10
        let windows = (run.tokens.count - first - 1) / 64
        let held = TokenStream(Array(run.tokens[first..<first + windows * 64 + 1]), name: "the last tenth")
        func validation() throws -> Double { try #require(try meter.measure([held])).mean }
        print("step 0: validation loss \(try validation())")
        var (worst, sum) = (0.0, 0.0)
        let clock = ContinuousClock()
        var spent = Duration.zero
        for number in 1...2000 {
            let start = clock.now
            let result = try step.run(step: number, rate: ReferenceRun.rate(number), from: run)
            spent += clock.now - start
            let difference = abs(result.loss - run.losses[number - 1])
            if number <= 100 { worst = max(worst, difference) }
            sum += difference
            if [100, 250, 500, 1000, 1500].contains(number) {
                print("step \(number): validation loss \(try validation())")
            }
        }
        let loss = try validation()
        let speed = Double(2000 * 12 * 64) / spent.inSeconds
        print("step 2000: validation loss \(loss); \(Int(speed)) tokens/s")
        print("losses beside PyTorch's: worst of the first 100 \(worst), mean of all \(sum / 2000)")
        #expect(worst <= 1e-4)
        #expect(abs(loss - 1.896) <= 0.02)
    }
}
