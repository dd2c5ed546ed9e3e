import HeedProcessor
import HeedModels
import HeedSupport
import HeedTensor

@testable import HeedTrain

/// A run small enough to be repeated a hundred times: two layers of 32, a tied head, dropout, gradient clipping.
struct SmallRun {
    var options = TrainingOptions()
    var threads = 1
    var validation: ValidationChoice? = .fraction(0.2)

    init(steps: Int = 12) {
        options.step.batch = 6
        options.step.context = 16
        options.step.dropout = 0.2
        options.step.clip = 0.5
        options.schedule = LearningRateSchedule(.cosine, peak: 3e-3, minimum: 3e-4, warmup: 3, steps: steps)
        options.saveEvery = 3
        options.evaluateEvery = 4
    }

    static func model() throws -> Model {
        try Model(
            .gpt2(width: 32, layers: 2, heads: 2, vocabulary: 61, context: 16), family: .gpt2, seed: 7)
    }

    /// Ids with something to learn: a round of 23, now and then disturbed.
    static func tokens(_ count: Int) -> [Int32] {
        var ids: [Int32] = []
        for i in 0..<count {
            let disturbance = i % 11 == 0 ? i % 7 : 0
            ids.append(Int32((i % 23 * 5 + disturbance) % 61))
        }
        return ids
    }

    func data(for model: Model, tokens: [Int32] = SmallRun.tokens(1500)) throws -> OpenedData {
        let path = temporaryPath("tokens.bin")
        try writeAtomically(
            path: path, bytes: tokens.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] })
        defer { try? removeFile(path) }
        return try OpenedData(
            [path], validation: validation, encoding: nil, vocabulary: 61, options: options.step,
            order: options.order)
    }

    /// A run that would write into `folder`.
    func make(_ folder: String, resume: Bool = false, model: Model? = nil) throws -> TrainingRun {
        let model = try model ?? SmallRun.model()
        var output = TrainingOutput(folder: joinPath(folder, "out"))
        output.log = joinPath(folder, "log.jsonl")
        output.resume = resume
        output.tokenizerFiles = { try writeAtomically(path: joinPath($0, "tokenizer.json"), text: "{}") }
        return try TrainingRun(
            model, try data(for: model), options, output: output, runtime: try Runtime(threads: threads))
    }

    /// What a run leaves, speeds aside.
    struct Result: Equatable {
        var weights: [UInt8]
        var state: [UInt8]
        var rows: [[String]]
    }

    static func result(_ folder: String) throws -> Result {
        let text = String(decoding: try readFile(joinPath(folder, "log.jsonl")), as: UTF8.self)
        let rows = try text.split(separator: "\n").map { line in
            let row = try JSON.parse(String(line))
            return ["step", "loss", "lr", "grad_norm", "tokens", "validation_loss"].map {
                row[$0]?.serialised() ?? "-"
            }
        }
        return Result(
            weights: try readFile(joinPath(folder, "out/model.safetensors")),
            state: try readFile(joinPath(folder, "out/training/state.safetensors")), rows: rows)
    }

    /// Runs to the end in a folder of its own and returns what is left.
    func complete() throws -> Result {
        let folder = try SmallRun.folder()
        defer { try? removeTree(folder) }
        _ = try make(folder).run()
        return try SmallRun.result(folder)
    }

    static func folder() throws -> String {
        let folder = temporaryPath("run")
        try createDirectory(folder)
        return folder
    }
}

extension BatchSource {
    /// Micro-batch `part` of `step`, in room for `rows` sequences of `columns` tokens.
    func batch(rows: Int, columns: Int, step: Int, part: Int = 0) throws -> TokenBatch {
        let capacity = StepCapacity(tokens: rows * columns, sequences: rows, length: columns)
        let input = StepInput(capacity, readsSource: false)
        try fill(input, step: step, part: part)
        return input.tokens
    }
}
