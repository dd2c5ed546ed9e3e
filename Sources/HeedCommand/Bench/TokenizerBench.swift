import Heed
import HeedSupport

/// Learning a vocabulary from the demo's stories and encoding them.
///
/// The stories repeat themselves more than books do: `heed tokenizer bench` measures a file and a vocabulary of yours.
struct TokenizerBench {
    private let threads: Int

    init(threads: Int) { self.threads = threads }

    func run(vocabulary: Int, seconds: Double, into report: inout JSONObject) throws {
        let clock = ContinuousClock()
        let stories = 20_000
        let text = Array(Storyteller.text(stories: stories, seed: 1).utf8)
        let folder = temporaryPath("bench")
        defer { try? removeTree(folder) }
        try createDirectory(folder)
        let path = joinPath(folder, "stories.txt")
        try writeAtomically(path: path, bytes: text)
        let began = clock.now
        let trained = try ByteLevelBPETrainer(vocabularySize: vocabulary, threads: threads).train(files: [path])
        let training = (clock.now - began).inSeconds
        _ = try trained.save(to: folder)
        let tokenizer = try Tokenizer.load(path: folder)
        var ranges: [Range<Int>] = []
        var start = 0
        for end in text.indices where text[end] == UInt8(ascii: "\n") && end - start > 4_000 {
            ranges.append(start..<end)
            start = end
        }
        ranges.append(start..<text.count)
        var tokens = 0
        let timings = text.withUnsafeBufferPointer { bytes in
            Timings(budget: seconds) {
                tokens = tokenizer.ids(of: bytes, in: ranges, threads: threads).reduce(0) { $0 + $1.count }
            }
        }
        let megabytes = Double(text.count) / 1e6
        report["bytes"] = .integer(text.count)
        report["vocabulary"] = .integer(tokenizer.vocabularySize)
        report["training_seconds"] = .number(rounded(training))
        report["runs"] = .integer(timings.seconds.count)
        report["tokens"] = .integer(tokens)
        report["megabytes_per_second"] = .number(rounded(megabytes / timings.median))
        report["megabytes_per_second_most"] = .number(rounded(megabytes / timings.least))
        report["megabytes_per_second_least"] = .number(rounded(megabytes / timings.most))
        report["tokens_per_second"] = .number(rounded(Double(tokens) / timings.median))
    }
}
