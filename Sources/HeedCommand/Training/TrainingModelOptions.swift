import ArgumentParser
import Heed
import HeedSupport

/// Which model is trained and what makes ids of text.
struct TrainingModelOptions: ParsableArguments {
    @Option(name: .customLong("init"), help: ArgumentHelp("Go on training this model folder.", valueName: "model"))
    var initial: String?

    @Option(help: ArgumentHelp("A new model of a known shape; tiny where nothing is given.", valueName: "name"))
    var preset: String?

    @Option(help: ArgumentHelp("A new model of the shape in this config.json.", valueName: "file"))
    var config: String?

    @Option(
        help: ArgumentHelp(
            "Put a new classifier of so many classes on the encoder of --init; where not given, texts with classes "
                + "put one on an encoder that has none.", valueName: "n"))
    var classes: Int?

    @Option(help: ArgumentHelp("A tokenizer for text; the model's own where not given.", valueName: "path"))
    var tokenizer: String?

    @Option(
        help: ArgumentHelp(
            "Make a tokenizer of the data first: byte-bpe of --vocab-size tokens, or char, a token per character.",
            valueName: "byte-bpe|char"))
    var tokenizerKind: String?

    @Option(help: ArgumentHelp("Tokens of the tokenizer that is trained.", valueName: "n"))
    var vocabSize: Int?

    func validate() throws {
        let given = [("--init", initial), ("--preset", preset), ("--config", config)].filter { $0.1 != nil }.map(\.0)
        guard given.count <= 1 else {
            throw ValidationError("\(given.joined(separator: " and ")): expected one of them.")
        }
        if let classes {
            guard initial != nil, (1...1 << 20).contains(classes) else {
                throw ValidationError("--classes: expected 1 to \(1 << 20), and --init beside it, got \(classes).")
            }
        }
        if tokenizer != nil, tokenizerKind != nil {
            throw ValidationError("--tokenizer and --tokenizer-kind: expected one of them.")
        }
        if vocabSize != nil, tokenizerKind == nil {
            throw ValidationError("--vocab-size: expected --tokenizer-kind beside it.")
        }
    }

    /// Makes or loads model and tokenizer. Writes nothing.
    ///
    /// - Parameter translates: whether `data` are the two sides of parallel text.
    func start(
        data: [String], translates: Bool = false, output: String, resume: Bool, seed: UInt64, dropout: Double?
    ) throws -> TrainingStart {
        let needsText = translates || data.contains { DataKind(path: $0).isText }
        let (tokenizer, files) = try chosenTokenizer(
            data: data, specials: translates ? ["</s>", "<pad>"] : ["<|endoftext|>"], output: output, resume: resume,
            needed: needsText)
        let end = tokenizer.flatMap { tokenizer in
            ["<|endoftext|>", "</s>", "<|end_of_text|>"].lazy.compactMap { tokenizer.id(of: $0) }.first
        }
        let model: Model
        if let initial {
            let loaded = try Model.loadTelling(folder: initial)
            model = try classifier(on: loaded, data, seed: seed) ?? loaded
        } else if let config {
            model = try Model.new(configuration: config, seed: seed)
        } else {
            let preset = try Preset.named(preset ?? (translates ? "translation-small" : "tiny"))
            let padding = tokenizer.flatMap { $0.id(of: "<pad>") }.map { Int($0) }
            let shape = preset.configuration.adapted(
                vocabulary: tokenizer?.vocabularySize, padding: padding, dropout: dropout.map { Float($0) })
            let ends = end.map { [Int($0)] } ?? []
            model = try Model(
                shape, family: preset.family,
                specials: SpecialIds(begin: translates ? nil : ends.first, ends: ends, padding: padding), seed: seed)
        }
        let vocabulary = model.architecture.vocabulary
        if let tokenizer, tokenizer.vocabularySize > vocabulary, needsText {
            throw HeedError(
                .usage, "the tokenizer has more tokens than the model", in: self.tokenizer ?? initial ?? config,
                expected: "at most \(vocabulary)", got: "\(tokenizer.vocabularySize)")
        }
        let encoding = tokenizer.map { tokenizer in
            TextEncoding(documentEnd: end) { tokenizer.ids(of: $0) }
        }
        return TrainingStart(model: model, encoding: encoding, tokenizer: tokenizer, tokenizerFiles: files)
    }

    /// The encoder with a new classifier, where one was asked for or texts with classes want one; else nil.
    private func classifier(on loaded: Model, _ data: [String], seed: UInt64) throws -> Model? {
        let texts = data.first { DataKind(path: $0) == .jsonLines }
        if classes == nil {
            guard case .encoder(let encoder) = loaded.architecture, encoder.configuration.labels == nil, texts != nil
            else { return nil }
        }
        let (count, names) = try texts.map { try LabelledTexts($0).classes } ?? (0, [])
        let wanted = classes ?? count
        guard wanted >= max(count, 1) else {
            throw HeedError(
                .usage, "--classes is less than the classes of the data", in: texts, expected: "at least \(count)",
                got: "\(wanted)")
        }
        return try loaded.classifying(labels: wanted, names: names.count == wanted ? names : [], seed: seed)
    }

    private func chosenTokenizer(
        data: [String], specials: [String], output: String, resume: Bool, needed: Bool
    ) throws -> (Tokenizer?, TokenizerFiles?) {
        if let tokenizerKind {
            // What an earlier start of this run trained is the same.
            let earlier = joinPath(output, "tokenizer.json")
            if resume, fileExists(joinPath(output, "training/state.safetensors")), fileExists(earlier) {
                return (try Tokenizer.load(path: earlier), .copied(from: output))
            }
            return try make(tokenizerKind, data, specials)
        }
        if let tokenizer {
            return (try Tokenizer.load(path: tokenizer), .copied(from: tokenizer))
        }
        guard let initial else { return (nil, nil) }
        let files = TokenizerFiles.copied(from: initial)
        guard files.areThere else { return (nil, nil) }
        // Files of ids need no tokenizer; then it is only handed on.
        return (needed ? try Tokenizer.load(path: initial) : nil, files)
    }

    /// Makes a tokenizer of the data.
    private func make(
        _ kind: String, _ data: [String], _ specials: [String]
    ) throws -> (Tokenizer, TokenizerFiles) {
        let kinds = TokenizerKind.allCases.map(\.rawValue)
        guard let kind = TokenizerKind(rawValue: kind) else {
            throw HeedError(
                .usage, "--tokenizer-kind is not known", expected: kinds.joined(separator: ", "), got: quoted(kind),
                advice: nearest(kind, among: kinds).map { "The nearest is \($0)" })
        }
        if let other = data.first(where: { !DataKind(path: $0).isText }) {
            throw HeedError(.usage, "--tokenizer-kind learns from text only", in: other, expected: "text files")
        }
        switch kind {
        case .characters:
            guard !specials.contains("</s>") else {
                throw HeedError(
                    .usage, "--tokenizer-kind char has no end token, which translation needs", expected: "byte-bpe")
            }
            guard vocabSize == nil else {
                throw ValidationError("--vocab-size: a tokenizer of characters has as many tokens as there are.")
            }
            var characters: Set<Unicode.Scalar> = []
            for path in data { try forEachText(path) { characters.formUnion($0.unicodeScalars) } }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: characters)
            let tokenizer = try Tokenizer.characters(from: String(text))
            return (tokenizer, .made(tokenizer))
        case .byteLevelBPE:
            guard let vocabSize else {
                throw ValidationError("--vocab-size: expected with --tokenizer-kind byte-bpe.")
            }
            if let other = data.first(where: { DataKind(path: $0) != .text }) {
                throw HeedError(
                    .usage, "--tokenizer-kind byte-bpe learns from plain text only", in: other,
                    expected: "text files",
                    advice: "Train a tokenizer with 'heed tokenizer train' and give it as --tokenizer.")
            }
            let trained = try ByteLevelBPETrainer(vocabularySize: vocabSize, specialTokens: specials)
                .train(files: data)
            return (try trained.tokenizer(), .trained(trained))
        }
    }

    private func forEachText(_ path: String, _ body: (String) -> Void) throws {
        if DataKind(path: path) == .text {
            body(try TextFiles.text(path))
        } else {
            for text in try TextFiles.documents(path) { body(text) }
        }
    }
}

/// The kinds of tokenizer that training makes of its data.
private enum TokenizerKind: String, CaseIterable {
    case byteLevelBPE = "byte-bpe"
    case characters = "char"
}

/// Model and tokenizer at the start of a run.
struct TrainingStart {
    let model: Model
    let encoding: TextEncoding?
    let tokenizer: Tokenizer?
    let tokenizerFiles: TokenizerFiles?
}

/// The files of a tokenizer that go beside a trained model.
enum TokenizerFiles {
    /// A folder or a single file.
    case copied(from: String)
    case trained(TrainedTokenizer)
    case made(Tokenizer)

    private static let names = [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
        "merges.txt", "encoder.json", "vocab.bpe", "vocab.txt", "tokenizer.model", "spiece.model",
    ]

    private var sources: [String] {
        guard case .copied(let path) = self else { return [] }
        guard isDirectory(path) else { return [path] }
        return TokenizerFiles.names.map { joinPath(path, $0) }.filter { fileExists($0) }
    }

    /// Whether a folder holds any.
    var areThere: Bool { !sources.isEmpty }

    /// Writes the files into `folder`, each by rename.
    func write(to folder: String) throws {
        switch self {
        case .trained(let trained): try trained.save(to: folder)
        case .made(let tokenizer): try tokenizer.save(to: folder)
        case .copied: break
        }
        for source in sources {
            let target = joinPath(folder, lastPathComponent(source))
            if source == target { continue }
            let file = try MappedFile(path: source)
            try writeAtomically(path: target) { try $0.write(file.bytes) }
        }
    }
}
