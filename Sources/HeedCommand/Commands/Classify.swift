import ArgumentParser
import Heed
import HeedRun
import HeedSupport

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
        let loaded = try adapter.load(model, weights: form.weights)
        let classifier = try TextClassifier(
            loaded, longest: maxLength, runtime: try compute.runtime())
        let configuration = try loaded.encoder.configuration
        let reader = ClassifierTexts(try Tokenizer.load(path: model), configuration, longest: classifier.longest)
        let errors = LineErrors(lines.onError)
        let texts = try TextSource(text, file: input, lines).map(errors) { content, place in
            let text = try content.text(in: place)
            let encoded = try reader.encode(text, content.pair) {
                errors.reportCut(place, tokens: $0, kept: reader.longest)
            }
            return (text: text, encoded: encoded)
        }
        let given = texts.compactMap { $0 }
        var rows = try classifier.probabilities(given.map(\.encoded.ids), types: given.map(\.encoded.types))[...]
        for text in texts {
            guard let text = text?.text, let row = rows.popFirst() else {
                try StandardOutput.writeLine()
                continue
            }
            try StandardOutput.writeLine(line(text, row, configuration))
        }
        try errors.finish(of: texts.count)
    }

    private func line(_ text: String, _ row: [Double], _ configuration: EncoderConfiguration) -> String {
        let best = row.indices.reduce(0) { row[$1] > row[$0] ? $1 : $0 }
        let name = configuration.labelName(best)
        guard output.json else { return "\(name)\t\(fixed(row[best], 4))\t\(text.replacing("\n", with: " "))" }
        var probabilities = JSONObject()
        for (label, probability) in row.enumerated() {
            probabilities[configuration.labelName(label)] = .number(probability)
        }
        return JSON.object([
            "label": .string(name), "probability": .number(row[best]), "probabilities": .object(probabilities),
        ]).serialised()
    }
}
