import ArgumentParser
import Heed
import HeedSupport
import HeedTexts

/// `heed search`: the lines that mean most nearly the same as a query.
struct Search: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find the lines of a file that are nearest in meaning to a query.",
        discussion: """
            heed search model --input notes.txt --query "how to mend a bicycle"
            heed embed model --input notes.txt --output notes.safetensors
            heed search model --input notes.txt --vectors notes.safetensors --query "bread" "cake" --top 3

            Near is the cosine of the angle between the vectors of heed embed: 1 for the same direction, 0 for none in \
            common. Each result is the cosine, the number of the line and its text, with tabs between.
            """)

    @Argument(help: ArgumentHelp("The encoder: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(
        name: [.long, .customLong("jsonl")],
        help: ArgumentHelp("A file with a text on every line, which is searched.", valueName: "file"))
    var input: String

    @OptionGroup(title: "Lines of a file") var lines: LineOptions

    @Option(parsing: .upToNextOption, help: ArgumentHelp("What to search for.", valueName: "text"))
    var query: [String]

    @Option(
        help: ArgumentHelp(
            "The vectors of the lines as heed embed wrote them (.safetensors), so that they are not computed again.",
            valueName: "file"))
    var vectors: String?

    @Option(
        name: [.long, .customLong("top-k")], help: ArgumentHelp("How many lines to give per query.", valueName: "n"))
    var top = 5

    @OptionGroup var embedding: EmbeddingOptions
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: JSONOption

    func validate() throws { try check("--top", top, atLeast: 1) }

    func run() throws {
        let embedder = try embedding.embedder(model, runtime: try compute.runtime())
        let errors = LineErrors(lines.onError)
        let source = try TextSource([], file: input, lines)
        let (found, texts): (SentenceVectors, [String?])
        if let vectors {
            texts = try source.map(errors) { content, place in try content.text(in: place) }
            found = try VectorFile.read(vectors, width: embedder.width, lines: texts.count)
        } else {
            (found, texts) = try embedder.vectors(of: source, errors)
        }
        let queries = try embedder.vectors(of: .texts(query, option: "--query"), LineErrors(.stop)).vectors
        for (number, query) in query.enumerated() {
            guard let vector = queries.row(number) else { continue }
            try show(query, Search.nearest(found, to: vector, count: top), texts, isFirst: number == 0)
        }
        try errors.finish(of: texts.count)
    }

    /// The lines of the largest cosines, largest first; the first of equals wins.
    static func nearest(_ vectors: SentenceVectors, to query: ArraySlice<Float>, count: Int) -> [(Int, Double)] {
        let length = norm(query)
        let scores = (0..<vectors.count).compactMap { index -> (Int, Double)? in
            guard let row = vectors.row(index) else { return nil }
            let product = zip(row, query).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            let lengths = norm(row) * length
            return (index, lengths > 0 ? product / lengths : 0)
        }
        return Array(scores.sorted { ($1.1, $0.0) < ($0.1, $1.0) }.prefix(count))
    }

    private static func norm(_ vector: ArraySlice<Float>) -> Double {
        vector.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    }

    private func show(_ query: String, _ results: [(Int, Double)], _ texts: [String?], isFirst: Bool) throws {
        if output.json {
            try StandardOutput.writeLine([
                "query": .string(query),
                "results": .array(
                    results.map { index, score in
                        ["line": .integer(index + 1), "score": .number(score), "text": .string(texts[index] ?? "")]
                    }),
            ])
            return
        }
        if self.query.count > 1 { try StandardOutput.writeLine((isFirst ? "" : "\n") + "— \(query)") }
        for (index, score) in results {
            let text = (texts[index] ?? "").replacing("\n", with: " ")
            try StandardOutput.writeLine("\(fixed(score, 4))\t\(index + 1)\t\(text)")
        }
    }
}
