import ArgumentParser
import Heed
import HeedProcessor
import HeedSupport
import HeedTexts

/// `heed translate`: a text into another, line by line.
struct Translate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Translate lines of text with an encoder-decoder.",
        discussion: """
            heed translate model --input lines.de --output lines.en
            heed translate model --text "Guten Morgen" --beams 5 --num-return-sequences 5
            zcat lines.de.gz | heed translate model --input - > lines.en

            Every line is a source; its translation is a line of the result, and with --num-return-sequences N it is N \
            lines, best first. --json prints what heed generate prints. Beam search with 4 beams unless --beams 1 \
            (greedy) or a filter is given; the options below are those of heed generate. A line longer than the model \
            reads is cut, with a warning.

            --prefix makes every translation begin with given words. --json --alignments adds to every sequence \
            "attention", for each new token the weights of the source's tokens (the mean over the heads of one decoder \
            layer), and "alignment", the pairs [new token, source token] of the largest.
            """)

    @Argument(help: ArgumentHelp("The model: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Texts to translate.", valueName: "text"))
    var text: [String] = []

    @Option(
        name: [.long, .customLong("jsonl")], help: ArgumentHelp("A file with a text on every line.", valueName: "file"))
    var input: String?

    @OptionGroup(title: "Lines of a file") var reading: LineOptions

    @Option(help: ArgumentHelp("The file to write; standard output where not given.", valueName: "file"))
    var output: String?

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

    @OptionGroup var form: WeightOption
    @OptionGroup var overwriting: OverwriteOption
    @OptionGroup var adapter: AdapterOption
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        guard (input == nil) != text.isEmpty else { throw ValidationError("expected --text TEXT… or --input FILE.") }
        try check("--batch", batch, atLeast: 1)
        if let beams = decoding.numBeams { try check("--beams", beams, in: 1...1000) }
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
        if let output { try overwriting.check(output) }
        let loaded = try adapter.load(model, weights: form.weights)
        let runtime = try compute.runtime()
        var computing = DecodingModelOptions()
        computing.keepsStates = decoding.isContrastive
        let translator = try Translator(loaded, in: model, computing: computing, runtime: runtime)
        let reader = PromptReader(
            vocabulary: loaded.architecture.sourceVocabulary, begin: loaded.specials.ends.first.map { Int32($0) },
            tokenizer: .success(translator.source))
        let prefix = try prefix.map { try prefixIds(of: $0, translator.target) } ?? prefixIds?.ids ?? []
        let options = try options(loaded, context: translator.longest)
        _ = try options.forPrompt(of: 1 + prefix.count, context: translator.longest)
        let errors = LineErrors(reading.onError)
        let sources = try TextSource(text, file: input, reading).map(errors) { content, place -> GenerationPrompt? in
            let given = try reader.line(content, in: place)
            if case .text(let text) = content, text.allSatisfy(\.isWhitespace) { return nil }
            return cut(given, prefix, translator, errors)
        }.map { $0 ?? nil }
        let progress = Progress("Translating", total: sources.count)
        var done: [String] = []
        for start in stride(from: 0, to: sources.count, by: batch * Translate.batchesInOrder) {
            let part = Array(sources[start..<min(start + batch * Translate.batchesInOrder, sources.count)])
            let results = try translator.generate(
                part, options: options, batch: batch, isInterrupted: { Signals.isStopRequested }
            ) { done in
                progress.update(done: start + done)
                try Signals.check(saved: output.map { "Nothing was written to \($0)" })
            }
            let attention =
                alignments ? try attention(loaded, part, results, runtime) : nil
            let lines = try part.indices.flatMap { index -> [String] in
                guard let source = part[index] else {
                    return [String](repeating: "", count: json.json ? 1 : options.numReturnSequences)
                }
                return json.json
                    ? [try report(source, results[index], attention?[index], prefix, translator.target)]
                    : try texts(results[index], prefix, translator.target)
            }
            if output == nil {
                for line in lines { try StandardOutput.writeLine(line) }
                try StandardOutput.flush()
            } else {
                done += lines
            }
        }
        progress.finish()
        if let output { try writeAtomically(path: output, text: done.map { $0 + "\n" }.joined()) }
        try errors.finish(of: sources.count)
    }

    /// Lines are sorted by length among so many batches; then their translations are written.
    private static let batchesInOrder = 16

    /// The source with the first ids of its target, cut to what the model reads.
    private func cut(
        _ given: GivenPrompt, _ prefix: [Int32], _ translator: Translator, _ errors: LineErrors
    ) -> GenerationPrompt {
        var prompt = translator.model.generationPrompt(given.ids, isText: given.isText)
        prompt.ids += prefix
        let tokens = prompt.source?.count ?? 0
        if tokens > translator.longest { errors.reportCut(given.place, tokens: tokens, kept: translator.longest) }
        return translator.cut(prompt, isText: given.isText)
    }

    /// The ids of the words that translations begin with, without what stands around a text.
    private func prefixIds(of text: String, _ tokenizer: Tokenizer) throws -> [Int32] {
        try tokenizer.withoutLimits.encode(text, addingSpecialTokens: false).ids
    }

    private func options(_ loaded: Model, context: Int) throws -> GenerationOptions {
        let defaults = try decoding.defaults(folder: model)
        var options = decoding.options(defaults, ends: loaded.usableEnds, context: context)
        // A search is what a translation wants, unless the command or the model's folder says otherwise.
        if decoding.numBeams == nil, options.numBeams == 1, !options.isRandom, !decoding.isContrastive {
            options.numBeams = max(Translator.usualBeams, options.numReturnSequences)
        }
        try options.validate(vocabulary: loaded.architecture.vocabulary)
        decoding.tell(defaults, for: options)
        return options
    }

    /// For every line and sequence, the weights [new ids, source ids].
    private func attention(
        _ model: Model, _ sources: [GenerationPrompt?], _ results: [[GeneratedSequence]], _ runtime: Runtime
    ) throws -> [[[[Float]]]] {
        var pairs: [SourceAligner.Pair] = []
        for (source, sequences) in zip(sources, results) {
            guard let source else { continue }
            for sequence in sequences where !sequence.ids.isEmpty {
                pairs.append(
                    SourceAligner.Pair(source: source.source ?? [], target: source.ids + sequence.ids.dropLast()))
            }
        }
        let longest = pairs.reduce(1) { max($0, $1.source.count, $1.target.count) }
        let aligner = try SourceAligner(
            model, longest: longest, layer: alignmentLayer, runtime: runtime)
        var weights = try aligner.align(pairs)[...]
        return results.map { sequences in
            sequences.map { sequence in
                guard !sequence.ids.isEmpty, let next = weights.popFirst() else { return [] }
                // The rows before are those of the given prefix.
                return Array(next.suffix(sequence.ids.count))
            }
        }
    }

    /// The translations of a line, best first; a line stays a line.
    private func texts(
        _ sequences: [GeneratedSequence], _ prefix: [Int32], _ tokenizer: Tokenizer
    ) throws -> [String] {
        let isList = output == nil && Terminal.output.isInteractive && sequences.count > 1
        return try sequences.enumerated().map { number, sequence in
            let text = try tokenizer.decode(prefix + sequence.ids).replacing("\n", with: " ")
            guard isList else { return text }
            return "\(number + 1).  " + text + (sequence.score.map { "  (score \(fixed($0, 4)))" } ?? "")
        }
    }

    private func report(
        _ prompt: GenerationPrompt, _ sequences: [GeneratedSequence], _ attention: [[[Float]]]?, _ prefix: [Int32],
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
        let source = prompt.source ?? []
        var document: JSONObject = ["sequences": .array(list), "prompt_tokens": .integer(source.count)]
        if attention != nil { document["source_ids"] = .array(source.map { .integer(Int($0)) }) }
        return JSON.object(document).serialised()
    }
}
