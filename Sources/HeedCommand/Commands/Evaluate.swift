import ArgumentParser
import Heed
import HeedSupport

/// `heed evaluate`: how well a model predicts a text, or how good a translation is.
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure how well a model predicts text, or how good a translation is.",
        discussion: """
            heed evaluate model --data held-out.txt --stride 64

            The loss is the mean of −ln p over every token but the first of a file. Windows of --context tokens begin \
            every --stride tokens and score what no earlier window scored: a smaller stride gives every token more to \
            read, and takes longer. Bits per byte are those over the bytes that the tokens stand for: characters that \
            the vocabulary lacks count nowhere, and are reported.

            heed evaluate classifier --data labelled.jsonl

            For a classifier of texts: accuracy, mean −ln p of the right class, F1 by class. Every line holds \
            {"text": "…", "label": "…"}, and "pair" for a second text.

            heed evaluate translator --source held-out.de --target held-out.en

            For an encoder-decoder: the mean of −ln p over every token of the targets. For an encoder with a \
            masked-language head, --data of plain text measures how well it guesses masked tokens.

            heed evaluate --bleu translations.txt references.txt

            The files hold one segment per line, in the same order. BLEU and chrF are what sacreBLEU gives by default.
            """)

    @Argument(help: ArgumentHelp("The model: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Text, JSONL, token (.bin) or row (.safetensors) files.", valueName: "file"))
    var data: [String] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("For an encoder-decoder: text files whose lines are translated.", valueName: "file"))
    var source: [String] = []

    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("Their translations, line by line.", valueName: "file"))
    var target: [String] = []

    @Option(help: ArgumentHelp("A tokenizer for text; the model's own where not given.", valueName: "path"))
    var tokenizer: String?

    @Option(help: ArgumentHelp("Tokens of a window; the model's context where not given.", valueName: "T"))
    var context: Int?

    @Option(
        help: ArgumentHelp("Tokens from the start of a window to that of the next; T where not given.", valueName: "n"))
    var stride: Int?

    @Option(
        name: [.long, .customLong("batch-size")],
        help: ArgumentHelp("Windows computed together; changes no bit of the result.", valueName: "B"))
    var batch: Int = 8

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Compare a file of translations with one or more of references.", valueName: "file"))
    var bleu: [String] = []

    @Option(
        help: ArgumentHelp(
            "Also compare next-token distributions with another model's, where given; f32 is the same model in 32-bit "
                + "floats. By default nothing is compared.", valueName: "model|f32"))
    var against: String?

    @OptionGroup var form: WeightOption
    @OptionGroup var unknown: UnknownOption
    @OptionGroup var adapter: AdapterOption
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        if !bleu.isEmpty {
            guard bleu.count >= 2 else {
                throw ValidationError(
                    "--bleu: expected a file of translations and a file of references, got \(bleu.count) file.")
            }
            guard model == nil, data.isEmpty, source.isEmpty else {
                throw ValidationError("--bleu compares files and takes no model and no --data.")
            }
            return
        }
        guard model != nil, data.isEmpty != source.isEmpty, source.isEmpty == target.isEmpty else {
            throw ValidationError(
                "expected a model with --data FILE, or with --source FILE and --target FILE, or --bleu TRANSLATIONS "
                    + "REFERENCES.")
        }
        if let context { try check("--context", context, atLeast: 1) }
        if let stride { try check("--stride", stride, atLeast: 1) }
        try check("--batch", batch, in: 1...4096)
    }

    func run() throws {
        StandardInput.prepare(data + source + target + bleu)
        if let model {
            try LossEvaluation(
                model: model, adapter: adapter, weights: form.weights, tokenizer: tokenizer,
                files: LossEvaluation.Files(data: data, sources: source, targets: target),
                windows: LossEvaluation.Windows(context: context, stride: stride, batch: batch), against: against,
                maxUnknown: unknown.maxUnknown
            ).run(runtime: try compute.runtime(), json: output.json)
        } else {
            try TranslationEvaluation(hypotheses: bleu[0], references: Array(bleu[1...])).run(json: output.json)
        }
    }
}
