import ArgumentParser
import Heed
import HeedSupport

/// `heed data`: what is done to data before training.
struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Make token files of texts.",
        discussion: """
            heed data prepare a.jsonl b.txt --tokenizer gpt2 --output tokens --validation 0.01 --shuffle 1
            """,
        subcommands: [PrepareData.self])
}

/// `heed data prepare`: texts in, token files out.
struct PrepareData: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepare",
        abstract: "Make token files of texts, which training maps without reading them first.",
        discussion: """
            heed data prepare a.jsonl.gz b.csv --tokenizer gpt2 --output tokens --validation 0.01 --shuffle 1
            heed train --data tokens/train.bin --validation tokens/validation.bin --init gpt2

            Every line of JSON, record of a table, or plain text is a document; its end is marked by the tokenizer's id for \
            that, and no token is lost: tokens in and out are counted, checked and printed. Data may be larger than memory. \
            A document goes to validation by a hash of its text, so it stays there when others are added.
            """)

    @Argument(
        help: ArgumentHelp("Text, JSONL, CSV or TSV files, or patterns such as 'part-*.jsonl'.", valueName: "file"))
    var files: [String]

    @Option(help: ArgumentHelp("What makes ids of text: a model folder or a tokenizer's file.", valueName: "path"))
    var tokenizer: String

    @Option(help: ArgumentHelp("The folder for train.bin and validation.bin.", valueName: "folder"))
    var output: String

    @Option(help: ArgumentHelp("The share of documents for validation.", valueName: "fraction"))
    var validation: Double = 0

    @Option(help: ArgumentHelp("Shuffle the documents by this seed. (default: as they lie)", valueName: "seed"))
    var shuffle: UInt64?

    @Flag(help: "Leave out documents whose bytes were there before.")
    var deduplicate = false

    @Option(
        help: ArgumentHelp(
            "Leave out documents that are nearly one before them, such as 0.8: the share of runs of five tokens that both "
                + "have, estimated by MinHash.", valueName: "x"))
    var nearDuplicates: Double?

    @Option(
        help: ArgumentHelp(
            "How files of text are written: auto tells lines of JSON by the name .jsonl.", valueName: "auto|text|json"))
    var format = InputFormat.auto

    @Option(
        help: ArgumentHelp(
            "At a line of JSON that cannot be used: stop, or skip it and count it.", valueName: "stop|skip"))
    var onError = LineErrorPolicy.stop

    @OptionGroup var unknown: UnknownOption
    @OptionGroup var overwriting: OverwriteOption

    mutating func validate() throws {
        files = try expandPatterns(files)
        if let nearDuplicates { try check("--near-duplicates", nearDuplicates, in: 0.05...1) }
        guard (0..<1).contains(validation) else {
            throw ValidationError("--validation: expected a number from 0 to below 1, got \(validation).")
        }
    }

    func run() throws {
        try requireFreeFolder(output, overwrite: overwriting.overwrite, isOwn: { $0.hasSuffix(".bin") })
        StandardInput.prepare(files)
        let loaded = try Tokenizer.load(path: tokenizer)
        let end = ["<|endoftext|>", "</s>", "<|end_of_text|>"].lazy.compactMap { loaded.id(of: $0) }.first
        let (lacking, skipped) = (UnknownCharacters(), SkippedLines())
        var encoding = TextEncoding(loaded, documentEnd: end, lacking)
        encoding.format = format
        if onError == .skip { encoding.skip = { skipped.add($0) } }
        var preparation = DataPreparation(vocabulary: loaded.vocabularySize)
        preparation.validation = validation
        preparation.removesDuplicates = deduplicate
        preparation.nearDuplicates = nearDuplicates
        preparation.seed = shuffle
        let found = try preparation.run(files, encoding, into: output)
        skipped.tell()
        try lacking.check(limit: unknown.maxUnknown, place: files.joined(separator: ", "))
        if end == nil {
            StandardError.writeLine("heed: the tokenizer has no id for the end of a document; none is marked.")
        }
        var text =
            "\(counted(found.documents, "document")), \(counted(found.tokens, "token")) in; \(grouped(found.trainingTokens)) "
            + "in \(joinPath(output, "train.bin"))"
        if validation > 0 { text += ", \(grouped(found.validationTokens)) in \(joinPath(output, "validation.bin"))" }
        if found.duplicates > 0 {
            text += ", \(grouped(found.duplicateTokens)) of \(counted(found.duplicates, "duplicate")) left out"
        }
        if found.nearDuplicates > 0 {
            text +=
                ", \(grouped(found.nearDuplicateTokens)) of \(counted(found.nearDuplicates, "near duplicate")) left out"
        }
        try StandardOutput.writeLine(text + ".")
    }
}
