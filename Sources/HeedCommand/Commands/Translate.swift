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

            --prefix makes every translation begin with given words. --json --alignments adds to every sequence             "attention", for each new token the weights of the source's tokens (the mean over the heads of one decoder             layer), and "alignment", the pairs [new token, source token] of the largest.
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

    @Option(help: ArgumentHelp("Words that every translation begins with.", valueName: "text"))
    var prefix: String?

    @Option(help: ArgumentHelp("Ids that every translation begins with.", valueName: "a,b"))
    var prefixIds: IdList?

    @Flag(help: "With --json, say which source tokens each new token looked at.")
    var alignments = false

    @Option(help: ArgumentHelp("The decoder layer to align by, from 0; the last but one if none.", valueName: "n"))
    var alignmentLayer: Int?

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
        try decoding.checkSequences(beams: beamCount)
        guard prefix == nil || prefixIds == nil else {
            throw ValidationError("--prefix and --prefix-ids: expected one of them.")
        }
        guard json.json || !alignments else { throw ValidationError("--alignments: expected --json beside it.") }
        guard alignments || alignmentLayer == nil else {
            throw ValidationError("--alignment-layer: expected --alignments beside it.")
        }
        guard decoding.stop.isEmpty else { throw ValidationError("--stop: expected only with heed generate.") }
    }

    func run() throws {
        let loaded = try Model.loadTelling(folder: model)
        let layers = try loaded.encoderDecoder
        let tokenizer = try Tokenizer.load(path: model)
        let target = try Tokenizer.loadTarget(path: model)
        let reader = PromptReader(
            vocabulary: layers.configuration.sourceVocabulary, begin: loaded.specials.ends.first.map { Int32($0) },
            tokenizer: .success(tokenizer))
        let lines = try input.map { try TextFiles.lines($0) } ?? text
        let place = input ?? "--text"
        let prefix = try prefix.map { try prefixIds(of: $0, target) } ?? prefixIds?.ids ?? []
        let sources = try lines.enumerated().map { number, line in
            var source = loaded.prompt(try reader.text(line, in: "\(place), line \(number + 1)"))
            source.target?.append(contentsOf: prefix)
            return source
        }
        let runtime = try compute.runtime()
        var modelOptions = DecodingModelOptions()
        modelOptions.precision = weights == .f32 ? .float32 : .bfloat16
        let generator = try Generator(
            model: DecodingModel(loaded, runtime: runtime, options: modelOptions),
            options: options(loaded, prompt: 1 + prefix.count, context: layers.configuration.context))
        let results = try translate(sources, generator)
        let attention = alignments ? try attention(loaded, sources, results, modelOptions.precision, runtime) : nil
        let shown = try sources.indices.map { index in
            json.json
                ? try report(sources[index], results[index], attention?[index], prefix, target)
                : try text(results[index], prefix, target)
        }
        guard let output else {
            for line in shown { try StandardOutput.writeLine(line) }
            return
        }
        try writeAtomically(path: output, text: shown.map { $0 + "\n" }.joined())
    }

    /// The ids of the words that translations begin with, without what stands around a text.
    private func prefixIds(of text: String, _ tokenizer: Tokenizer) throws -> [Int32] {
        var tokenizer = tokenizer
        tokenizer.truncation = nil
        tokenizer.padding = nil
        return try tokenizer.encode(text, addingSpecialTokens: false).ids.map { Int32($0) }
    }

    private func options(_ model: Model, prompt: Int, context: Int) -> GenerationOptions {
        var options = decoding.options(
            ends: model.specials.ends.map { Int32($0) }, longestPrompt: prompt, context: context)
        options.numBeams = beamCount
        return options
    }

    private var beamCount: Int {
        beams ?? (decoding.numBeams == 1 && !decoding.draws ? max(4, decoding.numReturnSequences) : decoding.numBeams)
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

    /// For every line and sequence, the weights [new ids, source ids].
    private func attention(
        _ model: Model, _ sources: [GivenPrompt], _ results: [[GeneratedSequence]], _ precision: Precision,
        _ runtime: Runtime
    ) throws -> [[[[Float]]]] {
        var pairs: [SourceAligner.Pair] = []
        for (source, sequences) in zip(sources, results) {
            for sequence in sequences where !sequence.ids.isEmpty {
                pairs.append(
                    SourceAligner.Pair(source: source.ids, target: (source.target ?? []) + sequence.ids.dropLast()))
            }
        }
        let longest = pairs.reduce(1) { max($0, $1.source.count, $1.target.count) }
        let aligner = try SourceAligner(
            model, longest: longest, layer: alignmentLayer, precision: precision, runtime: runtime)
        var weights = try aligner.align(pairs)[...]
        return results.map { sequences in
            sequences.map { sequence in
                guard !sequence.ids.isEmpty, let next = weights.popFirst() else { return [] }
                // The rows before are those of the given prefix.
                return Array(next.suffix(sequence.ids.count))
            }
        }
    }

    private func text(
        _ sequences: [GeneratedSequence], _ prefix: [Int32], _ tokenizer: Tokenizer
    ) throws -> String {
        let text = try sequences.first.map { try tokenizer.decode(prefix + $0.ids) } ?? ""
        // A line stays a line.
        return text.replacing("\n", with: " ")
    }

    private func report(
        _ source: GivenPrompt, _ sequences: [GeneratedSequence], _ attention: [[[Float]]]?, _ prefix: [Int32],
        _ tokenizer: Tokenizer
    ) throws -> String {
        let list = try sequences.enumerated().map { number, sequence -> JSON in
            var object: JSONObject = [
                "ids": .array(sequence.ids.map { .integer(Int($0)) }),
                "text": .string(try tokenizer.decode(prefix + sequence.ids)),
                "finish_reason": .string(sequence.finishReason.rawValue),
            ]
            object["score"] = sequence.score.map { .number($0) }
            if let rows = attention?[number] {
                object["attention"] = .array(rows.map { .array($0.map { .number(Double($0)) }) })
                object["alignment"] = .array(
                    rows.enumerated().map { row, weights in
                        let most = weights.indices.reduce(0) { weights[$1] > weights[$0] ? $1 : $0 }
                        return [.integer(row), .integer(most)]
                    })
            }
            return .object(object)
        }
        var document: JSONObject = ["sequences": .array(list), "prompt_tokens": .integer(source.ids.count)]
        if attention != nil { document["source_ids"] = .array(source.ids.map { .integer(Int($0)) }) }
        return JSON.object(document).serialised()
    }
}
