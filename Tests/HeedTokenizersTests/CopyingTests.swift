import HeedSupport
import HeedTokenizers
import Testing

@Suite("tokenizers in another folder")
struct CopyingTests {
    static let texts = ["The cat sat on the mat.", " <s>a</s> b  c", "café 漢字 👍🏽", "", "\n\n x"]

    /// Copies and loads again; ids, with what goes around texts, stay.
    @discardableResult
    static func copied(_ path: String, _ folder: String) throws -> Tokenizer {
        let before = try Tokenizer.load(path: path)
        try Tokenizer.copy(from: path, to: folder)
        let after = try Tokenizer.load(path: folder)
        for text in texts { #expect(try after.encode(text).ids == before.encode(text).ids, "\(path): \(text)") }
        let configuration = try JSON.load(path: joinPath(folder, "tokenizer_config.json"))
        #expect(configuration["tokenizer_class"]?.stringValue != nil)
        return after
    }

    @Test("trained kinds, with an end where one is wanted; nothing of another kind stays")
    func trained() throws {
        try TrainingFixtures.withFolder { folder in
            let text = folder + "/text.txt"
            try writeAtomically(path: text, text: MappedFamilyTests.text)
            let output = folder + "/out"
            var trained = try ByteLevelBPETrainer(vocabularySize: 270, specialTokens: ["</s>", "<pad>"])
                .train(files: [text])
            trained.endToken = "</s>"
            try trained.save(to: output)
            let tokenizer = try Self.copied(output, folder + "/copy")
            #expect(try tokenizer.encode("the").ids.last == 0)
            #expect(try tokenizer.encode("the", pair: "mat").ids.filter { $0 == 0 }.count == 2)
            #expect(fileExists(output + "/merges.txt"))
            let configuration = try JSON.load(path: output + "/tokenizer_config.json")
            #expect(configuration["eos_token"]?.stringValue == "</s>")
            #expect(configuration["pad_token"]?.stringValue == "<pad>")
            try SentencePieceTrainer(.unigram, vocabularySize: 40).train(files: [text]).save(to: output)
            #expect(!fileExists(output + "/merges.txt"))
            #expect(!fileExists(output + "/vocab.json"))
            #expect(fileExists(output + "/tokenizer.model"))
            try Tokenizer.characters(from: "abc").save(to: output)
            #expect(!fileExists(output + "/tokenizer.model"))
            #expect(fileExists(output + "/tokenizer_config.json"))
        }
    }

    @Test("Marian's folder is copied whole")
    func marian() throws {
        try MappedFamilyTests.withMarian(isSeparate: true) { folder, _, _ in
            try MappedFamilyTests.write(["tokenizer_class": "MarianTokenizer"], folder, "tokenizer_config.json")
            try Self.copied(folder, folder + "/copy")
            let target = try Tokenizer.loadTarget(path: folder + "/copy")
            #expect(try target.encode("the mat").ids == Tokenizer.loadTarget(path: folder).encode("the mat").ids)
        }
    }

    @Test("a family of SentencePiece becomes tokenizer.json and keeps the languages that were set")
    func family() throws {
        try TrainingFixtures.withFolder { folder in
            _ = try MappedFamilyTests.piecesFile(folder + "/sentencepiece.bpe.model")
            try MappedFamilyTests.write(
                ["tokenizer_class": "MBartTokenizer", "src_lang": "de_DE", "chat_template": "x"], folder,
                "tokenizer_config.json")
            try Self.copied(folder, folder + "/copy")
            let configuration = try JSON.load(path: folder + "/copy/tokenizer_config.json")
            #expect(configuration["src_lang"]?.stringValue == "de_DE")
            #expect(configuration["chat_template"]?.stringValue == "x")
            #expect(fileExists(folder + "/copy/tokenizer.json"))
        }
    }

    @Test(
        "published vocabularies of every kind", .enabled(if: Shared.isThere),
        arguments: [
            "gpt2", "tiktoken/gpt2.tiktoken", "bert-cased/vocab.txt", "t5-small", "phi-3-mini/tokenizer.json",
            "llama/tokenizer.model", "llama/tokenizer.bin", "opus-mt-en-mg", "gguf/llama-spm.gguf", "gguf/qwen2.gguf",
        ])
    func published(name: String) throws {
        try TrainingFixtures.withFolder { folder in
            let copy = try Self.copied(Shared.path("data/vocab/\(name)"), folder + "/copy")
            #expect(copy.vocabularySize > 1000)
        }
    }
}
