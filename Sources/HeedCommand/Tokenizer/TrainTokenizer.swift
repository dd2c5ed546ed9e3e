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

    @Option(help: ArgumentHelp("The folder to write.", valueName: "dir"))
    var output: String

    @Option(help: ArgumentHelp("How many threads count; all cores where not given.", valueName: "n"))
    var threads: Int?

    @Argument(help: ArgumentHelp("Text files, read line by line.", valueName: "file"))
    var files: [String]

    func validate() throws {
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
        for path in files where !fileExists(path) {
            throw HeedError(.missing, "there is no such file", in: path, advice: "Check the path")
        }
        if fileExists(output), !isDirectory(output) {
            throw HeedError(.io, "the place for the result is a file", in: output, expected: "a folder")
        }
        let display = TrainingDisplay()
        let trained = try train(kind) { progress in
            try Signals.check(saved: "Nothing was written")
            display.show(progress)
        }
        display.finish()
        let names = try trained.save(to: output)
        try StandardOutput.writeLine(
            "\(grouped(trained.tokens.count)) tokens, \(grouped(trained.merges.count)) merges: wrote "
                + names.map { joinPath(output, $0) }.joined(separator: ", "))
    }

    private func train(
        _ kind: TrainedTokenizer.Kind, _ progress: @escaping TrainingProgressHandler
    ) throws -> TrainedTokenizer {
        switch kind {
        case .byteLevelBPE:
            try ByteLevelBPETrainer(
                vocabularySize: vocabSize, minimumFrequency: minFrequency, specialTokens: special, threads: threads
            ).train(files: files, progress: progress)
        case .unigram: try trainPieces(.unigram, progress)
        case .sentencePieceBPE: try trainPieces(.bpe, progress)
        case .character: try trainPieces(.character, progress)
        case .word: try trainPieces(.word, progress)
        case .wordPiece:
            try WordPieceTrainer(
                vocabularySize: vocabSize, minimumFrequency: minFrequency, specialTokens: special,
                isLowerCase: !cased, threads: threads
            ).train(files: files, progress: progress)
        }
    }

    private func trainPieces(
        _ algorithm: SentencePieceFile.Algorithm, _ progress: @escaping TrainingProgressHandler
    ) throws -> TrainedTokenizer {
        try SentencePieceTrainer(
            algorithm, vocabularySize: vocabSize, minimumFrequency: minFrequency, specialTokens: special,
            threads: threads
        ).train(files: files, progress: progress)
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
