import Heed
import HeedSupport

/// Compares a file of translations with files of references.
struct TranslationEvaluation {
    let hypotheses: String
    let references: [String]

    func run(json: Bool) throws {
        let translations = try TextLines.read(hypotheses)
        let readings = try references.map { path in
            let lines = try TextLines.read(path)
            guard lines.count == translations.count else {
                throw HeedError(
                    .badInput, "the references and the translations (\(hypotheses)) have different numbers of lines",
                    in: path, expected: "\(translations.count) lines", got: "\(lines.count)")
            }
            return lines
        }
        guard !translations.isEmpty else {
            throw HeedError(.badInput, "there is nothing to compare", in: hypotheses, expected: "at least one line")
        }
        let bleu = BLEU(hypotheses: translations, references: readings)
        let chrf = ChrF(hypotheses: translations, references: readings)
        if json {
            try StandardOutput.writeLine([
                "bleu": .number(bleu.score), "chrf": .number(chrf.score),
                "precisions": .array(bleu.precisions.map { .number($0) }),
                "brevity_penalty": .number(bleu.brevityPenalty),
                "hypothesis_length": .integer(bleu.hypothesisLength),
                "reference_length": .integer(bleu.referenceLength),
            ])
            return
        }
        let precisions = bleu.precisions.map { fixed($0, 1) }.joined(separator: " / ")
        try StandardOutput.writeLine(
            "BLEU   \(fixed(bleu.score, 2))   precisions \(precisions), brevity penalty \(fixed(bleu.brevityPenalty, 3))"
        )
        try StandardOutput.writeLine("chrF2  \(fixed(chrf.score, 2))")
        try StandardOutput.writeLine(
            "\(counted(translations.count, "segment")), \(counted(bleu.hypothesisLength, "token")) against "
                + "\(grouped(bleu.referenceLength))")
    }
}
