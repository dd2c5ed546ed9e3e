import ArgumentParser
import Heed
import HeedSupport
import HeedWeights

/// `heed replay`: a step of a training run, or an answer of `heed serve`, computed again.
struct Replay: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compute a step of a training run, or an answer of heed serve, again.",
        discussion: """
            heed replay novel-model --step 1200
            heed replay novel-model --step 1200 --json > step.json
            heed replay novel-model --step 1200 --tensor transformer.h.0.attn.c_attn.weight --output step.safetensors
            heed replay novel-model --step 1200 --before before
            heed replay answer.json --model MODEL
            heed replay answer.json --model MODEL --html why.html

            From the nearest save before it, or from the start of the run, the steps up to this one are computed again to \
            the same bits: its texts with the loss of every token, and the norm of each layer's gradient. So a loss that \
            jumps becomes a question with an answer: which texts, which layer. --tensor shows a tensor with its gradient, \
            --before writes the model with which the step began, for heed explain. Data and starting model must be where they were.

            Every answer of heed serve carries a receipt: the hash of the model's files, the numeric form, the ids of the \
            prompt, the options, the seed, and the ids that came. With --model these are computed again, on any machine, \
            and compared id by id; the file is a receipt or an answer that holds one. The exit code is 0 where all \
            sequences are the same, 1 where one differs. --html explains the first answer as heed explain does.
            """)

    @Argument(
        help: ArgumentHelp("The folder of a run, or a file with a receipt; - is standard input.", valueName: "run|file")
    )
    var folder: String

    @Option(help: ArgumentHelp("Of a run: the step, from 1; where not given, --model is.", valueName: "n"))
    var step: Int?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Of a run: show these tensors, by their published names, before and after the step, and their gradients.",
            valueName: "name"))
    var tensor: [String] = []

    @Option(
        name: .customLong("output"),
        help: ArgumentHelp(
            "Write all numbers of --tensor as NAME.before, NAME.gradient and NAME.after to this file.",
            valueName: "file.safetensors"))
    var file: String?

    @Option(
        help: ArgumentHelp(
            "Of a run: write the model as it was before the step, for heed explain, to this folder.",
            valueName: "folder"))
    var before: String?

    @Option(help: ArgumentHelp("Of a receipt: the model; where not given, --step is.", valueName: "model"))
    var model: String?

    @Option(
        help: ArgumentHelp(
            "Of a receipt: the page to write that explains the first answer; none where not given.", valueName: "file"))
    var html: String?

    @OptionGroup var adapter: AdapterOption
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        guard (step == nil) != (model == nil) else {
            throw ValidationError("expected --step for a run, or --model for a receipt.")
        }
        if let step { try check("--step", step, atLeast: 1) }
        guard step != nil || (tensor.isEmpty && before == nil) else {
            throw ValidationError("--tensor and --before: expected --step beside them.")
        }
        guard file == nil || !tensor.isEmpty else { throw ValidationError("--output: expected --tensor beside it.") }
        if model == nil, html != nil || adapter.adapter != nil {
            throw ValidationError("--html and --adapter: expected --model and a receipt.")
        }
    }

    func run() throws {
        if let model {
            return try ReceiptReplay(file: folder, model: model, adapter: adapter, page: html, json: output.json)
                .run(try compute.runtime())
        }
        guard let step else { return }
        let command = try CommandDescription(of: Train.self)
        guard let stored = try StoredOptions(folder: folder, of: command) else {
            throw HeedError(
                .missing, "the folder holds no training run", in: folder, expected: "training/options.json in it")
        }
        var words = stored.words + ["--output", folder, "--resume", "--replay-step", "\(step)"]
        if output.json { words.append("--replay-json") }
        if !tensor.isEmpty { words += ["--replay-tensor"] + tensor }
        if let file { words += ["--replay-output", file] }
        if let before { words += ["--replay-before", before] }
        if let threads = compute.threads { words += ["--threads", "\(threads)"] }
        guard let train = try Train.parseAsRoot(words) as? Train else {
            throw HeedError(.unsupported, "the options of the run are not those of heed train", in: folder)
        }
        try train.run([])
    }
}

/// Shows a step that is computed again.
struct StepReplay {
    let step: Int
    let json: Bool
    let tensors: [String]
    let output: String?
    let before: String?
    let tokenizer: Tokenizer?

    func perform(_ run: TrainingRun) throws {
        let progress = Progress("Replaying", total: step)
        if let output { try requireFreeFile(output, overwrite: false) }
        let found = try run.replay(
            step: step, tensors: tensors, writing: before, shouldStop: { Signals.isStopRequested }
        ) { done, origin in
            progress.origin = origin
            progress.update(done: done)
        }
        progress.finish()
        if let output { try write(found.tensors, to: output) }
        try StandardOutput.writeLine(json ? document(found).serialised() : text(found))
    }

    private func write(_ tensors: [ReplayedStep.Tensor], to path: String) throws {
        let all = tensors.flatMap { tensor in
            [("before", tensor.before), ("gradient", tensor.gradient), ("after", tensor.after)].map { what, values in
                TensorToWrite("\(tensor.name).\(what)", shape: tensor.shape, values)
            }
        }
        try writeSafetensors(path: path, all, metadata: ["step": "\(step)"])
    }

    /// Root mean square and extremes of a tensor's numbers, its gradient and its change.
    private func figures(_ tensor: ReplayedStep.Tensor) -> [(what: String, size: Double, least: Float, largest: Float)]
    {
        let change = zip(tensor.after, tensor.before).map { $0 - $1 }
        return [("numbers", tensor.before), ("gradient", tensor.gradient), ("change", change)].map { what, values in
            let squares = values.reduce(0.0) { $0 + Double($1) * Double($1) }
            return (
                what, (squares / Double(max(values.count, 1))).squareRoot(), values.min() ?? 0, values.max() ?? 0
            )
        }
    }

    private func words(_ ids: [Int32]) -> String {
        guard let tokenizer else { return ids.map { "\($0)" }.joined(separator: " ") }
        return (try? tokenizer.decode(ids.map { TokenID($0) }, skippingSpecialTokens: false)) ?? ""
    }

    private func document(_ found: ReplayedStep) -> JSON {
        var layers = JSONObject()
        for layer in found.result.layers { layers[layer.name] = .number(layer.norm) }
        return [
            "step": .integer(found.step), "from": .integer(found.origin), "loss": .number(found.result.loss),
            "lr": .number(found.rate), "grad_norm": .number(found.result.gradientNorm),
            "tokens": .integer(found.result.tokens), "layer_grad_norms": .object(layers),
            "tensors": .array(
                found.tensors.map { tensor in
                    var members: JSONObject = [
                        "name": .string(tensor.name), "shape": .array(tensor.shape.map { .integer($0) }),
                    ]
                    for figure in figures(tensor) {
                        members[figure.what] = [
                            "root_mean_square": .number(figure.size), "least": .number(Double(figure.least)),
                            "largest": .number(Double(figure.largest)),
                        ]
                    }
                    return .object(members)
                }),
            "sequences": .array(
                found.sequences.map { sequence in
                    [
                        "loss": .number(sequence.loss), "text": .string(words(sequence.ids)),
                        "ids": .array(sequence.ids.map { .integer(Int($0)) }),
                        "losses": .array(sequence.losses.map { $0.map { .number(Double($0)) } ?? .null }),
                    ]
                }),
        ]
    }

    private func rounded(_ value: Double) -> String { "\(Float(value))" }

    private func text(_ found: ReplayedStep) -> String {
        var lines = [
            "Step \(grouped(found.step)), from "
                + (found.origin > 0 ? "the save of step \(grouped(found.origin))" : "the start of the run")
                + ": loss \(fixed(found.result.loss, 4)), gradient \(fixed(found.result.gradientNorm, 4)), rate "
                + "\(found.rate), \(counted(found.result.tokens, "token")).", "", "Gradient by layer:",
        ]
        lines += found.result.layers.map { "  \(fixed($0.norm, 4))  \($0.name)" }
        for tensor in found.tensors {
            lines += ["", "\(tensor.name) [\(tensor.shape.map { "\($0)" }.joined(separator: ", "))]:"]
            lines += figures(tensor).map { figure in
                "  \(figure.what): root mean square \(rounded(figure.size)), from \(rounded(Double(figure.least))) to "
                    + rounded(Double(figure.largest))
            }
        }
        lines += ["", "Sequences, the hardest first:"]
        for sequence in found.sequences.sorted(by: { $0.loss > $1.loss }) {
            let line = words(sequence.ids).split(whereSeparator: \.isNewline).joined(separator: " ")
            lines.append("  \(fixed(sequence.loss, 4))  \(quoted(line, limit: 100))")
            let worst = sequence.losses.enumerated().compactMap { index, loss in loss.map { (index, $0) } }
                .max { $0.1 < $1.1 }
            if let (index, loss) = worst {
                let next = index + 1 < sequence.ids.count ? words([sequence.ids[index + 1]]) : "what follows"
                lines.append("          hardest: \(quoted(next)), \(fixed(Double(loss), 4)), token \(index + 1)")
            }
        }
        return lines.joined(separator: "\n")
    }
}
