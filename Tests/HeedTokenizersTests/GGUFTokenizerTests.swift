import HeedSupport
import TestFixtures
import Testing

@testable import HeedTokenizers

@Suite("tokenizers inside GGUF")
struct GGUFTokenizerTests {
    /// The head of a GGUF file with values of the kinds that tokenizers use.
    struct Writer {
        private(set) var body: [UInt8] = []
        private(set) var count = 0

        static func little(_ value: Int, _ width: Int) -> [UInt8] {
            (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }

        static func text(_ text: String) -> [UInt8] { little(text.utf8.count, 8) + Array(text.utf8) }

        private mutating func add(_ name: String, _ type: Int, _ value: [UInt8]) {
            body += Self.text(name) + Self.little(type, 4) + value
            count += 1
        }

        mutating func add(_ name: String, _ value: String) { add(name, 8, Self.text(value)) }
        mutating func add(_ name: String, _ value: Int) { add(name, 4, Self.little(value, 4)) }
        mutating func add(_ name: String, _ value: Bool) { add(name, 7, [value ? 1 : 0]) }
        mutating func add(_ name: String, _ values: [String]) {
            add(name, 9, Self.little(8, 4) + Self.little(values.count, 8) + values.flatMap { Self.text($0) })
        }
        mutating func add(_ name: String, _ values: [Int]) {
            add(name, 9, Self.little(5, 4) + Self.little(values.count, 8) + values.flatMap { Self.little($0, 4) })
        }
        mutating func add(_ name: String, _ values: [Float]) {
            add(
                name, 9,
                Self.little(6, 4) + Self.little(values.count, 8)
                    + values.flatMap { Self.little(Int($0.bitPattern), 4) })
        }

        var bytes: [UInt8] {
            Array("GGUF".utf8) + Self.little(3, 4) + Self.little(0, 8) + Self.little(count, 8) + body
        }
    }

    static func load(_ writer: Writer) throws -> Tokenizer {
        try TrainingFixtures.withFolder { folder in
            try writeAtomically(path: folder + "/m.gguf", bytes: writer.bytes)
            return try Tokenizer.load(path: folder + "/m.gguf")
        }
    }

    /// Byte-level BPE of all bytes and one merge, with a control token at 257 and a user-defined one at 258.
    static func byteLevel(pattern: String = "gpt-2") -> Writer {
        var writer = Writer()
        let bytes = (0..<256).map { String(ByteAlphabet.scalars[$0]) }
        writer.add("general.architecture", "gpt2")
        writer.add("tokenizer.ggml.model", "gpt2")
        writer.add("tokenizer.ggml.pre", pattern)
        writer.add("tokenizer.ggml.tokens", bytes + ["Ġa", "<|end|>", "<tab>"])
        writer.add("tokenizer.ggml.token_type", [Int](repeating: 1, count: 257) + [3, 4])
        writer.add("tokenizer.ggml.merges", ["Ġ a"])
        writer.add("tokenizer.ggml.bos_token_id", 257)
        return writer
    }

    @Test("byte-level: merges, control and user-defined tokens, begin where asked")
    func byteLevelKind() throws {
        let tokenizer = try Self.load(Self.byteLevel())
        #expect(try tokenizer.encode("a a<|end|><tab>").ids == [0x61, 256, 257, 258])
        #expect(tokenizer.isSpecial(257))
        #expect(!tokenizer.isSpecial(258))
        #expect(try tokenizer.decode([0x61, 257, 256, 258]) == "a a<tab>")
        var writer = Self.byteLevel()
        writer.add("tokenizer.ggml.add_bos_token", true)
        #expect(try Self.load(writer).encode("a").ids == [257, 0x61])
        // A file that says nothing follows its pattern's own custom.
        #expect(try Self.load(Self.byteLevel(pattern: "llama-bpe")).encode("a").ids == [257, 0x61])
    }

    @Test("every pattern can be used and covers all text")
    func patterns() throws {
        let text = "Hello WORLD, it's 12345 naïve 漢字…\r\n\t  x=1;// ÀÉ"
        for name in GGUFPattern.names {
            let tokenizer = try Self.load(Self.byteLevel(pattern: name))
            #expect(try tokenizer.decode(tokenizer.ids(of: text)) == text, "\(name)")
            #expect(try tokenizer.encode(text, addingSpecialTokens: false).ids == tokenizer.ids(of: text), "\(name)")
        }
    }

    @Test("pieces: scores, bytes, the unknown by its id, begin and prefix")
    func pieces() throws {
        var writer = Writer()
        let bytes = (0..<256).map { String(decoding: SentencePieceFile.spelling(of: UInt8($0)), as: UTF8.self) }
        writer.add("tokenizer.ggml.model", "llama")
        writer.add("tokenizer.ggml.tokens", ["<unk>", "<s>", "</s>"] + bytes + ["▁", "a", "▁a", "b"])
        writer.add("tokenizer.ggml.scores", [Float](repeating: 0, count: 259) + [-3, -4, -1, -5])
        writer.add(
            "tokenizer.ggml.token_type", [3, 3, 3] + [Int](repeating: 6, count: 256) + [Int](repeating: 1, count: 4))
        let tokenizer = try Self.load(writer)
        #expect(try tokenizer.encode("a b").ids == [1, 261, 259, 262])
        #expect(try tokenizer.encode("é").ids == [1, 259, 3 + 0xC3, 3 + 0xA9])
        #expect(try tokenizer.decode([1, 261, 259, 262, 2]) == "a b")
        writer.add("tokenizer.ggml.add_bos_token", false)
        writer.add("tokenizer.ggml.add_eos_token", true)
        writer.add("tokenizer.ggml.add_space_prefix", false)
        #expect(try Self.load(writer).encode("a b").ids == [260, 259, 262, 2])
    }

    @Test("words: U+2581 begins them, other parts are continuations")
    func words() throws {
        var writer = Writer()
        writer.add("tokenizer.ggml.model", "bert")
        writer.add("tokenizer.ggml.tokens", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁the", "s", "▁cat"])
        writer.add("tokenizer.ggml.token_type", [3, 3, 3, 3, 1, 1, 1])
        writer.add("tokenizer.ggml.unknown_token_id", 1)
        writer.add("tokenizer.ggml.cls_token_id", 2)
        writer.add("tokenizer.ggml.seperator_token_id", 3)
        let tokenizer = try Self.load(writer)
        #expect(try tokenizer.encode("The cats x").ids == [2, 4, 6, 5, 1, 3])
        #expect(try tokenizer.decode([2, 4, 6, 5, 3]) == "the cats")
        // One token may begin and separate.
        var one = Writer()
        one.add("tokenizer.ggml.model", "bert")
        one.add("tokenizer.ggml.tokens", ["[UNK]", "[X]", "▁the"])
        one.add("tokenizer.ggml.token_type", [3, 3, 1])
        one.add("tokenizer.ggml.unknown_token_id", 0)
        one.add("tokenizer.ggml.cls_token_id", 1)
        one.add("tokenizer.ggml.seperator_token_id", 1)
        #expect(try Self.load(one).encode("the").ids == [1, 2, 1])
    }

    @Test("published vocabularies", .enabled(if: Shared.has("data/vocab/gguf/ids.json")))
    func published() throws {
        let vocabularies = try #require(
            JSON.load(path: Shared.path("data/vocab/gguf/ids.json"))["vocabularies"]?.objectValue)
        for (name, golden) in vocabularies {
            let tokenizer = try Tokenizer.load(path: Shared.path("data/vocab/gguf/\(name).gguf"))
            for (text, ids) in zip(golden["texts"]?.arrayValue ?? [], golden["ids"]?.arrayValue ?? []) {
                #expect(tokenizer.ids(of: text.stringValue ?? "") == ids.ids, "\(name)")
            }
        }
    }

    @Test("broken and hostile files give an error that names them")
    func hostile() throws {
        func expectError(_ word: String, _ change: (inout Writer) -> Void) throws {
            var writer = Writer()
            change(&writer)
            let error = #expect(throws: HeedError.self) { try Self.load(writer) }
            #expect(error?.description.contains(word) ?? false, "\(error?.description ?? "")")
        }
        try expectError("no tokenizer") { $0.add("tokenizer.ggml.model", "none") }
        try expectError("no tokens") { $0.add("tokenizer.ggml.model", "llama") }
        try expectError("plamo2") {
            $0.add("tokenizer.ggml.model", "plamo2")
            $0.add("tokenizer.ggml.tokens", ["a"])
        }
        try expectError("strange-pattern") { $0 = Self.byteLevel(pattern: "strange-pattern") }
        try expectError("there twice") {
            $0 = Self.byteLevel()
            $0.add("tokenizer.ggml.pre", "gpt-2")
        }
        try expectError("token_type") {
            $0.add("tokenizer.ggml.model", "gpt2")
            $0.add("tokenizer.ggml.tokens", ["a", "b"])
            $0.add("tokenizer.ggml.token_type", [1])
        }
        try expectError("bos_token_id") {
            $0 = Self.byteLevel()
            $0.add("tokenizer.ggml.bos_token_id2", 1)
            $0.add("tokenizer.ggml.eos_token_id", 100_000)
            $0.add("tokenizer.ggml.bos_token_id", 100_000)
        }
        try expectError("cannot be used") { $0.add("tokenizer.ggml.model", 3) }
    }

    /// A small file of every kind of tokenizer.
    private static let kinds: [[UInt8]] = {
        let merges = byteLevel()
        var pieces = Writer()
        let bytes = (0..<256).map { String(decoding: SentencePieceFile.spelling(of: UInt8($0)), as: UTF8.self) }
        pieces.add("tokenizer.ggml.model", "llama")
        pieces.add("tokenizer.ggml.tokens", ["<unk>", "<s>", "</s>"] + bytes + ["▁", "a", "▁a", "b"])
        pieces.add("tokenizer.ggml.scores", [Float](repeating: 0, count: 259) + [-3, -4, -1, -5])
        pieces.add(
            "tokenizer.ggml.token_type", [3, 3, 3] + [Int](repeating: 6, count: 256) + [Int](repeating: 1, count: 4))
        pieces.add("tokenizer.ggml.add_eos_token", true)
        var unigram = Writer()
        unigram.add("tokenizer.ggml.model", "t5")
        unigram.add("tokenizer.ggml.tokens", ["<pad>", "</s>", "<unk>", "▁", "a", "▁a", "the", "é"])
        unigram.add("tokenizer.ggml.scores", [0, 0, 0, -2, -3, -4, -5, -6] as [Float])
        unigram.add("tokenizer.ggml.token_type", [3, 3, 2, 1, 1, 1, 4, 1])
        unigram.add("tokenizer.ggml.precompiled_charsmap", [4, 0, 0, 0, 1, 2, 3, 4, 0])
        unigram.add("tokenizer.ggml.remove_extra_whitespaces", true)
        var words = Writer()
        words.add("tokenizer.ggml.model", "bert")
        words.add("tokenizer.ggml.tokens", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁the", "s", "▁cat"])
        words.add("tokenizer.ggml.token_type", [3, 3, 3, 3, 1, 1, 1])
        words.add("tokenizer.ggml.unknown_token_id", 1)
        words.add("tokenizer.ggml.cls_token_id", 2)
        words.add("tokenizer.ggml.seperator_token_id", 3)
        return [merges.bytes, pieces.bytes, unigram.bytes, words.bytes]
    }()

    @Test("a file that is cut or changed anywhere gives an error that names it, or a tokenizer whose ids are its own")
    func damage() throws {
        var random = SplitMix(state: 3)
        var refused = 0
        let count = fuzzCount(4000)
        for round in 0..<count {
            let bytes = damaged(Self.kinds[round % 4], using: &random)
            do {
                let tokenizer = try GGUFTokenizerReader(MappedFile(copying: bytes, path: "m.gguf")).tokenizer()
                for text in ["the cat é <|end|>", "a\n\nb 12"] {
                    let ids = tokenizer.ids(of: text)
                    _ = try tokenizer.decode(ids)
                    if !ids.allSatisfy({ tokenizer.contains($0) }) { Issue.record("\(ids)") }
                }
            } catch let error as HeedError {
                refused += 1
                if !error.description.contains("m.gguf") || error.description.contains("\n") {
                    Issue.record("\(error)")
                }
            }
        }
        #expect(refused > count / 4 && refused < count)
    }
}
