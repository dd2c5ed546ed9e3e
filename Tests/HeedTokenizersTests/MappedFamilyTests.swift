import HeedSupport
import HeedTokenizers
import Testing

@Suite("SentencePiece models with ids in vocab.json")
struct MappedFamilyTests {
    static let text = """
        the cat sat on the old mat and the dog sat on the log
        a hat on a cat is that and this is the mat of the old dog
        do not eat the hat of the dog on the mat
        """

    /// A small model in a file of that name; its pieces.
    static func piecesFile(_ path: String, size: Int = 60) throws -> [String] {
        let trained = try TrainingSentencePieceTests.train(.unigram, size, on: Array(text.utf8))
        let file = try #require(trained.sentencePieces)
        try writeAtomically(path: path, bytes: file.serialised())
        return trained.tokens
    }

    static func write(_ json: JSON, _ folder: String, _ name: String) throws {
        try writeAtomically(path: joinPath(folder, name), text: json.serialised())
    }

    /// Ids of pieces in another order, with an end and padding.
    static func vocabulary(_ pieces: [String], step: Int, and more: [String] = []) -> JSON {
        var object: JSONObject = ["</s>": 0, "<unk>": 1]
        let plain = pieces.dropFirst(3) + more
        for (number, piece) in plain.enumerated() {
            object[piece] = .integer(2 + (number * step) % plain.count)
        }
        object["<pad>"] = .integer(2 + plain.count)
        return .object(object)
    }

    /// A folder in Marian's layout.
    static func withMarian(isSeparate: Bool = false, _ body: (String, JSON, JSON) throws -> Void) throws {
        try TrainingFixtures.withFolder { folder in
            let pieces = try piecesFile(folder + "/source.spm")
            _ = try piecesFile(folder + "/target.spm", size: 40)
            let source = vocabulary(pieces, step: 1, and: [">>fr<<", "ß"])
            let target = vocabulary(pieces, step: pieces.count - 4)
            try write(source, folder, "vocab.json")
            if isSeparate { try write(target, folder, "target_vocab.json") }
            try write(["model_type": "marian"], folder, "config.json")
            try body(folder, source, target)
        }
    }

    @Test("pieces get the ids of vocab.json, and the end follows")
    func marian() throws {
        try Self.withMarian { folder, vocabulary, _ in
            let tokenizer = try Tokenizer.load(path: folder)
            let pieces = try Tokenizer.load(path: folder + "/source.spm")
            let text = "the cat sat on the mat"
            let spelled = pieces.ids(of: text).map { pieces.token(of: $0) ?? "" }
            #expect(spelled.count > 5)
            let ids = spelled.map { TokenID(vocabulary[$0]?.intValue ?? 1) }
            #expect(try tokenizer.encode(text).ids == ids + [0])
            #expect(tokenizer.ids(of: text) == ids)
            #expect(try tokenizer.decode(ids + [0]) == text)
            // A code in front is one token, known or not; elsewhere it is text.
            let code = TokenID(vocabulary[">>fr<<"]?.intValue ?? -1)
            #expect(tokenizer.ids(of: ">>fr<<" + text) == [code] + ids)
            #expect(tokenizer.ids(of: ">>xx<< " + text) == [1] + ids)
            #expect(!tokenizer.ids(of: text + " >>fr<<").contains(code))
            // What the model lacks and the vocabulary has is looked up; what neither has is unknown.
            #expect(tokenizer.ids(of: "ß").last == TokenID(vocabulary["ß"]?.intValue ?? -1))
            #expect(tokenizer.ids(of: "漢").last == 1)
            #expect(tokenizer.ids(of: "the</s>").last == 0)
        }
    }

    @Test("a vocabulary of its own for the target")
    func separate() throws {
        try Self.withMarian(isSeparate: true) { folder, source, target in
            let reader = try Tokenizer.load(path: folder)
            let writer = try Tokenizer.loadTarget(path: folder)
            let text = "the old dog"
            #expect(reader.ids(of: text) != writer.ids(of: text))
            #expect(reader.ids(of: text).allSatisfy { reader.contains($0) })
            // Both turn the ids that the model writes into text.
            #expect(try reader.decode(writer.ids(of: text)) == text)
            #expect(try writer.decode(writer.ids(of: text)) == text)
            #expect(writer.vocabularySize == target.objectValue?.count)
        }
    }

    @Test("M2M100 begins with the language and ends with </s>")
    func languages() throws {
        try TrainingFixtures.withFolder { folder in
            let pieces = try Self.piecesFile(folder + "/sentencepiece.bpe.model")
            let vocabulary = Self.vocabulary(pieces, step: 1)
            try Self.write(vocabulary, folder, "vocab.json")
            try Self.write(
                ["tokenizer_class": "M2M100Tokenizer", "src_lang": "fr", "tgt_lang": "de"], folder,
                "tokenizer_config.json")
            let size = vocabulary.objectValue?.count ?? 0
            let source = try Tokenizer.load(path: folder)
            let target = try Tokenizer.loadTarget(path: folder)
            // French is language 24, German 16.
            #expect(source.token(of: TokenID(size + 24)) == "__fr__")
            let text = "the cat"
            #expect(try source.encode(text).ids == [TokenID(size + 24)] + source.ids(of: text) + [0])
            #expect(try target.encode(text).ids == [TokenID(size + 16)] + source.ids(of: text) + [0])
            #expect(try source.decode(source.encode(text).ids) == text)
            try Self.write(["src_lang": "xx"], folder, "tokenizer_config.json")
            #expect(throws: HeedError.self) { try Tokenizer.load(path: folder) }
        }
    }

    @Test("folders that contradict themselves are refused by name")
    func refusals() throws {
        try Self.withMarian { folder, _, _ in
            /// The error of the folder with one more file says `word`.
            func expectError(_ word: String, _ name: String, _ json: JSON) throws {
                try Self.write(json, folder, name)
                defer { try? removeFile(joinPath(folder, name)) }
                let error = #expect(throws: HeedError.self) { try Tokenizer.load(path: folder) }
                #expect(error?.description.contains(word) ?? false, "\(error?.description ?? "")")
            }
            try expectError(
                "sp_model_kwargs", "tokenizer_config.json", ["sp_model_kwargs": ["enable_sampling": true]])
            try expectError("target_vocab.json", "tokenizer_config.json", ["separate_vocabs": true])
            try expectError("<ent>", "added_tokens.json", ["<ent>": 2])
            try expectError("<none>", "special_tokens_map.json", ["unk_token": "<none>"])
            try expectError("added_tokens.json", "added_tokens.json", ["<ent>": "x"])
            try expectError("tokenizer_config.json", "tokenizer_config.json", [1])
        }
    }

    @Test("a published layout gives the ids of its own library", .enabled(if: Shared.has("field/cases.json")))
    func field() throws {
        let cases = try JSON.load(path: Shared.path("field/cases.json"))["cases"]?.arrayValue ?? []
        let one = try #require(cases.first { $0["name"]?.stringValue == "marian-folder" })
        let tokenizer = try Tokenizer.load(path: Shared.path("field/marian-folder"))
        #expect(try tokenizer.encode("The cat sat on the old railway.").ids == one["ids"]?.ids)
    }
}
