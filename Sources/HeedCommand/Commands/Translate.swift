import ArgumentParser
import Heed
import HeedSupport

/// `heed translate`: a text into another, line by line.
struct Translate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Translate lines of text with an encoder-decoder.",
        discussion: """
            heed translate MODEL --input lines.de --output lines.en --beams 5

            Every line is a source; its translation is a line of the result. --json prints what heed generate prints. \
            Beam search with --beams 4 unless --beams 1 (greedy) or a filter is given; the options below are those of \
            heed generate.
            """)

    @Argument(help: ArgumentHelp("The model: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Texts to translate.", valueName: "text"))
    var text: [String] = []

    @Option(help: ArgumentHelp("A file with one text per line.", valueName: "file"))
    var input: String?

    @Option(help: ArgumentHelp("The file to write; standard output where not given.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("How many translations are kept open while searching.", valueName: "n"))
    var beams: Int?

    @Option(help: ArgumentHelp("How many lines are translated together; changes no result.", valueName: "n"))
    var batch = 64

    @OptionGroup(title: "Choosing tokens") var decoding: DecodingOptions

    @Option(help: ArgumentHelp("The number format of products with weights.", valueName: "f32|bf16"))
    var weights = WeightType.f32

    @OptionGroup var compute: ComputeOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        guard (input == nil) != text.isEmpty else { throw ValidationError("expected --text TEXT… or --input FILE.") }
        try check("--batch", batch, atLeast: 1)
        if let beams { try check("--beams", beams, in: 1...1000) }
        if beams != nil, decoding.numBeams > 1 {
            throw ValidationError("--beams and --num-beams: expected one of them.")
        }
        guard decoding.stop.isEmpty else { throw ValidationError("--stop: expected only with heed generate.") }
    }

    func run() throws {
        let loaded = try Model.load(folder: model)
        let layers = try loaded.encoderDecoder
        let tokenizer = try Tokenizer.load(path: model)
        let reader = PromptReader(
            vocabulary: layers.configuration.sourceVocabulary, begin: loaded.specials.ends.first.map { Int32($0) },
            tokenizer: .success(tokenizer))
        let lines = try input.map { try TextFiles.lines($0) } ?? text
        let place = input ?? "--text"
        let sources = try lines.enumerated().map { number, line in
            loaded.prompt(try reader.text(line, in: "\(place), line \(number + 1)"))
        }
        var sourceOptions = SourceOptions()
        sourceOptions.precision = weights == .f32 ? .float32 : .bfloat16
        let generator = try Generator(
            source: EncoderDecoderSource(loaded, runtime: try compute.runtime(), options: sourceOptions),
            options: options(loaded, context: layers.configuration.context))
        let results = try translate(sources, generator)
        let shown = try zip(sources, results).map { source, result in
            json.json ? try report(source, result, tokenizer) : try text(result, tokenizer)
        }
        guard let output else {
            for line in shown { try StandardOutput.writeLine(line) }
            return
        }
        try writeAtomically(path: output, text: shown.map { $0 + "\n" }.joined())
    }

    private func options(_ model: Model, context: Int) -> GenerationOptions {
        var options = decoding.options(
            ends: model.specials.ends.map { Int32($0) }, longestPrompt: 1, context: context)
        if let beams {
            options.numBeams = beams
        } else if decoding.numBeams == 1, !decoding.draws {
            options.numBeams = max(4, decoding.numReturnSequences)
        }
        return options
    }

    /// Lines of about one length share a batch; results come in the order of the lines.
    private func translate(_ sources: [GivenPrompt], _ generator: Generator) throws -> [[GeneratedSequence]] {
        let order = sources.indices.sorted { (sources[$0].ids.count, $0) > (sources[$1].ids.count, $1) }
        var results = [[GeneratedSequence]](repeating: [], count: sources.count)
        let progress = Progress("Translating", total: sources.count)
        var hooks = GenerationHooks()
        hooks.isInterrupted = { Signals.isStopRequested }
        for start in stride(from: 0, to: order.count, by: batch) {
            let part = order[start..<min(start + batch, order.count)]
            let result = try generator.generate(part.map { sources[$0].generation }, hooks: hooks)
            for (index, sequences) in zip(part, result.sequences) { results[index] = sequences }
            progress.update(done: start + part.count)
            try Signals.check()
        }
        progress.finish()
        return results
    }

    private func text(_ sequences: [GeneratedSequence], _ tokenizer: Tokenizer) throws -> String {
        let text = try sequences.first.map { try tokenizer.decode($0.ids) } ?? ""
        // A line stays a line.
        return text.replacing("\n", with: " ")
    }

    private func report(
        _ source: GivenPrompt, _ sequences: [GeneratedSequence], _ tokenizer: Tokenizer
    ) throws -> String {
        let list = try sequences.map { sequence -> JSON in
            var object: JSONObject = [
                "ids": .array(sequence.ids.map { .integer(Int($0)) }),
                "text": .string(try tokenizer.decode(sequence.ids)),
                "finish_reason": .string(sequence.finishReason.rawValue),
            ]
            object["score"] = sequence.score.map { .number($0) }
            return .object(object)
        }
        return JSON.object(["sequences": .array(list), "prompt_tokens": .integer(source.ids.count)]).serialised()
    }
}
