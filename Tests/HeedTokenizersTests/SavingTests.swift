#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport
import HeedTokenizers
import Testing

@Suite("saving and loading")
struct SavingTests {
    /// A folder of its own, removed at the end.
    func inFolder(_ body: (String) throws -> Void) throws {
        let path = temporaryPath("tokenizers")
        try createDirectory(path)
        defer { try? removeTree(path) }
        try body(path)
    }

    @Test("a tokenizer of characters")
    func characters() throws {
        let tokenizer = try Tokenizer.characters(from: "hello, wörld\n")
        #expect(tokenizer.vocabularySize == 11)
        let text = "hold\nwörld, lol"
        let ids = tokenizer.ids(of: text)
        #expect(ids.count == text.unicodeScalars.count)
        #expect(try tokenizer.decode(ids) == text)
        #expect(ids.first == tokenizer.id(of: "h"))
        // Characters that are not there give nothing, or the unknown token.
        #expect(tokenizer.ids(of: "hxh") == tokenizer.ids(of: "hh"))
        let withUnknown = try Tokenizer.characters(from: "abc", unknownToken: "<unk>")
        #expect(withUnknown.ids(of: "axc") == [1, 0, 3])
        try inFolder { folder in
            try tokenizer.save(to: folder)
            let loaded = try Tokenizer.load(path: folder)
            #expect(loaded.ids(of: text) == ids)
            #expect(try loaded.decode(ids) == text)
        }
        #expect(throws: HeedError.self) { try Tokenizer.characters(from: "") }
    }

    @Test(
        "what is saved loads to the same ids", .enabled(if: Shared.isThere),
        arguments: [
            "gpt2", "tiktoken/gpt2.tiktoken", "bert-uncased/vocab.txt", "roberta-base/tokenizer.json",
            "clip/tokenizer.json", "phi-3-mini/tokenizer.json", "t5-small/tokenizer.json", "falcon/tokenizer.json",
        ])
    func saved(name: String) throws {
        let tokenizer = try Tokenizer.load(path: Shared.path("data/vocab/\(name)"))
        try inFolder { folder in
            try tokenizer.save(to: folder)
            var loaded = try Tokenizer.load(path: folder)
            loaded.recognisesSpecialTokens = tokenizer.recognisesSpecialTokens
            for text in try Shared.strings() {
                #expect(loaded.ids(of: text) == tokenizer.ids(of: text))
                #expect(try loaded.encode(text) == tokenizer.encode(text))
            }
            #expect(try loaded.json() == tokenizer.json())
        }
    }

    @Test("GPT-2 reads the sentence of the second document as published", .enabled(if: Shared.isThere))
    func sentence() throws {
        let tokenizer = try Tokenizer.load(path: Shared.path("data/vocab/gpt2"))
        let ids = tokenizer.ids(of: "The cat sat on")
        #expect(ids == [464, 3797, 3332, 319])
        #expect(ids.map { tokenizer.token(of: $0) } == ["The", "Ġcat", "Ġsat", "Ġon"])
        #expect(tokenizer.vocabularySize == 50257)
    }
}
