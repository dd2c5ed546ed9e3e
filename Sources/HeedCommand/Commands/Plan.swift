import ArgumentParser
import Heed
import HeedProcessor
import HeedRun
import HeedSupport

/// `heed plan`: what a model costs before anything runs.
struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say what training or running a model takes, before anything runs.",
        discussion: """
            heed plan --preset gpt2 --batch 4 --context 256
            heed plan model --batch 1 --json
            heed plan --preset gpt2 --html plan.html

            Presets: \(Preset.all.map { "\($0.name) (\($0.summary))" }.joined(separator: "; ")).
            """)

    @Argument(help: ArgumentHelp("A model folder; or use --preset.", valueName: "model"))
    var model: String?

    @Option(help: ArgumentHelp("A shape known by name.", valueName: "name"))
    var preset: String?

    @Option(name: [.long, .customLong("batch-size")], help: ArgumentHelp("Sequences per step.", valueName: "n"))
    var batch: Int = 1

    @Option(
        help: ArgumentHelp(
            "Tokens per sequence, on each side of an encoder-decoder; the model's whole context where not given.",
            valueName: "n"))
    var context: Int?

    @Option(
        help: ArgumentHelp(
            "Write the plan as a page, with how work grows with the text; no page where not given.", valueName: "file"))
    var html: String?

    @OptionGroup var overwriting: OverwriteOption
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        guard (model == nil) != (preset == nil) else {
            throw ValidationError("expected either a model folder or --preset NAME.")
        }
        try check("--batch", batch, atLeast: 1)
        if let context { try check("--context", context, atLeast: 1) }
    }

    func run() throws {
        if let html { try overwriting.check(page: html) }
        let description = try description()
        let shape = description.configuration
        let estimate = try WorkEstimate(shape, rows: batch, columns: context ?? shape.context)
        let runtime = try compute.runtime()
        giveBackStart(beside: estimate.weightBytes)
        let rate = try WorkEstimate.measuredRate(like: shape, runtime: runtime)
        let probe = MachineProbe(runtime)
        let report = PlanReport(
            estimate: estimate, loadedBytes: description.loadedByteCount, programBytes: residentMemory(), rate: rate,
            threads: runtime.team.count,
            bf16Rate: probe.peakOperations(.bfloat16) / probe.peakOperations())
        if let html {
            let page = Page(
                plan: report.document, curves: try WorkCurves(shape, runtime: runtime),
                title: "What \(preset ?? lastPathComponent(model ?? "the model")) costs", subtitle: shape.summary)
            try writeAtomically(path: html, bytes: page.html)
        }
        if output.json {
            try StandardOutput.writeLine(.object(report.document))
        } else {
            try StandardOutput.write(report.text)
        }
    }
}

extension PlanCommand {
    private func description() throws -> ModelDescription {
        guard let model else { return ModelDescription(try Preset.named(preset ?? "")) }
        return try ModelDescription.readTelling(folder: model)
    }
}

/// The estimate beside the measured rate of this machine.
struct PlanReport {
    let estimate: WorkEstimate
    /// Of the weights when the model runs.
    let loadedBytes: Int
    /// Of code and data of the program itself, as it stands when it has computed a layer of the model.
    let programBytes: Int
    let rate: Double
    let threads: Int
    /// Peak of bf16 products as a multiple of fp32's.
    let bf16Rate: Double

    private var stepSeconds: Double { estimate.stepOperations / rate }
    private var forwardSeconds: Double { estimate.forwardOperations / rate }
    private var readsSource: Bool { if case .encoderDecoder = estimate.configuration { true } else { false } }
    /// All that is resident when the model runs with the numbers of its files and a cache in 32-bit floats.
    private var runningBytes: Int { running(loadedBytes) }
    private func running(_ weights: Int) -> Int {
        weights + estimate.inferenceActivationBytes + estimate.cacheBytes + programBytes
    }
    private var tokens: Int { estimate.rows * estimate.columns }

    var document: JSONObject {
        var parts = JSONObject()
        for (name, count) in estimate.parts { parts[name] = .integer(count) }
        return [
            "parameters": .integer(estimate.parameters), "parameters_by_part": .object(parts),
            "batch": .integer(estimate.rows), "context": .integer(estimate.columns),
            "operations": [
                "forward": .number(estimate.forwardOperations),
                "backward": .number(2 * estimate.forwardOperations), "step": .number(estimate.stepOperations),
            ],
            "bytes": [
                "weights": .integer(estimate.weightBytes), "gradients": .integer(estimate.weightBytes),
                "weights_by_form": .object(
                    WeightForm.allCases.reduce(into: JSONObject()) { object, form in
                        object[form.rawValue] = estimate.weightBytesByForm[form].map { .integer($0) }
                    }),
                "optimiser": .integer(2 * estimate.weightBytes),
                "activations": .integer(estimate.trainingActivationBytes),
                "training": .integer(estimate.trainingBytes),
                "inference_weights": .integer(loadedBytes),
                "inference_activations": .integer(estimate.inferenceActivationBytes),
                "program": .integer(programBytes), "running": .integer(runningBytes),
                "running_by_form": .object(
                    WeightForm.allCases.reduce(into: JSONObject()) { object, form in
                        object[form.rawValue] = estimate.weightBytesByForm[form].map { .integer(running($0)) }
                    }),
                "cache": .integer(estimate.cacheBytes),
                "cache_by_form": .object(
                    CacheForm.allCases.reduce(into: JSONObject()) {
                        $0[$1.rawValue] = .integer(estimate.cacheBytes($1))
                    }),
            ],
            "threads": .integer(threads), "bf16_products_to_f32": .number(bf16Rate),
            "measured_operations_per_second": .number(rate),
            "seconds_per_step": .number(stepSeconds), "seconds_per_forward_pass": .number(forwardSeconds),
            "training_tokens_per_second": .number(Double(tokens) / stepSeconds),
        ]
    }

    var text: String {
        let shape = estimate.configuration
        var lines = [
            "\(grouped(estimate.parameters)) parameters: \(shape.summary), \(grouped(shape.vocabulary)) tokens", "",
        ]
        for (name, count) in estimate.parts {
            let share = 100 * Double(count) / Double(max(estimate.parameters, 1))
            lines.append("  " + columns((name, 26), (grouped(count), 16), (fixed(share, 1) + " %", 0)))
        }
        lines += [
            "",
            "A training step of \(estimate.rows) × \(estimate.columns) tokens" + (readsSource ? " on each side" : ""),
            "",
            row("forward", countText(estimate.forwardOperations) + "FLOP"),
            row("backward", countText(2 * estimate.forwardOperations) + "FLOP, twice the forward pass"),
            row("weights", byteText(estimate.weightBytes)), row("gradients", byteText(estimate.weightBytes)),
            row("AdamW's moments", byteText(2 * estimate.weightBytes)),
            row("activations", byteText(estimate.trainingActivationBytes)),
            row("in all", byteText(estimate.trainingBytes)),
            row(
                "time on this machine",
                Progress.duration(stepSeconds) + ", \(countText(Double(tokens) / stepSeconds))tokens/s"),
            "", "Running it on as many tokens", "",
            row("weights", byteText(loadedBytes)),
            row("activations", byteText(estimate.inferenceActivationBytes)),
            row("the program itself", byteText(programBytes)),
            row("in all", byteText(runningBytes) + (estimate.cacheBytes > 0 ? ", with a cache in f32" : "")), "",
        ]
        for form in WeightForm.allCases {
            guard let bytes = estimate.weightBytesByForm[form] else { continue }
            lines.append(row("weights, \(form.rawValue)", byteText(bytes)))
        }
        if estimate.cacheBytes > 0 {
            for form in CacheForm.allCases {
                lines.append(row("key-value cache, \(form.rawValue)", byteText(estimate.cacheBytes(form))))
            }
        }
        lines += [
            row("time on this machine", Progress.duration(forwardSeconds)), "",
            "Times follow from \(countText(rate))FLOP/s, measured now with one layer of this width on \(threads) "
                + (threads == 1 ? "thread." : "threads."),
            bf16Rate > 1
                ? "Products in bf16 have \(fixed(bf16Rate, 1)) times the peak of fp32 here."
                : "Products in bf16 are no faster than in fp32 here (\(fixed(bf16Rate, 1)) of its peak): use f32.",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private func row(_ name: String, _ value: String) -> String { "  " + columns((name, 24), (value, 0)) }
}
