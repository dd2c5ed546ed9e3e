import HeedSupport
import HeedTokenizers
import Testing

@Suite struct TrainingWordPieceTests {
    static func train(_ text: String, _ size: Int, lowerCase: Bool = true, threads: Int = 2) throws -> TrainedTokenizer
    {
        try TrainingFixtures.withFolder { folder in
            try writeAtomically(path: folder + "/text.txt", text: text)
            return try WordPieceTrainer(vocabularySize: size, isLowerCase: lowerCase, threads: threads)
                .train(files: [folder + "/text.txt"])
        }
    }

    @Test("special tokens, alphabet, continuations, then the most frequent pairs, ties to the lowest ids")
    func order() throws {
        // Pairs: ##u ##g 20, p ##u 17, h ##u 15, ##u ##n 16 — counts of hug 10, pug 5, pun 12, bun 4, hugs 5.
        var text = ""
        for (word, times) in [("hug", 10), ("pug", 5), ("pun", 12), ("bun", 4), ("hugs", 5)] {
            for _ in 0..<times { text += word + " " }
        }
        let trained = try Self.train(text, 19)
        #expect(
            trained.tokens == [
                "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "b", "g", "h", "n", "p", "s", "u", "##g", "##n", "##s",
                "##u", "##ug", "##un", "hug",
            ])
    }

    @Test("case and accents go unless they are kept")
    func letterCase() throws {
        #expect(try Self.train("Été Été", 40).tokens.contains("ete"))
        #expect(try Self.train("Été Été", 40, lowerCase: false).tokens.contains("Été"))
    }

    @Test("the number of threads does not show, and what is saved cuts words again")
    func saving() throws {
        var text = ""
        var generator = TestRandom(seed: 11)
        let words = ["unaffordable", "affordable", "Afford", "unable", "table", "tables", "naïve", "don't", "東京"]
        for _ in 0..<4000 {
            text += (words.randomElement(using: &generator) ?? "") + (Bool.random(using: &generator) ? " " : "\n")
        }
        let trained = try Self.train(text, 120, threads: 1)
        #expect(try Self.train(text, 120, threads: 3) == trained)
        try TrainingFixtures.withFolder { folder in
            let names = try trained.save(to: folder)
            #expect(names.contains("vocab.txt"))
            let json = try Tokenizer.load(path: folder + "/tokenizer.json")
            let plain = try Tokenizer.load(path: folder + "/vocab.txt")
            for line in ["The unaffordable table", "NAÏVE don't 東京!", ""] {
                let encoding = try json.encode(line)
                #expect(encoding.ids.first == 2 && encoding.ids.last == 3)
                #expect(try plain.encode(line).ids == encoding.ids)
            }
            #expect(try json.encode("unaffordable", addingSpecialTokens: false).ids.count == 1)
        }
    }

    @Test("what cannot work is a typed error")
    func errors() throws {
        #expect(throws: HeedError.self) { try Self.train("some text", 4) }
        #expect(throws: HeedError.self) { try Self.train("some text", 9) }
        #expect(throws: HeedError.self) { try Self.train(" \n ", 100) }
        #expect(throws: HeedError.self) { try WordPieceTrainer(vocabularySize: 99).train(files: ["/nonexistent.txt"]) }
    }
}
