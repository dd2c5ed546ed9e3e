import HeedSupport

extension Tokenizer {
    /// Writes `tokenizer.json` into a folder, made where it is missing, `tokenizer_config.json`, with which
    /// `transformers` reads it as it is, and the classic files of the kind where there are such: `vocab.json` and
    /// `merges.txt`, or `vocab.txt`. Files of other tokenizers in the folder are removed.
    ///
    /// - Throws: `HeedError` of kind `io` where the folder cannot be written, `unsupported` as `json()` does.
    public func save(to folder: String) throws { try save(to: folder, configuration: configuration()) }

    private func save(to folder: String, configuration: JSON) throws {
        let json = try json()
        var files: [(name: String, bytes: [UInt8])] = [
            ("tokenizer.json", json.serialisedBytes(pretty: true)),
            ("tokenizer_config.json", configuration.serialisedBytes(pretty: true)),
        ]
        if let model = model as? BPEModel, model.isByteLevel, let vocab = json["model"]?["vocab"] {
            let merges = json["model"]?["merges"]?.arrayValue ?? []
            // A merge that needs the long form has a space in it and no place in merges.txt.
            if merges.allSatisfy({ $0.stringValue != nil }) {
                files.append(("vocab.json", vocab.serialisedBytes()))
                let lines = ["#version: 0.2"] + merges.compactMap(\.stringValue)
                files.append(("merges.txt", Array((lines.joined(separator: "\n") + "\n").utf8)))
            }
        }
        if let model = model as? WordPieceModel, model.vocabulary.count == model.vocabulary.idLimit {
            let lines = (0..<model.vocabulary.idLimit).map { model.vocabulary.text(of: TokenID($0)) ?? "" }
            files.append(("vocab.txt", Array((lines.joined(separator: "\n") + "\n").utf8)))
        }
        try Tokenizer.write(files, to: folder)
    }

    /// Writes the files of a tokenizer into a folder, each by rename, and removes those of another one.
    static func write(_ files: [(name: String, bytes: [UInt8])], to folder: String) throws {
        try createDirectory(folder)
        for file in files { try writeAtomically(path: joinPath(folder, file.name), bytes: file.bytes) }
        let kept = Set(files.map(\.name))
        for name in ModelFolderFiles.tokenizer where !kept.contains(name) && !name.hasPrefix("chat_template") {
            let path = joinPath(folder, name)
            if fileExists(path), !isDirectory(path) { try removeFile(path) }
        }
    }

    /// `tokenizer_config.json`: a class that reads `tokenizer.json` as it is, and the parts that special tokens play.
    func configuration() -> JSON {
        let isWordPiece = model is WordPieceModel
        var object = Tokenizer.configuration(
            special: addedTokens.tokens.filter(\.isSpecial).map(\.content), hasTypes: isWordPiece)
        if isWordPiece, let normalizer = normalizer as? BertNormalizer {
            object["do_lower_case"] = .bool(normalizer.makesLowercase)
        }
        // Special tokens spelled out in a text are text.
        if !recognisesSpecialTokens { object["split_special_tokens"] = true }
        return .object(object)
    }

    /// The members that every `tokenizer_config.json` has.
    ///
    /// - Parameter hasTypes: whether the model wants to know which of two texts a token belongs to.
    static func configuration(special: [String], hasTypes: Bool) -> JSONObject {
        var object: JSONObject = [
            "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false,
            "model_input_names": hasTypes
                ? ["input_ids", "token_type_ids", "attention_mask"] : ["input_ids", "attention_mask"],
        ]
        for (role, spellings) in rolesOfSpecialTokens {
            if let token = spellings.first(where: { spelling in special.contains { $0 == spelling } }) {
                object[role.rawValue] = .string(token)
            }
        }
        return object
    }

    /// The spellings that ask for each role.
    private static let rolesOfSpecialTokens: [(role: TokenRole, spellings: [String])] = [
        (.begin, ["<s>", "<bos>", "<|startoftext|>", "<|begin_of_text|>", "<|endoftext|>"]),
        (.end, ["</s>", "<eos>", "<|endoftext|>", "<|end_of_text|>"]),
        (.unknown, ["<unk>", "[UNK]", "<|endoftext|>"]),
        (.padding, ["<pad>", "[PAD]", "<|pad|>"]),
        (.classifier, ["[CLS]"]),
        (.separator, ["[SEP]"]),
        (.mask, ["[MASK]", "<mask>"]),
    ]

    /// The tokenizer's files in a folder, or the one file that `path` is.
    public static func files(at path: String) -> [String] {
        guard isDirectory(path) else { return fileExists(path) ? [path] : [] }
        let known = ModelFolderFiles.tokenizer.map { joinPath(path, $0) }.filter { fileExists($0) && !isDirectory($0) }
        return known.isEmpty ? loneFiles(in: path) : known
    }

    /// Files that are tokenizers by their endings alone; a folder with one of them needs no further word.
    static func loneFiles(in folder: String) -> [String] {
        let names = (try? listDirectory(folder)) ?? []
        return names.filter { name in
            [".model", ".spm", ".tiktoken", ".gguf"].contains {
                name.utf8.suffix($0.utf8.count).elementsEqual($0.utf8)
            }
        }.map { joinPath(folder, $0) }
    }

    /// Puts the tokenizer of a folder or file into another folder, so that Heed and `transformers` read it there to the
    /// ids that it gives here.
    ///
    /// What has a form in `tokenizer.json` is written so, with a class that reads it as it is; Marian's and M2M100's
    /// files are copied; a SentencePiece model of any other kind is called `tokenizer.model`.
    /// Does nothing where both are one folder.
    /// - Throws: `HeedError` where a file cannot be read or written, or the tokenizer has no form that is known there.
    public static func copy(from path: String, to folder: String) throws {
        if isSamePlace(path, folder) { return }
        let sources = files(at: path)
        let names = sources.map { lastPathComponent($0) }
        if isDirectory(path), names.contains("tokenizer.json") { return try copy(sources, to: folder) }
        let tokenizer: Tokenizer
        do { tokenizer = try load(path: path) } catch let error as HeedError where error.kind == .unsupported {
            // What Heed cannot read others may.
            return try copy(sources, to: folder)
        }
        if tokenizer.model is MappedPieceModel { return try copy(sources, to: folder) }
        var configuration = tokenizer.configuration().objectValue ?? JSONObject()
        if isDirectory(path), let own = try? JSON.load(path: joinPath(path, "tokenizer_config.json")) {
            for key in ["chat_template", "model_max_length", "src_lang", "tgt_lang"] {
                if let value = own[key] { configuration[key] = value }
            }
        }
        guard tokenizer.model is SentencePieceModel, let file = try pieceFile(sources) else {
            return try tokenizer.save(to: folder, configuration: .object(configuration))
        }
        // A SentencePiece model alone is known by this name, with a class that follows what the file says.
        let marks = (tokenizer.postProcessor as? TemplatePostProcessor)?.single ?? []
        configuration["legacy"] = .bool(
            (tokenizer.normalizer as? SentencePieceNormalizer)?.prefixesEveryStretch ?? true)
        for (id, role, key, isFirst) in [
            (file.beginID, TokenRole.begin, "add_bos_token", true), (file.endID, .end, "add_eos_token", false),
        ] {
            guard file.pieces.indices.contains(id) else { continue }
            let text = String(decoding: file.pieces[id].text, as: UTF8.self)
            configuration[role.rawValue] = .string(text)
            configuration[key] = .bool((isFirst ? marks.first : marks.last) == .special(text, typeID: 0))
        }
        try write(
            [
                ("tokenizer.model", file.serialised()),
                ("tokenizer_config.json", JSON.object(configuration).serialisedBytes(pretty: true)),
            ], to: folder)
    }

    /// The SentencePiece model that a tokenizer's only file is or holds.
    private static func pieceFile(_ sources: [String]) throws -> SentencePieceFile? {
        for path in sources {
            if path.hasSuffix(".model") || path.hasSuffix(".spm") { return try SentencePieceFile(path: path) }
            if path.hasSuffix(".bin") { return try SentencePieceFile(llamaTokenizer: path) }
            if path.hasSuffix(".gguf") { return try GGUFTokenizerReader(MappedFile(path: path)).pieceFile() }
        }
        return nil
    }

    private static func copy(_ sources: [String], to folder: String) throws {
        var files = try sources.map { (name: lastPathComponent($0), bytes: try readFile($0)) }
        if files.contains(where: { $0.name == "tokenizer.json" }) {
            let configuration = files.firstIndex { $0.name == "tokenizer_config.json" }
            var object: JSONObject
            if let configuration {
                object =
                    try JSON.parse(files[configuration].bytes, in: sources[configuration]).objectValue ?? JSONObject()
            } else {
                let tokenizer = try Tokenizer(json: joinPath(parentPath(sources[0]), "tokenizer.json"))
                object = tokenizer.configuration().objectValue ?? JSONObject()
            }
            let name = object["tokenizer_class"]?.stringValue ?? ""
            if name.isEmpty || name.hasPrefix("Llama") || name.hasPrefix("CodeLlama") || name.hasPrefix("Gemma") {
                object["tokenizer_class"] = "PreTrainedTokenizerFast"
            }
            let bytes = JSON.object(object).serialisedBytes(pretty: true)
            if let configuration {
                files[configuration].bytes = bytes
            } else {
                files.append(("tokenizer_config.json", bytes))
            }
        }
        try write(files, to: folder)
    }
}
