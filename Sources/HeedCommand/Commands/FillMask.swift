import ArgumentParser
import Heed
import HeedSupport

/// `heed fill-mask`: which tokens an encoder expects at masked places.
struct FillMask: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fill-mask",
        abstract: "Guess the masked tokens of a text with BERT or RoBERTa.",
        discussion: """
            heed fill-mask MODEL --text "The capital of France is [MASK]."

            MODEL is an encoder with its masked-language head. The mask token is the tokenizer's: [MASK] or <mask>.
            """)

    @Argument(help: ArgumentHelp("The encoder: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(help: ArgumentHelp("A text with mask tokens.", valueName: "text"))
    var text: String?

    @Option(help: ArgumentHelp("The ids of a text with mask ids.", valueName: "1,2,3"))
    var ids: IdList?

    @Option(help: ArgumentHelp("The id of the mask; the tokenizer's where not given.", valueName: "id"))
    var maskId: Int?

    @Option(help: ArgumentHelp("How many guesses to give for each mask.", valueName: "k"))
    var topK = 5

    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        guard (text == nil) != (ids == nil) else { throw ValidationError("expected --text TEXT or --ids IDS.") }
        guard ids == nil || maskId != nil else { throw ValidationError("--ids: expected --mask-id beside it.") }
        try check("--top-k", topK, in: 1...1 << 20)
    }

    func run() throws {
        let loaded = try Model.loadTelling(folder: model)
        let tokenizer = try text.map { _ in try Tokenizer.load(path: model) } ?? (try? Tokenizer.load(path: model))
        guard let mask = maskId.map({ Int32(clamping: $0) }) ?? tokenizer.flatMap(FillMask.mask) else {
            throw HeedError(
                .missing, "the tokenizer has no mask token", in: model, expected: "[MASK] or <mask>",
                advice: "Say which id it is with --mask-id.")
        }
        var given = ids?.ids ?? []
        if let text, var tokenizer {
            tokenizer.truncation = nil
            tokenizer.padding = nil
            given = try tokenizer.encode(text).ids.map { Int32($0) }
        }
        let predictions = try MaskedPrediction.predict(
            loaded, ids: given, mask: mask, count: topK, runtime: try compute.runtime())
        for prediction in predictions {
            let guesses = try prediction.guesses.map { guess in
                (guess, try tokenizer.map { try $0.decode([guess.id]) })
            }
            guard output.json else {
                try StandardOutput.writeLine("token \(prediction.place)")
                for (guess, token) in guesses {
                    try StandardOutput.writeLine(
                        "  " + columns((fixed(guess.probability, 4), 8), (token ?? "id \(guess.id)", 0)))
                }
                continue
            }
            try StandardOutput.writeLine([
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
    }

    private static func mask(_ tokenizer: Tokenizer) -> Int32? {
        ["[MASK]", "<mask>"].lazy.compactMap { tokenizer.id(of: $0).map { Int32($0) } }.first
    }
}
