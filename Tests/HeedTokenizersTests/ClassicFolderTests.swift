import HeedSupport
import HeedTokenizers
import Testing

@Suite("classic tokenizer folders")
struct ClassicFolderTests {
    /// Writes a folder of JSON and text files.
    static func withFolder(_ json: [String: JSON], _ text: [String: String] = [:], _ body: (String) throws -> Void)
        throws
    {
        try TrainingFixtures.withFolder { folder in
            for (name, value) in json { try MappedFamilyTests.write(value, folder, name) }
            for (name, value) in text { try writeAtomically(path: joinPath(folder, name), text: value) }
            try body(folder)
        }
    }

    static let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncafe\ncafé\nCafé\n##s\n,\n中\n中文\n[\n]\nent\n"

    /// The ids of a text under a `vocab.txt` and files beside it.
    static func bert(_ text: String, _ json: [String: JSON]) throws -> [TokenID] {
        var ids: [TokenID] = []
        try withFolder(json, ["vocab.txt": words]) { folder in
            let tokenizer = try Tokenizer.load(path: folder)
            ids = try tokenizer.encode(text, addingSpecialTokens: false).ids
            // The ways with and without offsets agree.
            #expect(tokenizer.ids(of: text) == ids)
        }
        return ids
    }

    @Test("WordPiece honours case, accents, Han and added tokens")
    func wordPiece() throws {
        func ids(_ text: String, _ configuration: JSON) throws -> [TokenID] {
            try Self.bert(text, ["tokenizer_config.json": configuration])
        }
        #expect(try ids("Café cafés", ["do_lower_case": true]) == [6, 6, 9])
        #expect(try ids("Café cafés", ["do_lower_case": true, "strip_accents": false]) == [7, 7, 9])
        #expect(try ids("Café cafés", ["do_lower_case": false]) == [8, 7, 9])
        #expect(try ids("Café cafés", ["do_lower_case": false, "strip_accents": true]) == [1, 6, 9])
        #expect(try ids("中文", ["do_lower_case": true]) == [11, 1])
        #expect(try ids("中文", ["do_lower_case": true, "tokenize_chinese_chars": false]) == [12])
        // Without added tokens the brackets are text.
        #expect(try ids("[ENT] the", ["do_lower_case": true]) == [13, 15, 14, 5])
        let map: [String: JSON] = ["added_tokens.json": ["[ENT]": 16, "[/ENT]": 17]]
        #expect(try Self.bert("[ENT] the [/ENT]s", map) == [16, 5, 17, 1])
        let listed: JSON = ["added_tokens_decoder": ["16": ["content": "[ENT]", "rstrip": true, "special": true]]]
        #expect(try Self.bert("the[ENT]  the", ["tokenizer_config.json": listed]) == [5, 16, 5])
        // added_tokens_decoder counts alone.
        #expect(
            try Self.bert(
                "[/ENT]", ["tokenizer_config.json": listed, "added_tokens.json": ["[/ENT]": 17]]) != [17])
    }

    @Test("special_tokens_map.json decides what goes around a text")
    func specialTokens() throws {
        try Self.withFolder(
            ["special_tokens_map.json": ["cls_token": "[SEP]", "sep_token": ["content": "[CLS]"], "pad_token": "<p>"]],
            ["vocab.txt": Self.words]
        ) { folder in
            let tokenizer = try Tokenizer.load(path: folder)
            #expect(try tokenizer.encode("the").ids == [3, 5, 2])
            // A special token that the vocabulary lacks gets the next id.
            #expect(tokenizer.id(of: "<p>") == 16)
            #expect(try tokenizer.encode("the <p>").ids == [3, 5, 16, 2])
        }
        try Self.withFolder(
            ["tokenizer_config.json": ["split_special_tokens": true, "do_lower_case": false]],
            ["vocab.txt": Self.words]
        ) { folder in
            let ids = try Tokenizer.load(path: folder).ids(of: "[CLS]")
            #expect(ids == [13, 1, 14])
        }
    }

    static let byteVocabulary: JSON = {
        var object: JSONObject = ["<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "Ġa": 4]
        for byte in 0x21...0x7E { object[String(Unicode.Scalar(UInt8(byte)))] = .integer(5 + byte) }
        for byte in [0x20, 0x0A, 0x0D, 0x09] {
            object[String(Unicode.Scalar(UInt32(0x100 + byte)) ?? " ")] = .integer(200 + byte)
        }
        object["<mask>"] = 300
        object["<|endoftext|>"] = 301
        return .object(object)
    }()

    static func byteLevel(_ json: [String: JSON]) throws -> Tokenizer {
        var json = json
        json["vocab.json"] = byteVocabulary
        var loaded: Tokenizer?
        try withFolder(json, ["merges.txt": "#version: 0.2\nĠ a\n"]) { loaded = try Tokenizer.load(path: $0) }
        return try #require(loaded)
    }

    @Test("RoBERTa's files bring its marks and the mask that takes a space along")
    func roberta() throws {
        let x = TokenID(5 + 0x78)
        for json: [String: JSON] in [
            ["tokenizer_config.json": ["tokenizer_class": "RobertaTokenizer"]],
            ["config.json": ["model_type": "roberta"]],
            ["tokenizer_config.json": ["tokenizer_class": "BartTokenizerFast"]],
        ] {
            let tokenizer = try Self.byteLevel(json)
            #expect(try tokenizer.encode("x <mask> a").ids == [0, x, 300, 4, 2])
            #expect(try tokenizer.encode("x", pair: "x").ids == [0, x, 2, 2, x, 2])
            #expect(tokenizer.isSpecial(300))
        }
        let spaced = try Self.byteLevel([
            "tokenizer_config.json": ["tokenizer_class": "RobertaTokenizer", "add_prefix_space": true]
        ])
        #expect(try spaced.encode("a").ids == [0, 4, 2])
    }

    @Test("GPT-2's files: prefix space, begin and end as asked")
    func gpt2() throws {
        #expect(try Self.byteLevel([:]).encode("a a<|endoftext|>").ids == [5 + 0x61, 4, 301])
        let marked = try Self.byteLevel([
            "tokenizer_config.json": ["add_bos_token": true, "add_eos_token": true, "add_prefix_space": true]
        ])
        #expect(try marked.encode("a\na").ids == [301, 4, 200 + 0x0A, 5 + 0x61, 301])
        #expect(marked.ids(of: "a\na") == [4, 200 + 0x0A, 5 + 0x61])
        let added = try Self.byteLevel(["added_tokens.json": ["<e>": 302]])
        #expect(added.ids(of: "a<e> a") == [5 + 0x61, 302, 4])
        #expect(try added.decode([302, 4]) == "<e> a")
    }

    @Test("what is not known is refused by name")
    func refusals() throws {
        func expectError(_ word: String, _ configuration: JSON) throws {
            try Self.withFolder(["tokenizer_config.json": configuration], ["vocab.txt": Self.words]) { folder in
                let error = #expect(throws: HeedError.self) { try Tokenizer.load(path: folder) }
                #expect(error?.description.contains(word) ?? false, "\(error?.description ?? "")")
            }
        }
        try expectError("BertJapaneseTokenizer", ["tokenizer_class": "BertJapaneseTokenizer"])
        try expectError("do_basic_tokenize", ["do_basic_tokenize": false])
        try expectError("never_split", ["never_split": ["x"]])
        try expectError("strip_accents", ["strip_accents": "yes"])
        try expectError("[ENT]", ["added_tokens_decoder": ["3": ["content": "[ENT]"]]])
        try expectError("content", ["added_tokens_decoder": ["30": ["special": true]]])
        try expectError("nothing", ["unk_token": "nothing"])
    }

    /// What the families put around the pieces of one small unigram file.
    @Test("families of SentencePiece files shift ids and add their tokens")
    func families() throws {
        try TrainingFixtures.withFolder { folder in
            let pieces = try MappedFamilyTests.piecesFile(folder + "/sentencepiece.bpe.model")
            let size = pieces.count
            let plain = try Tokenizer.load(path: folder + "/sentencepiece.bpe.model")
            let text = "the cat sat on the mat"
            let ids = plain.ids(of: text)
            func encoded(_ configuration: JSON) throws -> [TokenID] {
                try MappedFamilyTests.write(configuration, folder, "tokenizer_config.json")
                let tokenizer = try Tokenizer.load(path: folder)
                #expect(try tokenizer.decode(tokenizer.encode(text).ids) == text)
                return try tokenizer.encode(text).ids
            }
            func shifted(_ offset: TokenID) -> [TokenID] { ids.map { $0 + offset } }
            let xlm = try encoded(["tokenizer_class": "XLMRobertaTokenizer"])
            #expect(xlm == [0] + shifted(1) + [2])
            let camembert = try encoded(["tokenizer_class": "CamembertTokenizer"])
            #expect(camembert == [5] + shifted(4) + [6])
            // German is the third of mBART's languages.
            let mBART = try encoded(["tokenizer_class": "MBartTokenizer", "src_lang": "de_DE"])
            #expect(mBART == shifted(1) + [2, TokenID(size + 1 + 2)])
            let fifty = try encoded(["tokenizer_class": "MBart50Tokenizer", "src_lang": "de_DE"])
            #expect(fifty == [TokenID(size + 1 + 2)] + shifted(1) + [2])
            let t5 = try encoded(["tokenizer_class": "T5Tokenizer", "extra_ids": 3])
            #expect(t5 == ids + [2])
            let tokenizer = try Tokenizer.load(path: folder)
            #expect(tokenizer.ids(of: "<extra_id_0>") == [TokenID(size + 2)])
            #expect(tokenizer.vocabularySize == size + 3)
            let xlnet = try encoded([
                "tokenizer_class": "XLNetTokenizer", "sep_token": "<sep>", "cls_token": "<cls>",
            ])
            #expect(xlnet == ids + [TokenID(size), TokenID(size + 1)])
            let target = try Tokenizer.loadTarget(path: folder)
            #expect(try target.encode(text).ids == xlnet)
        }
    }

    @Test("LLaMA's file: begin, end, added tokens and the space in front")
    func llama() throws {
        try TrainingFixtures.withFolder { folder in
            let trained = try TrainingSentencePieceTests.train(.bpe, 60, on: Array(MappedFamilyTests.text.utf8))
            var file = try #require(trained.sentencePieces)
            file.normalization.removesExtraWhitespaces = false
            try writeAtomically(path: folder + "/tokenizer.model", bytes: file.serialised())
            let plain = try Tokenizer.load(path: folder + "/tokenizer.model")
            let size = TokenID(trained.tokens.count)
            func load(_ configuration: JSON) throws -> Tokenizer {
                try MappedFamilyTests.write(configuration, folder, "tokenizer_config.json")
                return try Tokenizer.load(path: folder)
            }
            try MappedFamilyTests.write(["<x>": .integer(Int(size))], folder, "added_tokens.json")
            let the = plain.ids(of: "the")
            let tokenizer = try load(["tokenizer_class": "LlamaTokenizer", "add_eos_token": true])
            #expect(try tokenizer.encode("the").ids == [1] + the + [2])
            // After a token no space is put in front, unless the older way is asked for.
            let bare = tokenizer.ids(of: "<x>the")
            #expect(bare.first == size)
            #expect(Array(bare.dropFirst()) != the)
            #expect(try tokenizer.encode("<x>the", addingSpecialTokens: false).ids == bare)
            #expect(
                try tokenizer.decode(tokenizer.encode("the cat<x>").ids, skippingSpecialTokens: false)
                    == "<s> the cat<x></s>")
            let legacy = try load(["tokenizer_class": "LlamaTokenizer", "legacy": true, "add_bos_token": false])
            #expect(try legacy.encode("<x>the").ids == [size] + the)
            #expect(try load(["tokenizer_class": "LlamaTokenizer", "add_prefix_space": false]).ids(of: " the") == the)
        }
    }

    @Test("published vocabularies with files beside them", .enabled(if: Shared.has("field/cases.json")))
    func field() throws {
        for one in try JSON.load(path: Shared.path("field/cases.json"))["cases"]?.arrayValue ?? [] {
            guard let copies = one["copies"]?.objectValue, let ids = one["ids"]?.ids,
                let text = one["arguments"]?.arrayValue?.last?.stringValue
            else { continue }
            try TrainingFixtures.withFolder { folder in
                let source = try Shared.path("field/\(one["name"]?.stringValue ?? "")")
                for name in try listDirectory(source) {
                    try writeAtomically(path: joinPath(folder, name), bytes: readFile(joinPath(source, name)))
                }
                for (name, path) in copies {
                    try writeAtomically(
                        path: joinPath(folder, name), bytes: readFile(Shared.path("data/\(path.stringValue ?? "")")))
                }
                #expect(try Tokenizer.load(path: folder).encode(text).ids == ids)
            }
        }
    }
}
