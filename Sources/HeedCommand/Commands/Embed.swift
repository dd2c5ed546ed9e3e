import ArgumentParser
import Heed
import HeedRun
import HeedSupport

/// `heed embed`: sentences in, vectors out.
struct Embed: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turn sentences into vectors with an encoder.",
        discussion: """
            heed embed MODEL --jsonl sentences.jsonl --output vectors.safetensors

            The input holds one JSON string per line; the output holds embeddings F32 [N, C]. Pooling, normalisation \
            and the longest sentence come from modules.json, 1_Pooling and sentence_bert_config.json, as in \
            sentence-transformers; without them the states' mean is taken. Longer sentences are cut.
            """)

    @Argument(help: ArgumentHelp("The encoder: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(help: ArgumentHelp("A file with one JSON string per line.", valueName: "file"))
    var jsonl: String?

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Sentences.", valueName: "text"))
    var text: [String] = []

    @Option(
        help: ArgumentHelp("The safetensors file to write; JSON lines on standard output if none.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("Instead of the folder's: cls, max, mean.", valueName: "way"))
    var pooling: String?

    @Option(help: ArgumentHelp("The most tokens of a sentence.", valueName: "n"))
    var maxLength: Int?

    @Option(help: ArgumentHelp("The number format of products.", valueName: "f32|bf16"))
    var dtype: ComputeType = .f32

    @OptionGroup var compute: ComputeOptions

    func validate() throws {
        guard (jsonl == nil) != text.isEmpty else {
            throw ValidationError("expected --jsonl FILE or --text TEXT….")
        }
        if let maxLength { try check("--max-length", maxLength, atLeast: 1) }
        if let pooling, SentencePooling.Way(rawValue: pooling) == nil {
            let names = SentencePooling.Way.allCases.map(\.rawValue)
            throw ValidationError("--pooling: expected \(names.joined(separator: ", ")), got \(quoted(pooling)).")
        }
    }

    func run() throws {
        let model = try locateModel(model)
        let loaded = try Model.loadTelling(folder: model)
        var ways = try SentencePooling(folder: model)
        if let way = pooling.flatMap({ SentencePooling.Way(rawValue: $0) }) { ways.ways = [way] }
        let embedder = try SentenceEmbedder(
            loaded, pooling: ways, longest: try maxLength ?? SentenceEmbedder.longest(folder: model),
            precision: dtype.precision, runtime: try compute.runtime())
        var tokenizer = try Tokenizer.load(path: model)
        tokenizer.truncation = Truncation(maximumLength: embedder.longest)
        tokenizer.padding = nil
        let sentences = try jsonl.map(sentences) ?? text
        let ids = try sentences.map { try tokenizer.encode($0).ids.map { Int32($0) } }
        let progress = Progress("Embedding", total: sentences.count)
        let vectors = try embedder.embed(ids) { progress.update(done: $0, []) }
        progress.finish()
        if let output {
            var file = TensorFile(place: output)
            file.append("embeddings", shape: [sentences.count, embedder.width], vectors)
            try file.write(path: output)
            return
        }
        for index in sentences.indices {
            let row = vectors[index * embedder.width..<(index + 1) * embedder.width]
            try StandardOutput.writeLine(JSON.array(row.map { .number(Double($0)) }))
        }
    }

    private func sentences(_ path: String) throws -> [String] {
        try TextFiles.lines(path).enumerated().compactMap { number, line in
            if line.allSatisfy(\.isWhitespace) { return nil }
            guard let text = try JSON.parse(line, in: "\(path), line \(number + 1)").stringValue else {
                throw HeedError(
                    .badInput, "the line holds no text", in: "\(path), line \(number + 1)", expected: "a JSON string")
            }
            return text
        }
    }
}
