import ArgumentParser
import Heed
import HeedSupport

/// `heed tokenizer train`: a vocabulary from text.
struct TrainTokenizer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Learn a vocabulary from text files; writes tokenizer.json and the classic files of its kind.",
        discussion: """
            heed tokenizer train --kind byte-bpe --vocab-size 8000 --special "<|endoftext|>" --output out text.txt

            The same text gives the same vocabulary, for any number of threads. Special tokens come first.
            """)

    @Option(
        help: ArgumentHelp(
            "What to train.", valueName: TrainedTokenizer.Kind.allCases.map(\.rawValue).joined(separator: "|")))
    var kind: String

    @Option(help: ArgumentHelp("How many tokens, special ones included.", valueName: "n"))
    var vocabSize: Int

    @Option(help: ArgumentHelp("Join no pair that occurs less often.", valueName: "n"))
    var minFrequency = 0

    @Option(help: ArgumentHelp("A special token; may be given several times.", valueName: "token"))
    var special: [String] = []

    @Flag(help: "Keep upper case and accents (WordPiece).")
    var cased = false

    @Option(
        help: ArgumentHelp(
            "How text is made uniform first (unigram, sentencepiece-bpe, char, word); nmt_nfkc where not given.",
            valueName: NormalizationChoice.allCases.map(\.rawValue).joined(separator: "|")))
    var normalization: NormalizationChoice?

    @Flag(help: "Spell characters outside the vocabulary as bytes (unigram, sentencepiece-bpe).")
    var byteFallback = false

    @Flag(help: "Keep repeated spaces and those at the ends of lines (unigram, sentencepiece-bpe, char, word).")
    var keepSpaces = false

    @Option(
        help: ArgumentHelp(
            "The share of the text's characters that get pieces (unigram, sentencepiece-bpe, char); 0.9995 where not "
                + "given.", valueName: "x"))
    var characterCoverage: Float?

    @Option(
        help: ArgumentHelp(
            "The most characters of a piece (unigram, sentencepiece-bpe); 16 where not given.", valueName: "n"))
    var maxPieceLength: Int?

    @Option(
        help: ArgumentHelp(
            "The most distinct words kept while counting; text with more loses its rarest.",
            discussion: "Bounds memory: about 90 bytes a word. 8,000,000 where not given.", valueName: "n"))
    var maxWords: Int?

    @Option(help: ArgumentHelp("The folder to write.", valueName: "dir"))
    var output: String

    @Flag(help: "Write into a folder that holds something; files of an earlier tokenizer there are replaced.")
    var overwrite = false

    @Option(help: ArgumentHelp("How many threads count; all cores where not given.", valueName: "n"))
    var threads: Int?

    @Argument(help: ArgumentHelp("Text files, read line by line.", valueName: "file"))
    var files: [String]

    /// The normalisers of SentencePiece's trainer that need no file.
    enum NormalizationChoice: String, ExpressibleByArgument, CaseIterable {
        case nmtNFKC = "nmt_nfkc"
        case identity

        var rules: SentencePieceFile.Normalization { self == .nmtNFKC ? .nmtNFKC : SentencePieceFile.Normalization() }
    }

    func validate() throws {
        if let maxWords { try check("--max-words", maxWords, in: 1000...(1 << 31)) }
        if let maxPieceLength { try check("--max-piece-length", maxPieceLength, in: 1...512) }
        if let characterCoverage, !(characterCoverage > 0 && characterCoverage <= 1) {
            throw ValidationError("--character-coverage takes a share above 0 and up to 1.")
        }
        try check("--vocab-size", vocabSize, in: 1...4_000_000)
        try check("--min-frequency", minFrequency, in: 0...(1 << 40))
        if let threads { try check("--threads", threads, in: 1...1024) }
    }

    func run() throws {
        let known = TrainedTokenizer.Kind.allCases.map(\.rawValue)
        guard let kind = TrainedTokenizer.Kind(rawValue: kind) else {
            throw HeedError(
                .usage, "the kind \(quoted(kind)) is not known", in: "--kind",
                expected: "one of \(known.joined(separator: ", "))",
                advice: nearest(kind, among: known).map { "Did you mean \($0)" })
        }
        try checkThatOptionsApply(to: kind)
        for path in files where !fileExists(path) {
            throw HeedError(.missing, "there is no such file", in: path, advice: "Check the path")
        }
        try requireFreeFolder(output, overwrite: overwrite)
        let display = TrainingDisplay()
        let trained = try train(kind) { progress in
            try Signals.check(saved: "Nothing was written")
            display.show(progress)
        }
        display.finish()
        let names = try trained.save(to: output)
        if trained.forgottenWords > 0 {
            StandardError.write(
                "The text has more distinct words than --max-words keeps: \(grouped(trained.forgottenWords)) rare ones "
                    + "were not counted to the end.\n")
        }
        // Only byte-level BPE learns merges as such; in the other kinds they follow from the pieces.
        let merges = kind == .byteLevelBPE ? ", \(grouped(trained.merges.count)) merges" : ""
        try StandardOutput.writeLine(
            "\(grouped(trained.tokens.count)) tokens\(merges): wrote "
                + names.map { joinPath(output, $0) }.joined(separator: ", "))
    }

    /// Options of other kinds are an error rather than ignored.
    private func checkThatOptionsApply(to kind: TrainedTokenizer.Kind) throws {
        let pieces: [TrainedTokenizer.Kind] = [.unigram, .sentencePieceBPE, .character, .word]
        let given: [(name: String, isGiven: Bool, kinds: [TrainedTokenizer.Kind])] = [
            ("--normalization", normalization != nil, pieces), ("--keep-spaces", keepSpaces, pieces),
            ("--byte-fallback", byteFallback, [.unigram, .sentencePieceBPE]),
            ("--character-coverage", characterCoverage != nil, [.unigram, .sentencePieceBPE, .character]),
            ("--max-piece-length", maxPieceLength != nil, [.unigram, .sentencePieceBPE]),
            ("--cased", cased, [.wordPiece]),
        ]
        for option in given where option.isGiven && !option.kinds.contains(kind) {
            throw HeedError(
                .usage, "\(option.name) has no effect on the kind \(kind.rawValue)", in: "--kind \(kind.rawValue)",
                expected: "\(option.name) with \(option.kinds.map(\.rawValue).joined(separator: " or "))")
        }
    }

    private func train(
        _ kind: TrainedTokenizer.Kind, _ progress: @escaping TrainingProgressHandler
    ) throws -> TrainedTokenizer {
        switch kind {
        case .byteLevelBPE:
            var trainer = ByteLevelBPETrainer(
                vocabularySize: vocabSize, minimumFrequency: minFrequency, specialTokens: special, threads: threads)
            if let maxWords { trainer.maximumDistinctWords = maxWords }
            return try trainer.train(files: files, progress: progress)
        case .unigram: return try trainPieces(.unigram, progress)
        case .sentencePieceBPE: return try trainPieces(.bpe, progress)
        case .character: return try trainPieces(.character, progress)
        case .word: return try trainPieces(.word, progress)
        case .wordPiece:
            var trainer = WordPieceTrainer(
                vocabularySize: vocabSize, minimumFrequency: minFrequency, specialTokens: special,
                isLowerCase: !cased, threads: threads)
            if let maxWords { trainer.maximumDistinctWords = maxWords }
            return try trainer.train(files: files, progress: progress)
        }
    }

    private func trainPieces(
        _ algorithm: SentencePieceFile.Algorithm, _ progress: @escaping TrainingProgressHandler
    ) throws -> TrainedTokenizer {
        var rules = (normalization ?? .nmtNFKC).rules
        rules.removesExtraWhitespaces = !keepSpaces
        var trainer = SentencePieceTrainer(
            algorithm, vocabularySize: vocabSize, minimumFrequency: minFrequency, specialTokens: special,
            normalization: rules, threads: threads)
        trainer.hasByteFallback = byteFallback
        if let characterCoverage { trainer.characterCoverage = characterCoverage }
        if let maxPieceLength { trainer.maximumPieceLength = maxPieceLength }
        if let maxWords { trainer.maximumDistinctWords = maxWords }
        return try trainer.train(files: files, progress: progress)
    }
}

/// One bar after another for the stages of a training.
private final class TrainingDisplay {
    private var stage: TrainingProgress.Stage?
    private var bar = Progress("", total: 1)

    func show(_ progress: TrainingProgress) {
        if progress.stage != stage {
            bar.finish()
            stage = progress.stage
            bar = Progress(TrainingDisplay.title(progress.stage), total: progress.total)
        }
        bar.update(done: progress.done)
    }

    func finish() { bar.finish() }

    private static func title(_ stage: TrainingProgress.Stage) -> String {
        let name = stage.rawValue
        return name.prefix(1).uppercased() + name.dropFirst()
    }
}
