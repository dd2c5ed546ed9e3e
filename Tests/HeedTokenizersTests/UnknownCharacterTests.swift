import HeedSupport
import HeedTokenizers
import Testing

@Suite("characters that a vocabulary lacks")
struct UnknownCharacterTests {
    @Test("characters without tokens are counted, whether they become the unknown token or nothing")
    func characters() throws {
        let dropping = try Tokenizer.characters(from: "abc ")
        #expect(try dropping.encode("a漢b字c").unknownCharacters == 2)
        #expect(dropping.unknownCharacters(in: Array("é é".utf8)) == 2)
        #expect(try dropping.encode("abc cab").unknownCharacters == 0)
        let marking = try Tokenizer.characters(from: "abc ", unknownToken: "<unk>")
        #expect(try marking.encode("a漢字c").unknownCharacters == 2)
        // The unknown token spelled out is no unknown character.
        #expect(try marking.encode("<unk>").unknownCharacters == 0)
        #expect(!dropping.coversAllText)
    }

    @Test("words, pieces and pairs")
    func kinds() throws {
        let words = try Tokenizer(wordPieces: Vocabulary(["[UNK]", "the", "##s"]), isCased: true)
        #expect(try words.encode("the cat thes").unknownCharacters == 3)
        #expect(try words.encode("the", pair: "a bc").unknownCharacters == 3)
        try TrainingFixtures.withFolder { folder in
            _ = try MappedFamilyTests.piecesFile(folder + "/m.model")
            let pieces = try Tokenizer.load(path: folder + "/m.model")
            #expect(pieces.unknownCharacters(in: Array("the 漢字 cat".utf8)) == 2)
            #expect(try pieces.encode("the cat").unknownCharacters == 0)
            var cut = pieces
            cut.truncation = Truncation(maximumLength: 1)
            #expect(try cut.encode("the 漢字 cat").unknownCharacters == 2)
        }
    }

    @Test("byte-level vocabularies lack nothing", .enabled(if: Shared.isThere))
    func bytes() throws {
        for name in ["gpt2", "phi-3-mini/tokenizer.json", "llama/tokenizer.model"] {
            let tokenizer = try Tokenizer.load(path: Shared.path("data/vocab/\(name)"))
            #expect(tokenizer.coversAllText)
            #expect(try tokenizer.encode("漢字 \u{0} é").unknownCharacters == 0)
        }
        #expect(try !Tokenizer.load(path: Shared.path("data/vocab/t5-small/tokenizer.json")).coversAllText)
    }
}
