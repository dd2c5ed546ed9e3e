import HeedSupport

extension Tokenizer {
    /// What a file cannot say about its own tokenizer.
    public struct LoadOptions: Sendable {
        /// For `vocab.txt`: whether case and accents are kept. Nil: as the file beside it says, or not.
        public var isCased: Bool?
        /// For `.tiktoken`: the name of the pattern.
        public var pattern: String?
        /// Whether special tokens spelled out in a text become those tokens; nil: as the kind of file has it.
        public var recognisesSpecialTokens: Bool?

        /// What is known beside the file; nil: as the file or its kind says.
        public init(isCased: Bool? = nil, pattern: String? = nil, recognisesSpecialTokens: Bool? = nil) {
            self.isCased = isCased
            self.pattern = pattern
            self.recognisesSpecialTokens = recognisesSpecialTokens
        }
    }

    /// Loads a tokenizer of any kind: a model folder, or a file.
    ///
    /// Files: `tokenizer.json`, `vocab.txt`, SentencePiece `.model` and `.spm`, `.tiktoken`, `.gguf`, llama2.c's `.bin`.
    /// Folders may hold one of these, `vocab.json` + `merges.txt`, GPT-2's `encoder.json` + `vocab.bpe`, or Marian's
    /// `source.spm` + `target.spm` + `vocab.json`; the configuration and the token lists beside them count.
    /// - Throws: `HeedError` naming the file and what is wrong with it.
    public static func load(path: String, options: LoadOptions = LoadOptions()) throws -> Tokenizer {
        try load(path, options, .source)
    }

    /// Loads the tokenizer of what a translation model writes: that of the target where a folder has one for each side
    /// or tokens for languages, else the one that `load(path:options:)` gives.
    ///
    /// - Throws: `HeedError` naming the file and what is wrong with it.
    public static func loadTarget(path: String, options: LoadOptions = LoadOptions()) throws -> Tokenizer {
        try load(path, options, .target)
    }

    private static func load(_ path: String, _ options: LoadOptions, _ side: TranslationSide) throws -> Tokenizer {
        // A name that is no path may be that of a model in the local cache.
        let path = fileExists(path) ? path : (try? locateModel(path)) ?? path
        var tokenizer = isDirectory(path) ? try loadFolder(path, options, side) : try loadFile(path, options)
        if let recognises = options.recognisesSpecialTokens { tokenizer.recognisesSpecialTokens = recognises }
        return tokenizer
    }

    private static func loadFolder(_ folder: String, _ options: LoadOptions, _ side: TranslationSide) throws
        -> Tokenizer
    {
        func file(_ name: String) -> String? {
            let path = joinPath(folder, name)
            return fileExists(path) && !isDirectory(path) ? path : nil
        }
        if let path = file("tokenizer.json") {
            var tokenizer = try Tokenizer(json: path)
            // The rest of the configuration has gone into the file.
            if let configuration = file("tokenizer_config.json"),
                try JSON.load(path: configuration)["split_special_tokens"]?.boolValue == true
            {
                tokenizer.recognisesSpecialTokens = false
            }
            return tokenizer
        }
        let settings = try TokenizerSettings(folder: folder)
        try settings.checkThatAllCount()
        let family = try TokenizerFamily(settings)
        if file("source.spm") != nil, file("vocab.json") != nil {
            return try MappedFamilyReader(folder: folder, settings: settings, side: side).marian()
        }
        if file("sentencepiece.bpe.model") != nil, file("vocab.json") != nil {
            return try MappedFamilyReader(folder: folder, settings: settings, side: side).m2m100()
        }
        for (vocabulary, merges) in [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")] {
            if let vocabulary = file(vocabulary), let merges = file(merges) {
                return try Tokenizer(vocabulary: vocabulary, merges: merges, settings, family ?? .gpt2)
            }
        }
        for name in ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "source.spm"] {
            if let path = file(name) { return try loadPieces(path, settings, family, side) }
        }
        if let path = file("vocab.txt") {
            return try Tokenizer(wordPieces: path, isCased: options.isCased, settings, family ?? .bert)
        }
        if let path = file("tokenizer.bin") { return try loadFile(path, options) }
        // A folder with one file of a known kind needs no further word.
        let names = loneFiles(in: folder)
        if names.count == 1 { return try loadFile(names[0], options) }
        throw HeedError(
            .missing, "the folder holds no tokenizer", in: folder,
            expected:
                "tokenizer.json, vocab.json with merges.txt, vocab.txt, or a .model, .spm, .tiktoken or .gguf file",
            got: names.isEmpty ? nil : "several: \(names.joined(separator: ", "))",
            advice: names.isEmpty ? nil : "Name one of them")
    }

    /// A SentencePiece file with the conventions of its family; without any, as its own library reads it.
    private static func loadPieces(
        _ path: String, _ settings: TokenizerSettings, _ family: TokenizerFamily?, _ side: TranslationSide
    ) throws -> Tokenizer {
        switch family {
        case .t5, .xlmRoberta, .camembert, .mBART, .mBART50, .nllb, .pegasus, .albert, .xlnet:
            return try PieceFamilyReader(path: path, settings: settings, side: side).tokenizer(family ?? .t5)
        // M2M100's kind of model without M2M100's vocab.json is NLLB.
        case .m2m100: return try PieceFamilyReader(path: path, settings: settings, side: side).tokenizer(.nllb)
        default:
            guard settings.isThere || settings.modelType != nil else { return try Tokenizer(sentencePiece: path) }
            return try PlainPieceReader(path: path, settings: settings).tokenizer(family ?? .plain)
        }
    }

    private static func loadFile(_ path: String, _ options: LoadOptions) throws -> Tokenizer {
        guard fileExists(path) else { throw missing(path) }
        let name = lastPathComponent(path)
        func ends(_ suffix: String) -> Bool { name.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }
        if ends(".json") {
            if name == "vocab.json" || name == "encoder.json" {
                let merges = joinPath(parentPath(path), name == "vocab.json" ? "merges.txt" : "vocab.bpe")
                return try Tokenizer(vocabulary: path, merges: merges)
            }
            return try Tokenizer(json: path)
        }
        if ends(".txt") { return try Tokenizer(wordPieces: path, isCased: options.isCased) }
        if ends(".tiktoken") { return try Tokenizer(tiktoken: path, pattern: options.pattern) }
        if ends(".spm") { return try Tokenizer(sentencePiece: path) }
        if ends(".model") {
            let settings = try TokenizerSettings(folder: parentPath(path))
            guard settings.isThere else { return try Tokenizer(sentencePiece: path) }
            try settings.checkThatAllCount()
            return try loadPieces(path, settings, try TokenizerFamily(settings), .source)
        }
        if ends(".gguf") { return try GGUFTokenizerReader(MappedFile(path: path)).tokenizer() }
        if ends(".bin") { return try Tokenizer(llamaTokenizer: path) }
        throw HeedError(
            .unsupported, "the kind of tokenizer cannot be told from the file's name", in: path,
            expected: "tokenizer.json, vocab.txt, or a name that ends in .model, .spm, .tiktoken, .gguf or .bin")
    }

    private static func missing(_ path: String) -> HeedError {
        let folder = parentPath(path)
        let near = (try? listDirectory(folder)).flatMap { nearest(lastPathComponent(path), among: $0) }
        return HeedError(
            .missing, "there is no such file or folder", in: path,
            advice: near.map { "Did you mean \(joinPath(folder, $0))" } ?? "Check the path")
    }
}
