import ArgumentParser
import HeedSupport
import HeedTokenizers
import Testing

@testable import HeedCommand

@Suite("heed tokenizer")
struct TokenizerCommandTests {
    /// A folder of its own, removed at the end.
    private func inFolder(_ body: (String) throws -> Void) throws {
        let folder = temporaryPath("tokenizer")
        defer { try? removeTree(folder) }
        try createDirectory(folder)
        try body(folder)
    }

    @Test(
        "options that contradict each other are refused",
        arguments: [
            ["--text", "a", "--best", "2", "--sample", "0.1"], ["--text", "a", "--best", "0"],
            ["--text", "a", "--dropout", "1.5"], ["--text", "a", "--sample=-1"],
            ["--text", "a", "--best", "2", "--json"], ["--text", "a", "--dropout", "0.1", "--max-length", "3"],
            ["--text", "a", "--truncation", "only-first"], ["--text", "a", "--padding", "max-length"],
            ["--text", "a", "--jsonl", "x"], [],
        ])
    func contradictions(options: [String]) {
        let words = ["--tokenizer", "x"] + options
        #expect(throws: (any Error).self) { try EncodeText.parse(words) }
    }

    @Test("decoding streams characters or prints bytes, not both")
    func streaming() throws {
        #expect(throws: (any Error).self) {
            try DecodeIDs.parse(["--tokenizer", "x", "--ids", "1", "--stream", "--hex"])
        }
        #expect(try DecodeIDs.parse(["--tokenizer", "x", "--ids", "1", "--stream"]).stream)
    }

    @Test(
        "an option of another kind of tokenizer is an error that names the right kinds",
        arguments: [
            ("byte-bpe", ["--byte-fallback"], "unigram or sentencepiece-bpe"),
            ("wordpiece", ["--normalization", "identity"], "unigram"), ("unigram", ["--cased"], "wordpiece"),
            ("word", ["--max-piece-length", "4"], "unigram"), ("byte-bpe", ["--keep-spaces"], "char"),
            ("word", ["--character-coverage", "0.9"], "char"),
        ])
    func otherKinds(kind: String, options: [String], named: String) throws {
        let command = try TrainTokenizer.parse(
            ["--kind", kind, "--vocab-size", "300", "--output", "/nonexistent/x", #filePath] + options)
        let error = #expect(throws: HeedError.self) { try command.run() }
        #expect(error?.description.contains(options[0]) == true)
        #expect(error?.description.contains(named) == true)
    }

    @Test("what the training options ask for is in the model")
    func trainingOptions() throws {
        try inFolder { folder in
            let text = folder + "/text.txt"
            try writeAtomically(
                path: text, text: String(repeating: "Ａ lower  case text with words\n", count: 50))
            let output = folder + "/out"
            try TrainTokenizer.parse([
                "--kind", "sentencepiece-bpe", "--vocab-size", "320", "--byte-fallback", "--normalization", "identity",
                "--keep-spaces", "--max-piece-length", "3", "--character-coverage", "1.0", "--max-words", "5000",
                "--threads", "1", "--output", output, text,
            ]).run()
            let file = try SentencePieceFile(path: output + "/tokenizer.model")
            #expect(file.hasByteFallback)
            #expect(!file.normalization.removesExtraWhitespaces)
            #expect(file.normalization.charactersMap.isEmpty)
            let texts = file.pieces.filter { $0.role == .normal }.map { String(decoding: $0.text, as: UTF8.self) }
            #expect(texts.contains("Ａ"))
            #expect(texts.allSatisfy { $0.unicodeScalars.count <= 3 })
            let tokenizer = try Tokenizer.load(path: output)
            #expect(try tokenizer.decode(tokenizer.ids(of: "Ａ  漢")) == "Ａ  漢")
        }
    }

    @Test("lines by the one rule; a space in an id makes no other id")
    func lines() throws {
        try inFolder { folder in
            let tokenizer = folder + "/tokenizer"
            try Tokenizer.characters(from: "abc ").save(to: tokenizer)
            func run(_ words: String...) -> Int32 {
                CommandRunner(root: HeedCommand.self).run(["tokenizer"] + words + ["--tokenizer", tokenizer])
            }
            let input = folder + "/lines.txt"
            try writeAtomically(path: input, text: "abc\n\n\"a b\"\n{\"text\": \"c\"}\n")
            #expect(run("encode", "--input", input) == 0)
            #expect(run("encode", "--input", input, "--pair") == 1)
            try writeAtomically(path: input, text: "abc\n{\"x\": 1}\nb\n")
            #expect(run("encode", "--jsonl", input) == 1)
            #expect(run("encode", "--jsonl", input, "--on-error", "skip") == 0)
            try writeAtomically(path: input, text: "[1, 2]\n\n{\"ids\": [0]}\n")
            #expect(run("decode", "--input", input) == 0)
            try writeAtomically(path: input, text: "[1, 2]\n[99]\n")
            #expect(run("decode", "--input", input) == 1)
            #expect(run("decode", "--ids", "1, 2") == 0)
            #expect(run("decode", "--ids", "1 2") == 2)
        }
    }

    @Test("the same seed draws the same segmentations")
    func seeds() throws {
        try inFolder { folder in
            let text = folder + "/text.txt"
            try writeAtomically(
                path: text, text: (0..<200).map { "the cat number \($0) sat on the mat\n" }.joined())
            try TrainTokenizer.parse([
                "--kind", "unigram", "--vocab-size", "60", "--threads", "1", "--output", folder + "/out", text,
            ]).run()
            let tokenizer = try Tokenizer.load(path: folder + "/out")
            let bytes = Array("the cat sat on the mat".utf8)
            func drawn(_ options: [String]) throws -> [JSON] {
                let command = try EncodeText.parse(["--tokenizer", "x", "--text", "x"] + options)
                var generator = SeededGenerator(seed: command.segmentation.seed)
                return try (0..<8).map { _ in
                    try command.segmentation.result(
                        of: bytes, tokenizer, addingSpecialTokens: true, using: &generator)
                }
            }
            let first = try drawn(["--sample", "0.1", "--seed", "5"])
            #expect(try drawn(["--sample", "0.1", "--seed", "5"]) == first)
            #expect(try drawn(["--sample", "0.1", "--seed", "6"]) != first)
            let best = try drawn(["--best", "3"])
            #expect(best[0].arrayValue?.count == 3)
            #expect(best[0][0]?["ids"]?.arrayValue?.count == tokenizer.ids(of: bytes).count)
            #expect(throws: HeedError.self) { try drawn(["--dropout", "0.1"]) }
        }
    }
}
