import ArgumentParser
import Heed
import HeedSupport
import HeedTexts

extension SentencePooling.Way: ExpressibleByArgument {}

/// Which encoder makes vectors of texts, and how.
struct EmbeddingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Instead of the folder's way: cls, max, mean.", valueName: "way"))
    var pooling: SentencePooling.Way?

    @Option(help: ArgumentHelp("The most tokens of a text; the folder's own limit if none.", valueName: "n"))
    var maxLength: Int?

    @OptionGroup var form: WeightOption

    @OptionGroup var adapter: AdapterOption

    func validate() throws {
        if let maxLength { try check("--max-length", maxLength, atLeast: 1) }
    }

    func embedder(_ path: String, runtime: Runtime) throws -> TextEmbedder {
        let path = try locateModel(path)
        var ways = try SentencePooling(folder: path)
        if let pooling { ways.ways = [pooling] }
        return try TextEmbedder(
            adapter.load(path, weights: form.weights), in: path, pooling: ways, longest: maxLength,
            runtime: runtime)
    }
}

/// `heed embed`: texts in, vectors out.
struct Embed: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turn texts into vectors with an encoder.",
        discussion: """
            heed embed model --input sentences.txt --output vectors.safetensors
            heed embed model --text "A man eats" "Someone has lunch" > vectors.jsonl

            Every line is a text; its vector is a row of the output: embeddings F32 [N, C] in a .safetensors or .npy \
            file, or numbers with commas in a .csv file. Pooling, normalisation and the longest text come from \
            modules.json, 1_Pooling and sentence_bert_config.json, as in sentence-transformers; without them the states' \
            mean is taken. Longer texts are cut, with a warning. In a file of vectors a blank line has a row of zeros.
            """)

    @Argument(help: ArgumentHelp("The encoder: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Texts.", valueName: "text"))
    var text: [String] = []

    @Option(
        name: [.long, .customLong("jsonl")], help: ArgumentHelp("A file with a text on every line.", valueName: "file"))
    var input: String?

    @OptionGroup(title: "Lines of a file") var lines: LineOptions

    @Option(
        help: ArgumentHelp(
            "The .safetensors, .npy or .csv file to write; JSON lines on standard output if none.", valueName: "file"))
    var output: String?

    @OptionGroup var embedding: EmbeddingOptions
    @OptionGroup var overwriting: OverwriteOption
    @OptionGroup var compute: ComputeOptions

    func validate() throws {
        guard (input == nil) != text.isEmpty else { throw ValidationError("expected --text TEXT… or --input FILE.") }
    }

    func run() throws {
        try LineShare.run(input, obstacles: [output == nil ? nil : "--output", lines.obstacle], embed)
    }

    private func embed() throws {
        let kind = try output.map { try VectorFile(path: $0) }
        if let output, let kind {
            try requireFreeFile(output, overwrite: overwriting.overwrite, isOwn: kind.isOwn)
        }
        let embedder = try embedding.embedder(model, runtime: try compute.runtime())
        let errors = LineErrors(lines.onError)
        let vectors = try embedder.vectors(of: TextSource(text, file: input, lines), errors).vectors
        if let output, let kind {
            try kind.write(vectors, to: output)
        } else {
            for index in 0..<vectors.count {
                let row = vectors.row(index).map { JSON.array($0.map { .number(Double($0)) }).serialised() }
                try StandardOutput.writeLine(row ?? "")
            }
        }
        try errors.finish(of: vectors.count)
    }
}
