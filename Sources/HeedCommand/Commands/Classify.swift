import ArgumentParser
import Heed
import HeedSupport
import HeedTexts

/// `heed classify`: texts in, classes out.
struct Classify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say which class texts belong to, with a trained classifier.",
        discussion: """
            heed classify model --text "What a film" "Never again"
            heed classify model --input reviews.txt > classes.tsv

            MODEL is an encoder with a classifier of texts, such as heed train --init ENCODER --data labelled.jsonl \
            makes. A line of a file is a text, or an object {"text": "…"} with "pair" for a second text. Longer texts \
            are cut, with a warning.
            """)

    @Argument(help: ArgumentHelp("The classifier: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Texts.", valueName: "text"))
    var text: [String] = []

    @Option(
        name: [.long, .customLong("jsonl")], help: ArgumentHelp("A file with a text on every line.", valueName: "file"))
    var input: String?

    @OptionGroup(title: "Lines of a file") var lines: LineOptions

    @Option(help: ArgumentHelp("The most tokens of a text; as many as the model reads if none.", valueName: "n"))
    var maxLength: Int?

    @OptionGroup var form: WeightOption
    @OptionGroup var adapter: AdapterOption
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        guard (input == nil) != text.isEmpty else { throw ValidationError("expected --text TEXT… or --input FILE.") }
        if let maxLength { try check("--max-length", maxLength, atLeast: 1) }
    }

    func run() throws {
        let classifier = try TextClassifier(
            adapter.load(model, weights: form.weights), tokenizer: Tokenizer.load(path: model), longest: maxLength,
            runtime: compute.runtime())
        let errors = LineErrors(lines.onError)
        let texts = try TextSource(text, file: input, lines).map(errors) { content, place in
            let text = try content.text(in: place)
            let encoded = try classifier.encode(text, pair: content.pair)
            if encoded.tokens > encoded.ids.count {
                errors.reportCut(place, tokens: encoded.tokens, kept: encoded.ids.count)
            }
            return (text: text, encoded: encoded)
        }
        let given = texts.compactMap { $0 }
        var rows = try classifier.probabilities(
            of: given.map(\.encoded.ids), types: given.map(\.encoded.types))[...]
        for text in texts {
            guard let text = text?.text, let row = rows.popFirst() else {
                try StandardOutput.writeLine()
                continue
            }
            try StandardOutput.writeLine(line(text, classifier.result(row), classifier.labels))
        }
        try errors.finish(of: texts.count)
    }

    private func line(_ text: String, _ result: TextClassifier.Classification, _ labels: [String]) -> String {
        guard output.json else {
            return "\(result.label)\t\(fixed(result.probability, 4))\t\(text.replacing("\n", with: " "))"
        }
        var probabilities = JSONObject()
        for (label, probability) in zip(labels, result.probabilities) { probabilities[label] = .number(probability) }
        return JSON.object([
            "label": .string(result.label), "probability": .number(result.probability),
            "probabilities": .object(probabilities),
        ]).serialised()
    }
}
