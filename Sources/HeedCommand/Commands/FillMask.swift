import ArgumentParser
import Heed
import HeedRun
import HeedSupport

/// `heed fill-mask`: which tokens an encoder expects at masked places.
struct FillMask: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fill-mask",
        abstract: "Guess the masked tokens of a text with BERT or RoBERTa.",
        discussion: """
            heed fill-mask model --text "The capital of France is [MASK]."
            heed fill-mask model --input sentences.txt --top-k 1 --json

            MODEL is an encoder with its masked-language head. The mask token is the tokenizer's: [MASK] or <mask>.
            """)

    @Argument(help: ArgumentHelp("The encoder: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Texts with mask tokens.", valueName: "text"))
    var text: [String] = []

    @Option(
        name: [.long, .customLong("jsonl")], help: ArgumentHelp("A file with a text on every line.", valueName: "file"))
    var input: String?

    @OptionGroup(title: "Lines of a file") var lines: LineOptions

    @Option(help: ArgumentHelp("The ids of a text with mask ids.", valueName: "1,2,3"))
    var ids: IdList?

    @Option(help: ArgumentHelp("The id of the mask; the tokenizer's where not given.", valueName: "id"))
    var maskId: Int?

    @Option(help: ArgumentHelp("How many guesses to give for each mask.", valueName: "k"))
    var topK = 5

    @OptionGroup var form: WeightOption
    @OptionGroup var adapter: AdapterOption
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        guard [!text.isEmpty, input != nil, ids != nil].count(where: { $0 }) == 1 else {
            throw ValidationError("expected one of --text TEXT…, --input FILE and --ids IDS.")
        }
        guard ids == nil || maskId != nil else { throw ValidationError("--ids: expected --mask-id beside it.") }
        try check("--top-k", topK, in: 1...1 << 20)
    }

    func run() throws {
        let loaded = try adapter.load(model, weights: form.weights)
        let tokenizer = ids == nil ? try Tokenizer.load(path: model) : try? Tokenizer.load(path: model)
        guard let mask = maskId.map({ Int32(clamping: $0) }) ?? tokenizer.flatMap(FillMask.mask) else {
            throw HeedError(
                .missing, "the tokenizer has no mask token", in: model, expected: "[MASK] or <mask>",
                advice: "Say which id it is with --mask-id.")
        }
        let runtime = try compute.runtime()
        func predict(_ ids: [Int32]) throws -> [MaskedPrediction] {
            try MaskedPrediction.predict(loaded, ids: ids, mask: mask, count: topK, runtime: runtime)
        }
        if let ids {
            try show(predict(ids.ids), tokenizer)
            return
        }
        guard let tokenizer else { return }
        let reader = FittingTokenizer(tokenizer, longest: try loaded.encoder.configuration.context)
        let errors = LineErrors(lines.onError)
        let source = try TextSource(text, file: input, lines)
        let results = try source.map(errors) { content, place in
            let (encoding, tokens) = try reader.encode(try content.text(in: place))
            if tokens > encoding.ids.count { errors.reportCut(place, tokens: tokens, kept: encoding.ids.count) }
            return (place: place, predictions: try predict(encoding.ids.map { Int32($0) }))
        }
        for result in results {
            guard let result else {
                try StandardOutput.writeLine()
                continue
            }
            if results.count > 1, !output.json { try StandardOutput.writeLine("— \(result.place)") }
            try show(result.predictions, tokenizer)
        }
        try errors.finish(of: results.count)
    }

    /// What is expected at the masked places of one text; one line under `--json`.
    private func show(_ predictions: [MaskedPrediction], _ tokenizer: Tokenizer?) throws {
        let masks = try predictions.map { prediction in
            let guesses = try prediction.guesses.map { guess in
                (guess, try tokenizer.map { try $0.decode([guess.id], skippingSpecialTokens: false) })
            }
            if !output.json {
                try StandardOutput.writeLine("token \(prediction.place)")
                for (guess, token) in guesses {
                    try StandardOutput.writeLine(
                        "  " + columns((fixed(guess.probability, 4), 8), (token ?? "id \(guess.id)", 0)))
                }
            }
            return JSON.object([
                "place": .integer(prediction.place),
                "guesses": .array(
                    guesses.map { guess, token in
                        [
                            "id": .integer(Int(guess.id)), "token": token.map { .string($0) } ?? .null,
                            "probability": .number(guess.probability),
                        ]
                    }),
            ])
        }
        if output.json { try StandardOutput.writeLine(["masks": .array(masks)]) }
    }

    private static func mask(_ tokenizer: Tokenizer) -> Int32? {
        ["[MASK]", "<mask>"].lazy.compactMap { tokenizer.id(of: $0).map { Int32($0) } }.first
    }
}
