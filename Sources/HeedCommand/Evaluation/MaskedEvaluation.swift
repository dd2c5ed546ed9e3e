import Heed
import HeedSupport
import HeedTexts

extension Masking {
    /// The masking that a tokenizer's special tokens allow.
    ///
    /// - Throws: `HeedError` when it has no mask token.
    init(_ tokenizer: Tokenizer) throws {
        guard let mask = tokenizer.maskToken else {
            throw HeedError(
                .badInput, "the tokenizer has no mask token", in: "--tokenizer", expected: "[MASK] or <mask>")
        }
        let frame = try tokenizer.encode("").ids
        let isFramed = frame.count == 2
        self.init(
            mask: mask, begin: isFramed ? frame.first : nil, end: isFramed ? frame.last : nil,
            vocabulary: tokenizer.vocabularySize)
    }
}

/// Measures how well an encoder guesses masked tokens of texts.
struct MaskedEvaluation {
    let folder: String
    let model: Model
    let data: [String]
    let tokenizer: String?
    let context: Int?
    let batch: Int
    let maxUnknown: Double

    func run(runtime: Runtime, json: Bool) throws {
        let tokenizer = try Tokenizer.load(path: tokenizer ?? folder)
        let shape = try model.encoder.configuration
        var options = StepOptions()
        options.batch = batch
        options.context = min(context ?? 256, shape.context)
        switch model.weights.form {
        case .stored, .float32: break
        case .bfloat16: options.precision = .bfloat16
        default:
            throw HeedError(
                .unsupported, "the loss over masked tokens is not measured in this form", in: "--weights",
                expected: "stored, f32 or bf16", got: model.weights.form.rawValue)
        }
        let unknown = UnknownCharacters()
        let encoding = TextEncoding(tokenizer, unknown)
        let (streams, _, fingerprint) = try OpenedData.streams(data, nil, encoding, vocabulary: shape.vocabulary)
        try unknown.check(limit: maxUnknown, place: data.joined(separator: ", "))
        let run = try RunData(
            masking: Masking(tokenizer), training: streams, validation: streams, fingerprint: fingerprint, model,
            options,
            order: .sequential, runtime: runtime)
        guard let loss = try run.measure?() else { return }
        if json {
            try StandardOutput.writeLine([
                "masked_loss": .number(loss), "masked_perplexity": .number(ExactMathematics.exp(loss)),
            ])
            return
        }
        try StandardOutput.writeLine("loss            \(fixed(loss, 4)) nats per masked token")
        try StandardOutput.writeLine("perplexity      \(fixed(ExactMathematics.exp(loss), 2))")
        try StandardOutput.writeLine("15 % of the tokens are masked, the same ones each time")
    }
}
