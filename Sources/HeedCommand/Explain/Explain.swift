import ArgumentParser
import Heed
import HeedSupport
import HeedWeights

/// `heed explain`: what happens in a model between a text and its answer.
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what happens in a model between a text and its answer.",
        discussion: """
            heed explain model --prompt "The cat sat on"
            heed explain model --prompt "The cat sat on" --layer 2 --head 1
            heed explain model --prompt "The cat sat on" --gradients --target " the"
            heed explain model --prompt "The cat sat on" --against "The dog sat on" --html why.html
            heed explain model --ids 5,6,7 --target 8 --output readings.safetensors

            Every operation in order, with its formula, shapes, cost and numbers, read from the pass itself, then what \
            can be read of the pass: the stream read out after each block, attention, and how much each token, head \
            and layer says for the answer. None of it is a reason: it says what was read and what the answer is \
            sensitive to.
            """)

    @Argument(help: ArgumentHelp("The model: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @OptionGroup(title: "What is asked") var question: QuestionOptions

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "What to read: lens, attention, gradients, attribution, integrated, ablation, patching.",
            discussion: "Where not given, all, except what would take minutes on a long text.",
            valueName: "reading"))
    var readings: [Reading] = []

    @OptionGroup(title: "A closer look") var look: LookOptions

    @Option(help: ArgumentHelp("Write every reading as tensors to this safetensors file.", valueName: "file"))
    var output: String?

    @Option(
        help: ArgumentHelp(
            "Write everything as one page to open in a browser, whole in itself; no page where not given.",
            valueName: "file"))
    var html: String?

    @OptionGroup var overwriting: OverwriteOption
    @OptionGroup var form: WeightOption
    @OptionGroup var adapter: AdapterOption
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        guard question.against != nil || !readings.contains(.patching) else {
            throw ValidationError("--readings patching: expected --against TEXT beside it.")
        }
        guard form.weights.isExact || !look.gradients else {
            throw ValidationError(
                "--gradients: expected --weights stored or f32: products of rounded numbers move in steps, which "
                    + "differences cannot follow.")
        }
    }

    func run() throws {
        if let output { try overwriting.check(output, tensors: ["logits", "gradient_times_input", "attentions.0"]) }
        if let html { try overwriting.check(page: html) }
        let loaded = try adapter.load(model, weights: form.weights)
        let runtime = try compute.runtime()
        let asked = try question.ask(loaded, folder: model)
        let wanted = asked.readings(readings, isComplete: output != nil || json.json)
        let progress = Progress("Explaining", total: max(asked.passes(wanted.readings), 1))
        var done = 0
        let explanation = try Explanation(
            loaded, asked.input, target: asked.target, against: asked.other, readings: wanted.readings,
            rows: output != nil ? nil : html != nil ? asked.rowsOfPage : 1, runtime: runtime
        ) {
            try Signals.check()
            done += 1
            progress.update(done: done)
        }
        progress.finish()
        let checks = look.gradients && explanation.target != nil ? try self.checks(explanation) : []
        if let output { try explanation.tensors().write(path: output) }
        if let html {
            try writeAtomically(
                path: html, bytes: asked.page(explanation, leftOut: wanted.leftOut, checks: checks, model: model).html)
        }
        if json.json {
            try StandardOutput.writeLine(
                explanation.json(text: { try asked.text($0) }, sourceText: { try asked.sourceText($0) }, checks: checks)
            )
        } else if output == nil, html == nil {
            let text = ExplanationText(
                explanation: explanation, asked: asked, look: look, terminal: .output, leftOut: wanted.leftOut,
                checks: checks)
            try StandardOutput.write(try text.page())
        }
    }
}

extension Explain {
    /// Every gradient beside central differences.
    private func checks(_ explanation: Explanation) throws -> [GradientCheck] {
        let progress = Progress("Checking gradients", total: explanation.gradientCheckCount)
        var done = 0
        let checks = try explanation.gradientChecks {
            try Signals.check()
            done += 1
            progress.update(done: done)
        }
        progress.finish()
        return checks
    }
}

extension Reading: ExpressibleByArgument {}

/// What to look at more closely.
struct LookOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Every step of this block, counted from 0; the first one where not given.", valueName: "n"))
    var layer: Int?

    @Option(
        help: ArgumentHelp(
            "How this head comes to its answer, step by step; no head where not given. Looks at block 0 without --layer.",
            valueName: "n"))
    var head: Int?

    @Option(
        help: ArgumentHelp(
            "Every number that this operation made: its place in the list, or its path; none where not given.",
            valueName: "step"))
    var step: String?

    @Flag(help: "The way back: the gradient of the target's logit by every value and parameter, checked.")
    var gradients = false

    func validate() throws {
        for (name, value) in [("--layer", layer), ("--head", head)] {
            if let value { try check(name, value, atLeast: 0) }
        }
    }
}
