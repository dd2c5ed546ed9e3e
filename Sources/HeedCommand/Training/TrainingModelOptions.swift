import ArgumentParser
import Heed
import HeedSupport

/// Which model is trained and what makes ids of text.
struct TrainingModelOptions: ParsableArguments {
    @Option(name: .customLong("init"), help: ArgumentHelp("Start from this model folder.", valueName: "model"))
    var initial: String?

    @Option(
        help: ArgumentHelp(
            "A new model of a known shape. (default: tiny; translation-small for sentence pairs)", valueName: "name"))
    var preset: String?

    @Option(
        help: ArgumentHelp(
            "A new model of the shape in this config.json; or the options of a run, in a .toml or .json file such as "
                + "training/options.json of another run.", valueName: "file"))
    var config: String?

    @OptionGroup var shape: ShapeOptions
    @OptionGroup var part: TrainedPartOptions

    @Option(
        help: ArgumentHelp(
            "Put a new classifier of so many classes on the encoder of --init; where not given, texts with classes "
                + "put one on an encoder that has none.", valueName: "n"))
    var classes: Int?

    @Option(
        help: ArgumentHelp(
            "A tokenizer for text. (default: that of --init; else one is made of the data)", valueName: "path"))
    var tokenizer: String?

    @Option(
        help: ArgumentHelp(
            "The kind of tokenizer that is made of the data. (default: byte-bpe; char for the presets of that name, "
                + "wordpiece for BERT's)", valueName: TokenizerKind.allCases.map(\.rawValue).joined(separator: "|")))
    var tokenizerKind: TokenizerKind?

    @Option(
        help: ArgumentHelp(
            "Tokens of the tokenizer that is made. (default: about one per KiB of text, 512 to 32768)", valueName: "n"))
    var vocabSize: Int?

    func validate() throws {
        let given = [("--init", initial), ("--preset", preset), ("--config", config)].filter { $0.1 != nil }.map(\.0)
        guard given.count <= 1 else {
            throw ValidationError("\(given.joined(separator: " and ")): expected one of them.")
        }
        if let option = part.given.first, initial == nil {
            throw ValidationError("\(option): expected --init beside it.")
        }
        if let option = part.adapterOption, classes != nil {
            throw ValidationError("\(option) and --classes: expected a model that has its classifier already.")
        }
        if let option = shape.given.first, let other = given.first, other != "--preset" {
            throw ValidationError("\(option) and \(other): expected a preset's shape to change.")
        }
        if let classes {
            guard initial != nil, (1...1 << 20).contains(classes) else {
                throw ValidationError("--classes: expected 1 to \(1 << 20), and --init beside it, got \(classes).")
            }
        }
        if tokenizer != nil, tokenizerKind != nil {
            throw ValidationError("--tokenizer and --tokenizer-kind: expected one of them.")
        }
        if vocabSize != nil, tokenizer != nil || (initial != nil && tokenizerKind == nil) {
            throw ValidationError("--vocab-size: expected a tokenizer that is made of the data.")
        }
        if let vocabSize { try check("--vocab-size", vocabSize, in: 1...4_000_000) }
    }

    /// Makes or loads model and tokenizer. Writes nothing.
    ///
    /// - Parameter translates: whether `data` are the two sides of parallel text.
    func start(
        data: [String], translates: Bool = false, format: InputFormat, skipsLines: Bool, context: Int?, output: String,
        resume: Bool,
        seed: UInt64, dropout: Double?
    ) throws -> TrainingStart {
        let needsText = translates || data.contains { DataKind(path: $0, format: format).isText }
        let presetName = preset ?? (translates ? "translation-small" : "tiny")
        let preset = initial == nil && config == nil ? try Preset.named(presetName) : nil
        var chosen: [String: String] = [:]
        let (tokenizer, files) = try chosenTokenizer(
            data: data, translates: translates, preset, format, skipsLines, output: output, resume: resume,
            needed: needsText,
            &chosen)
        let end = tokenizer.flatMap { tokenizer in
            ["<|endoftext|>", "</s>", "<|end_of_text|>"].lazy.compactMap { tokenizer.id(of: $0) }.first
        }
        let model: Model
        if let initial {
            // A run that goes on has all it needs in its own folder.
            let folder = resume && !fileExists(initial) ? output : initial
            let loaded = try Model.loadTelling(
                folder: folder, part.adaptation(seed: seed, dropout: dropout.map { Float($0) }))
            model = try loaded.adapter == nil ? classifier(on: loaded, data, seed: seed) ?? loaded : loaded
        } else if let config {
            model = try Model.new(configuration: config, seed: seed)
        } else if let preset {
            let padding = tokenizer.flatMap { $0.id(of: "<pad>") ?? $0.id(of: "[PAD]") }.map { Int($0) }
            let shape = try shape.applied(to: preset.configuration, context: translates ? nil : context).adapted(
                vocabulary: tokenizer?.vocabularySize, padding: padding, dropout: dropout.map { Float($0) })
            let ends = end.map { [Int($0)] } ?? []
            model = try Model(
                shape, family: preset.family,
                specials: SpecialIds(begin: translates ? nil : ends.first, ends: ends, padding: padding), seed: seed)
            chosen["--preset"] = presetName
        } else {
            throw ValidationError("expected --init, --preset or --config.")
        }
        let vocabulary = model.architecture.vocabulary
        if let tokenizer, tokenizer.vocabularySize > vocabulary, needsText {
            throw HeedError(
                .usage, "the tokenizer has more tokens than the model", in: self.tokenizer ?? initial ?? config,
                expected: "at most \(vocabulary)", got: "\(tokenizer.vocabularySize)")
        }
        return TrainingStart(
            model: model, isNew: initial == nil, folder: initial, tokenizer: tokenizer, tokenizerFiles: files,
            documentEnd: end,
            chosen: chosen)
    }

    /// The encoder with a new classifier, where one was asked for or texts with classes want one; else nil.
    private func classifier(on loaded: Model, _ data: [String], seed: UInt64) throws -> Model? {
        let texts = try data.filter { try DataKind(path: $0) == .jsonLines && LabelledTexts.isLabelled($0) }
        if classes == nil {
            guard case .encoder(let encoder) = loaded.architecture, encoder.configuration.labels == nil, !texts.isEmpty
            else { return nil }
        }
        let (count, names) = texts.isEmpty ? (0, []) : try LabelledTexts(texts).classes
        let wanted = classes ?? count
        guard wanted >= max(count, 1) else {
            throw HeedError(
                .usage, "--classes is less than the classes of the data", in: texts.first,
                expected: "at least \(count)",
                got: "\(wanted)")
        }
        return try loaded.classifying(labels: wanted, names: names.count == wanted ? names : [], seed: seed)
    }

    private func chosenTokenizer(
        data: [String], translates: Bool, _ preset: Preset?, _ format: InputFormat, _ skipsLines: Bool, output: String,
        resume: Bool,
        needed: Bool, _ chosen: inout [String: String]
    ) throws -> (Tokenizer?, TokenizerFiles?) {
        if let tokenizer {
            return (try Tokenizer.load(path: tokenizer), .copied(from: tokenizer))
        }
        if tokenizerKind == nil, let initial {
            let files = TokenizerFiles.copied(from: resume && !fileExists(initial) ? output : initial)
            guard case .copied(let folder) = files, files.areThere else { return (nil, nil) }
            // Files of ids need no tokenizer; then it is only handed on.
            return (needed ? try Tokenizer.load(path: folder) : nil, files)
        }
        if tokenizerKind == nil, !needed { return (nil, nil) }
        // What an earlier start of this run made is the same.
        let earlier = joinPath(output, "tokenizer.json")
        if resume, fileExists(joinPath(output, "training/state.safetensors")), fileExists(earlier) {
            return (try Tokenizer.load(path: earlier), .copied(from: output))
        }
        let kind = tokenizerKind ?? TrainingModelOptions.kind(for: preset)
        let maker = TokenizerMaker(
            kind: kind, vocabulary: vocabSize,
            specials: translates ? ["</s>", "<pad>"] : preset?.family == .bert ? [] : ["<|endoftext|>"], format: format,
            skipsLines: skipsLines)
        let made = try maker.make(data)
        chosen["--tokenizer-kind"] = kind.rawValue
        chosen["--vocab-size"] = made.size.map { "\($0)" }
        return (made.tokenizer, made.files)
    }

    private static func kind(for preset: Preset?) -> TokenizerKind {
        guard let preset else { return .byteLevelBPE }
        if preset.name.hasPrefix("char") { return .character }
        return preset.family == .bert ? .wordPiece : .byteLevelBPE
    }
}

/// Model and tokenizer at the start of a run.
struct TrainingStart {
    let model: Model
    /// Whether the model has learned nothing yet.
    let isNew: Bool
    /// The folder that the model came from; nil for a new one.
    let folder: String?
    let tokenizer: Tokenizer?
    let tokenizerFiles: TokenizerFiles?
    /// The id that ends a document.
    let documentEnd: TokenID?
    /// What was chosen where nothing was given, by option.
    let chosen: [String: String]

    /// Whether a file holds conversations, or prompts with completions, for a decoder.
    func learnsAnswers(_ path: String) throws -> Bool {
        guard case .decoder = model.architecture, DataKind(path: path) == .jsonLines else { return false }
        return try AnsweredTexts.areIn(path)
    }

    /// The tokenizer, which text needs.
    ///
    /// - Throws: `HeedError` (`usage`) where there is none.
    func requiredTokenizer(for place: String) throws -> Tokenizer {
        guard let tokenizer else {
            throw HeedError(
                .usage, "there is nothing that makes ids of text", in: place,
                expected: "--tokenizer, --tokenizer-kind, or a tokenizer beside --init")
        }
        return tokenizer
    }

    /// The tokenizer of the target's side, where it is one of its own.
    var targetTokenizer: Tokenizer? {
        get throws {
            guard case .copied(let folder)? = tokenizerFiles, isDirectory(folder) else { return nil }
            return try Tokenizer.loadTarget(path: folder)
        }
    }

    /// How files of text become ids.
    func encoding(
        _ format: InputFormat, _ unknown: UnknownCharacters, skip: (@Sendable (HeedError) -> Void)?
    ) -> TextEncoding? {
        tokenizer.map { tokenizer in
            var encoding = TextEncoding(tokenizer, documentEnd: documentEnd, unknown)
            encoding.format = format
            encoding.skip = skip
            return encoding
        }
    }
}
