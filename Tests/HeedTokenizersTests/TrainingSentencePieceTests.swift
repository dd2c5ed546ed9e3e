import HeedSupport
import HeedTokenizers
import Testing

@Suite struct TrainingSentencePieceTests {
    static func pieces(_ trained: TrainedTokenizer) throws -> [(text: String, score: Double)] {
        try #require(trained.sentencePieces).pieces.map { (String(decoding: $0.text, as: UTF8.self), Double($0.score)) }
    }

    static func train(
        _ algorithm: SentencePieceFile.Algorithm, _ size: Int, on text: [UInt8], threads: Int = 2
    ) throws -> TrainedTokenizer {
        try TrainingFixtures.withFolder { folder in
            try writeAtomically(path: folder + "/text.txt", bytes: text)
            return try SentencePieceTrainer(algorithm, vocabularySize: size, threads: threads)
                .train(files: [folder + "/text.txt"])
        }
    }

    @Test(
        "BPE, characters and words are the reference trainer's, piece by piece",
        .enabled(if: TrainingFixtures.available),
        arguments: [
            ("sp_bpe_700", SentencePieceFile.Algorithm.bpe), ("sp_char_60", .character), ("sp_word_500", .word),
        ])
    func golden(name: String, algorithm: SentencePieceFile.Algorithm) throws {
        let golden = try JSON.load(path: TrainingFixtures.path("fixtures/given/tokenizers/training/\(name).json"))
        let wanted = try #require(golden["pieces"]?.arrayValue)
        let trained = try Self.train(algorithm, wanted.count, on: TrainingFixtures.botchan())
        let pieces = try Self.pieces(trained)
        #expect(pieces.map(\.text) == wanted.map { $0[0]?.stringValue ?? "" })
        for (piece, other) in zip(pieces, wanted) {
            #expect(abs(piece.score - (other[1]?.doubleValue ?? .nan)) < 1e-5)
        }
    }

    @Test("unigram finds the reference's pieces", .enabled(if: TrainingFixtures.available))
    func unigram() throws {
        let golden = try JSON.load(
            path: TrainingFixtures.path("fixtures/given/tokenizers/training/sp_unigram_700.json"))
        let wanted = try #require(golden["pieces"]?.arrayValue)
        let pieces = try Self.pieces(try Self.train(.unigram, wanted.count, on: TrainingFixtures.botchan()))
        #expect(Set(pieces.map(\.text)) == Set(wanted.map { $0[0]?.stringValue ?? "" }))
        // Both sum in 32 bits, the reference logarithms and we probabilities: scores agree to rounding, and nearly
        // equal ones may change places.
        let scores = Dictionary(pieces.map { ($0.text, $0.score) }, uniquingKeysWith: { $1 })
        for piece in wanted {
            let score = try #require(scores[piece[0]?.stringValue ?? ""])
            #expect(abs(score - (piece[1]?.doubleValue ?? .nan)) < 1e-4)
        }
        for (one, next) in zip(pieces.dropFirst(3), pieces.dropFirst(4)) { #expect(one.score >= next.score) }
    }

    @Test("a string becomes a candidate where its continuations differ in their first bytes")
    func seedsByBytes() throws {
        // じ and ご, the continuations of あい, begin with the same byte; 語 and 字, those of うえ, do not.
        let text = String(repeating: "あいじ あいご うえ語 うえ字\n", count: 200)
        let pieces = try Self.pieces(try Self.train(.unigram, 20, on: Array(text.utf8))).map(\.text)
        #expect(pieces.contains { $0.contains("うえ") })
        #expect(!pieces.contains("あい") && !pieces.contains("▁あい"))
    }

    @Test("the number of threads does not show", arguments: SentencePieceFile.Algorithm.allCases)
    func threads(algorithm: SentencePieceFile.Algorithm) throws {
        var text: [UInt8] = []
        var generator = TestRandom(seed: 5)
        let words = ["low", "lower", "lowest", "new", "newer", "wide", "wider", "東京", "東", "naïve", "3.14"]
        for _ in 0..<3000 {
            for _ in 0..<5 { text += Array((words.randomElement(using: &generator) ?? "").utf8) + [32] }
            text.append(10)
        }
        let one = try Self.train(algorithm, 60, on: text, threads: 1)
        let many = try Self.train(algorithm, 60, on: text, threads: 3)
        #expect(one == many)
        #expect(one.tokens.prefix(3) == ["<unk>", "<s>", "</s>"])
    }

    @Test("saved models give the same ids through every file", arguments: SentencePieceFile.Algorithm.allCases)
    func saving(algorithm: SentencePieceFile.Algorithm) throws {
        try TrainingFixtures.withFolder { folder in
            var text = ""
            for number in 0..<400 { text += "the cat number \(number % 50) sat on the mat, then it slept.\n" }
            try writeAtomically(path: folder + "/text.txt", text: text)
            let trained = try SentencePieceTrainer(algorithm, vocabularySize: 70, specialTokens: ["<mask>"])
                .train(files: [folder + "/text.txt"])
            let names = try trained.save(to: folder)
            #expect(Set(names).isSuperset(of: ["tokenizer.json", "tokenizer.model", "tokenizer.vocab"]))
            #expect(trained.tokens[3] == "<mask>")
            let model = try Tokenizer.load(path: folder + "/tokenizer.model")
            let json = try Tokenizer.load(path: folder + "/tokenizer.json")
            for line in ["the cat sat", "  then   it slept. ", "number 12 the mat", "", "cat"] {
                let ids = try model.encode(line, addingSpecialTokens: false).ids
                #expect(try json.encode(line, addingSpecialTokens: false).ids == ids, "\(line)")
                #expect(ids.allSatisfy { Int($0) < trained.tokens.count })
            }
        }
    }

    @Test("with byte fallback nothing is unknown")
    func byteFallback() throws {
        try TrainingFixtures.withFolder { folder in
            try writeAtomically(path: folder + "/text.txt", text: "some words and some more words\n")
            var trainer = SentencePieceTrainer(.bpe, vocabularySize: 290)
            trainer.hasByteFallback = true
            let trained = try trainer.train(files: [folder + "/text.txt"])
            let tokenizer = try SentencePieceTokenizer(try #require(trained.sentencePieces), in: "test")
            let text = Array("some Ωords 東京".utf8)
            let ids = tokenizer.ids(text)
            #expect(!ids.contains(0))
            #expect(tokenizer.decode(ids) == text)
        }
    }

    @Test("what cannot work is a typed error", arguments: SentencePieceFile.Algorithm.allCases)
    func errors(algorithm: SentencePieceFile.Algorithm) throws {
        let tooSmall = #expect(throws: HeedError.self) { try Self.train(algorithm, 3, on: Array("some text".utf8)) }
        #expect(tooSmall?.description.contains("`vocabularySize`") == true)
        #expect(throws: HeedError.self) { try Self.train(algorithm, 100, on: []) }
        #expect(throws: HeedError.self) { try Self.train(algorithm, 100, on: Array("\n \n\n".utf8)) }
        #expect(throws: HeedError.self) {
            try SentencePieceTrainer(algorithm, vocabularySize: 100).train(files: ["/nonexistent/text.txt"])
        }
    }

    @Test("any bytes can be trained on", arguments: SentencePieceFile.Algorithm.allCases)
    func anyBytes(algorithm: SentencePieceFile.Algorithm) throws {
        var bytes: [UInt8] = []
        var generator = TestRandom(seed: 9)
        for _ in 0..<4000 { bytes.append(.random(in: 0...255, using: &generator)) }
        let trained = try Self.train(algorithm, 800, on: bytes)
        #expect(Set(trained.tokens).count == trained.tokens.count)
        #expect(trained.tokens.count <= 800)
    }
}
