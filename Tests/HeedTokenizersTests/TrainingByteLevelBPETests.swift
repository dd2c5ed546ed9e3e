import HeedSupport
import Testing

import HeedTokenizers

@Suite struct TrainingByteLevelBPETests {
    @Test(
        "merges and vocabulary equal Hugging Face's", .enabled(if: TrainingFixtures.available), arguments: [400, 2000])
    func goldenMerges(size: Int) throws {
        let golden = try JSON.load(
            path: TrainingFixtures.path("fixtures/given/tokenizers/training/bpe_bytelevel_\(size).json"))
        let wanted = try #require(golden["merges"]?.arrayValue).map { pair in
            (pair.arrayValue ?? []).compactMap(\.stringValue).joined(separator: " ")
        }
        let vocabulary = try #require(golden["vocab"]?.objectValue)
        try TrainingFixtures.withFolder { folder in
            try writeAtomically(path: folder + "/text.txt", bytes: TrainingFixtures.botchan())
            let trained = try ByteLevelBPETrainer(vocabularySize: size, specialTokens: ["<|endoftext|>"])
                .train(files: [folder + "/text.txt"])
            let merges = trained.merges.map { trained.tokens[$0.left] + " " + trained.tokens[$0.right] }
            #expect(merges == wanted)
            #expect(trained.tokens.count == vocabulary.count)
            for (id, token) in trained.tokens.enumerated() { #expect(vocabulary[token]?.intValue == id) }
            #expect(trained.forgottenWords == 0)
        }
    }

    @Test("saved files hold the vocabulary, the merges and the pipeline")
    func saving() throws {
        try TrainingFixtures.withFolder { folder in
            try writeAtomically(path: folder + "/text.txt", text: "the cat sat on the mat, the cat slept\n")
            let trained = try ByteLevelBPETrainer(vocabularySize: 262, specialTokens: ["<|endoftext|>"])
                .train(files: [folder + "/text.txt"])
            let names = try trained.save(to: folder)
            #expect(names.sorted() == ["merges.txt", "tokenizer.json", "tokenizer_config.json", "vocab.json"])
            let document = try JSON.load(path: folder + "/tokenizer.json")
            #expect(document["model"]?["vocab"]?["Ġthe"]?.intValue == trained.tokens.firstIndex(of: "Ġthe"))
            #expect(document["model"]?["merges"]?.arrayValue?.count == trained.merges.count)
            #expect(document["added_tokens"]?[0]?["id"]?.intValue == 0)
            #expect(try JSON.load(path: folder + "/vocab.json").objectValue?.count == trained.tokens.count)
            let merges = String(decoding: try readFile(folder + "/merges.txt"), as: UTF8.self)
            #expect(merges.hasPrefix("#version: 0.2\n"))
        }
    }

    @Test("the number of threads does not show", arguments: [1, 2, 3, 7])
    func threads(count: Int) throws {
        try TrainingFixtures.withFolder { folder in
            var text = ""
            var state: UInt64 = 1
            for line in 0..<60_000 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += "line \(line % 97) of ünï-codé \(state >> 50) words 東京\n"
            }
            try writeAtomically(path: folder + "/text.txt", text: text)
            let files = [folder + "/text.txt", folder + "/text.txt"]
            let one = try ByteLevelBPETrainer(vocabularySize: 600, threads: 1).train(files: files)
            let many = try ByteLevelBPETrainer(vocabularySize: 600, threads: count).train(files: files)
            #expect(one == many)
            #expect(one.tokens.count == 600)
        }
    }

    @Test("a small cap keeps the frequent words and says what it forgot")
    func cap() throws {
        try TrainingFixtures.withFolder { folder in
            var text = ""
            for line in 0..<200_000 { text += "common words and rare\(line)x\n" }
            try writeAtomically(path: folder + "/text.txt", text: text)
            var trainer = ByteLevelBPETrainer(vocabularySize: 280)
            trainer.maximumDistinctWords = 1000
            let trained = try trainer.train(files: [folder + "/text.txt"])
            #expect(trained.forgottenWords > 100_000)
            #expect(trained.tokens.contains("Ġcommon") || trained.tokens.contains("common"))
        }
    }

    @Test("bytes that are not UTF-8 are trained on like others")
    func anyBytes() throws {
        try TrainingFixtures.withFolder { folder in
            var bytes: [UInt8] = []
            for round in 0..<64 { for byte in UInt8.min...UInt8.max { bytes += [byte, UInt8(round)] } }
            try writeAtomically(path: folder + "/bytes.bin", bytes: bytes)
            let trained = try ByteLevelBPETrainer(vocabularySize: 300).train(files: [folder + "/bytes.bin"])
            #expect(trained.tokens.count <= 300)
            #expect(Set(trained.tokens).count == trained.tokens.count)
        }
    }

    @Test("rare pairs stay apart under a minimum frequency")
    func minimumFrequency() throws {
        try TrainingFixtures.withFolder { folder in
            try writeAtomically(path: folder + "/text.txt", text: "abab abab cd\n")
            let trained = try ByteLevelBPETrainer(vocabularySize: 1000, minimumFrequency: 2)
                .train(files: [folder + "/text.txt"])
            #expect(trained.merges.map { trained.tokens[$0.left] + trained.tokens[$0.right] } == ["ab", "abab"])
        }
    }

    @Test("what cannot work is a typed error")
    func errors() throws {
        #expect(throws: HeedError.self) { try ByteLevelBPETrainer(vocabularySize: 3).train(files: ["/dev/null"]) }
        let missing = #expect(throws: HeedError.self) {
            try ByteLevelBPETrainer(vocabularySize: 300).train(files: ["/nonexistent/notext.txt"])
        }
        #expect(missing?.description.contains("notext.txt") == true)
        try TrainingFixtures.withFolder { folder in
            try writeAtomically(path: folder + "/empty.txt", text: "")
            let empty = #expect(throws: HeedError.self) {
                try ByteLevelBPETrainer(vocabularySize: 300).train(files: [folder + "/empty.txt"])
            }
            #expect(empty?.description.contains("empty.txt") == true)
            try writeAtomically(path: folder + "/text.txt", text: "some text")
            #expect(throws: HeedError.self) {
                try ByteLevelBPETrainer(vocabularySize: 300, specialTokens: ["a", "a"])
                    .train(files: [folder + "/text.txt"])
            }
            #expect(throws: CancellationError.self) {
                try ByteLevelBPETrainer(vocabularySize: 300).train(files: [folder + "/text.txt"]) { _ in
                    throw CancellationError()
                }
            }
        }
    }
}
