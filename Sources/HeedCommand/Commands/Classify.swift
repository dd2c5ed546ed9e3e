import ArgumentParser
import Heed
import HeedSupport

/// `heed classify`: texts in, classes out.
struct Classify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say which class texts belong to, with a trained classifier.",
        discussion: """
            heed classify MODEL --text "What a film" "Never again"

            MODEL is an encoder with a classifier of texts, such as heed train --init ENCODER --data labelled.jsonl \
            makes. Texts come from --text, from a file with one per line, or from a .jsonl file of {"text": "…"}, with \
            "pair" for a second text. Longer texts are cut.
            """)

    @Argument(help: ArgumentHelp("The classifier: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Texts.", valueName: "text"))
    var text: [String] = []

    @Option(help: ArgumentHelp("A file with one text per line, or a .jsonl file.", valueName: "file"))
    var input: String?

    @Option(help: ArgumentHelp("The most tokens of a text.", valueName: "n"))
    var maxLength: Int?

    @Option(help: ArgumentHelp("The number format of products.", valueName: "f32|bf16"))
    var dtype: ComputeType = .f32

    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        guard (input == nil) != text.isEmpty else { throw ValidationError("expected --text TEXT… or --input FILE.") }
        if let maxLength { try check("--max-length", maxLength, atLeast: 1) }
    }

    func run() throws {
        let loaded = try Model.loadTelling(folder: model)
        let classifier = try TextClassifier(
            loaded, longest: maxLength, precision: dtype.precision, runtime: try compute.runtime())
        let configuration = try loaded.encoder.configuration
        let reader = ClassifierTexts(try Tokenizer.load(path: model), configuration, longest: classifier.longest)
        let (texts, encoded) = try texts(reader)
        let rows = try classifier.probabilities(encoded.map(\.ids), types: encoded.map(\.types))
        for (text, row) in zip(texts, rows) {
            let best = row.indices.reduce(0) { row[$1] > row[$0] ? $1 : $0 }
            let name = configuration.labelName(best)
            guard output.json else {
                try StandardOutput.writeLine("\(name)\t\(fixed(row[best], 4))\t\(text.replacing("\n", with: " "))")
                continue
            }
            var probabilities = JSONObject()
            for (label, probability) in row.enumerated() {
                probabilities[configuration.labelName(label)] = .number(probability)
            }
            try StandardOutput.writeLine([
                "label": .string(name), "probability": .number(row[best]), "probabilities": .object(probabilities),
            ])
        }
    }

    private func texts(_ reader: ClassifierTexts) throws -> ([String], [LabelledTexts.Encoded]) {
        guard let input else { return (text, try text.map { try reader.encode($0, nil) }) }
        if DataKind(path: input) == .jsonLines {
            let file = try LabelledTexts(input, labelled: false)
            return (file.texts, try file.encoded(reader.encode))
        }
        let lines = try TextFiles.lines(input)
        return (lines, try lines.map { try reader.encode($0, nil) })
    }
}
