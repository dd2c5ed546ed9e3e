import ArgumentParser
import Heed
import HeedSupport
import HeedTexts

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
        let runtime = try compute.runtime()
        let mask = maskId.map { Int32(clamping: $0) }
        if let ids, let mask {
            let tokenizer = try? Tokenizer.load(path: model)
            let found = try MaskedPrediction.predict(
                loaded, ids: ids.ids, mask: mask, count: topK, runtime: runtime)
            try show(
                found.map { prediction in
                    (
                        prediction.place,
                        try prediction.guesses.map { guess in
                            (
                                try tokenizer.map { try $0.decode([guess.id], skippingSpecialTokens: false) },
                                guess.id, guess.probability
                            )
                        }
                    )
                })
            return
        }
        let filler = try MaskFiller(loaded, in: model, mask: mask, runtime: runtime)
        let errors = LineErrors(lines.onError)
        let source = try TextSource(text, file: input, lines)
        let results = try source.map(errors) { content, place in
            let (ids, tokens) = try filler.encode(try content.text(in: place))
            if tokens > ids.count { errors.reportCut(place, tokens: tokens, kept: ids.count) }
            return (place: place, found: try filler.fill(ids, count: topK))
        }
        for result in results {
            guard let result else {
                try StandardOutput.writeLine()
                continue
            }
            if results.count > 1, !output.json { try StandardOutput.writeLine("— \(result.place)") }
            try show(result.found.map { ($0.index, $0.guesses.map { ($0.token, $0.id, $0.probability) }) })
        }
        try errors.finish(of: results.count)
    }

    /// What is expected at the masked places of one text; one line under `--json`.
    private func show(_ places: [(index: Int, guesses: [(token: String?, id: Int32, probability: Double)])]) throws {
        if output.json {
            let masks = places.map { place in
                JSON.object([
                    "place": .integer(place.index),
                    "guesses": .array(
                        place.guesses.map { guess in
                            [
                                "id": .integer(Int(guess.id)), "token": guess.token.map { .string($0) } ?? .null,
                                "probability": .number(guess.probability),
                            ]
                        }),
                ])
            }
            try StandardOutput.writeLine(["masks": .array(masks)])
            return
        }
        for place in places {
            try StandardOutput.writeLine("token \(place.index)")
            for guess in place.guesses {
                try StandardOutput.writeLine(
                    "  " + columns((fixed(guess.probability, 4), 8), (guess.token ?? "id \(guess.id)", 0)))
            }
        }
    }
}
