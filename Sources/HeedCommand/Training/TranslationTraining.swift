import ArgumentParser
import Heed
import HeedSupport

/// Where sentence pairs come from and how they are cut.
struct ParallelTextOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Text files whose lines are translated, for an encoder-decoder.", valueName: "file"))
    var source: [String] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Text files with the translations, line by line.", valueName: "file"))
    var target: [String] = []

    @Option(help: ArgumentHelp("Lines that the validation loss is measured on.", valueName: "file"))
    var validationSource: String?

    @Option(help: ArgumentHelp("Their translations.", valueName: "file"))
    var validationTarget: String?

    @Option(help: ArgumentHelp("The most tokens of a micro-batch on either side.", valueName: "n"))
    var batchTokens: Int = 2048

    @Option(help: ArgumentHelp("Pairs with more tokens on a side are left out.", valueName: "n"))
    var maxLength: Int = 128

    @Option(
        help: ArgumentHelp(
            "Keep the last n saves, and make the model their mean at the end; 0: no mean.", valueName: "n"))
    var average: Int = 0

    var isGiven: Bool { !source.isEmpty || !target.isEmpty }

    func validate() throws {
        guard source.isEmpty == target.isEmpty else {
            throw ValidationError("--source and --target: expected both or none.")
        }
        guard (validationSource == nil) == (validationTarget == nil) else {
            throw ValidationError("--validation-source and --validation-target: expected both or none.")
        }
        for (name, value, least) in [("--batch-tokens", batchTokens, 1), ("--max-length", maxLength, 2)]
        where value < least || value > 1 << 20 {
            throw ValidationError("\(name): expected \(least) to \(1 << 20), got \(value).")
        }
        guard (0...1000).contains(average) else {
            throw ValidationError("--average: expected 0 to 1000, got \(average).")
        }
    }
}

/// Sentence pairs, made ids.
struct TranslationData {
    /// Characters that the vocabularies lack.
    let unknown: UnknownCharacters
    let training: ParallelText
    let validation: ParallelText?
    let leftOut: Int

    init(_ options: ParallelTextOptions, _ start: TrainingStart, seed: UInt64) throws {
        let tokenizer = try start.requiredTokenizer(for: "--source and --target")
        let configuration = try start.model.encoderDecoder.configuration
        unknown = UnknownCharacters()
        let ids = try PairEncoding(tokenizer, start.targetTokenizer ?? tokenizer, start.model, unknown)
        let longest = min(options.maxLength, configuration.context)
        let (pairs, leftOut) = try ParallelText.read(
            sources: options.source, targets: options.target, longest: longest, encodeSource: ids.source,
            encodeTarget: ids.target)
        self.leftOut = leftOut
        training = try ParallelText(pairs, tokensPerBatch: max(options.batchTokens, longest), seed: seed)
        if let source = options.validationSource, let target = options.validationTarget {
            let (pairs, _) = try ParallelText.read(
                sources: [source], targets: [target], longest: configuration.context, encodeSource: ids.source,
                encodeTarget: ids.target)
            let length = pairs.reduce(1) { max($0, $1.source.count, $1.target.count) }
            validation = try ParallelText(
                pairs, tokensPerBatch: max(options.batchTokens, length), order: .sequential, seed: seed)
        } else {
            validation = nil
        }
    }
}

/// What makes ids of the lines of both sides, each with the end id behind the text.
struct PairEncoding {
    private let tokenizers: (source: Tokenizer, target: Tokenizer)
    private let end: Int32
    private let unknown: UnknownCharacters

    /// - Throws: `HeedError` when the model has no end id.
    init(_ source: Tokenizer, _ target: Tokenizer, _ model: Model, _ unknown: UnknownCharacters) throws {
        guard let end = model.specials.ends.first.map({ Int32($0) }) else {
            throw HeedError(
                .badInput, "the model has no end id, so a translation would never end", in: "config.json",
                expected: "eos_token_id")
        }
        tokenizers = (source, target)
        self.end = end
        self.unknown = unknown
    }

    func source(_ line: String) throws -> [Int32] { try ids(line, tokenizers.source) }
    func target(_ line: String) throws -> [Int32] { try ids(line, tokenizers.target) }

    private func ids(_ line: String, _ tokenizer: Tokenizer) throws -> [Int32] {
        let encoding = try tokenizer.encode(line)
        unknown.add(unknown: encoding.unknownCharacters, of: line.unicodeScalars.count)
        var ids = encoding.ids.map { Int32($0) }
        if ids.last != end { ids.append(end) }
        return ids
    }
}
