import Heed
import HeedSupport

/// Measures the loss of an encoder-decoder on sentence pairs.
struct PairEvaluation {
    let folder: String
    let model: Model
    let sources: [String]
    let targets: [String]
    let tokenizer: String?
    let context: Int?
    let maxUnknown: Double
    let comparison: Comparison?

    func run(runtime: Runtime, json: Bool) throws {
        let (source, target) = (
            try Tokenizer.load(path: tokenizer ?? folder), try Tokenizer.loadTarget(path: tokenizer ?? folder)
        )
        let unknown = UnknownCharacters()
        let ids = try PairEncoding(source, target, model, unknown)
        let longest = min(context ?? .max, try model.encoderDecoder.configuration.context)
        let (pairs, leftOut) = try ParallelText.read(
            sources: sources, targets: targets, longest: longest, encodeSource: ids.source,
            encodeTarget: ids.target)
        try unknown.check(limit: maxUnknown, place: "--source and --target")
        let text = try ParallelText(pairs, tokensPerBatch: max(2048, longest), order: .sequential, seed: 0)
        let loss = try PairLoss(model, text, runtime: runtime).measure()
        let tokens = pairs.reduce(0) { $0 + $1.target.count }
        if leftOut > 0 { StandardError.writeNote("\(counted(leftOut, "pair")) left out as empty or too long.") }
        let difference = try comparison?.measure(model, pairs, longest: longestSide(of: pairs), runtime: runtime)
        if json {
            var report: JSONObject = [
                "loss": .number(loss), "perplexity": .number(ExactMathematics.exp(loss)), "bits_per_byte": .null,
                "tokens": .integer(tokens), "pairs": .integer(pairs.count), "left_out": .integer(leftOut),
                "unknown_characters": .integer(unknown.unknown),
            ]
            for (key, value) in difference?.report ?? JSONObject() { report[key] = value }
            try StandardOutput.writeLine(.object(report))
            return
        }
        try StandardOutput.writeLine("loss            \(fixed(loss, 4)) nats per target token")
        try StandardOutput.writeLine("perplexity      \(fixed(ExactMathematics.exp(loss), 2))")
        for line in difference?.lines ?? [] { try StandardOutput.writeLine(line) }
        try StandardOutput.writeLine("over \(counted(tokens, "token")) of \(counted(pairs.count, "pair"))")
    }

    private func longestSide(of pairs: [SentencePair]) -> Int {
        pairs.reduce(1) { max($0, $1.source.count, $1.target.count) }
    }
}
