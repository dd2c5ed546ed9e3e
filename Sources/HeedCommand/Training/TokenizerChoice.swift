import ArgumentParser
import Heed
import HeedSupport

/// The kinds of tokenizer that training makes of its data: those of `heed tokenizer train`.
typealias TokenizerKind = TrainedTokenizer.Kind

extension TrainedTokenizer.Kind: ExpressibleByArgument {}

/// Makes a tokenizer of the data that a model is to learn from.
struct TokenizerMaker {
    let kind: TokenizerKind
    /// How many tokens; nil: as many as suit the amount of text.
    let vocabulary: Int?
    /// Special tokens that the model needs.
    let specials: [String]
    let format: InputFormat
    /// Whether lines that cannot be used are left out; who reads them for training tells of them.
    let skipsLines: Bool

    /// Trains on the files.
    ///
    /// - Returns: the tokenizer, and the size that was chosen where none was given.
    /// - Throws: `HeedError` when the data are no text or the kind does not suit.
    func make(_ data: [String]) throws -> (tokenizer: Tokenizer, files: TokenizerFiles, size: Int?) {
        if let other = data.first(where: { !DataKind(path: $0, format: format).isText }) {
            throw HeedError(.usage, "--tokenizer-kind learns from text only", in: other, expected: "text files")
        }
        if kind == .character { return try makeCharacters(data) }
        return try withPlainFiles(data) { files in
            let bytes = try files.reduce(0) { $0 + (try InputFile.open($1).count) }
            let size = vocabulary ?? TrainingDefaults.vocabulary(bytes: bytes)
            var trained = try train(size, files)
            // What translates is taught texts with their ends, and whoever loads the folder is to add them too.
            trained.endToken = specials.first { $0 == "</s>" }
            return (try trained.tokenizer(), .trained(trained), vocabulary == nil ? size : nil)
        }
    }

    private func train(_ size: Int, _ files: [String]) throws -> TrainedTokenizer {
        func pieces(_ algorithm: SentencePieceFile.Algorithm) throws -> TrainedTokenizer {
            // SentencePiece has <s> and </s> of its own.
            let others = specials.filter { $0 != "<s>" && $0 != "</s>" && $0 != "<unk>" }
            return try SentencePieceTrainer(algorithm, vocabularySize: size, specialTokens: others).train(files: files)
        }
        switch kind {
        case .byteLevelBPE:
            return try ByteLevelBPETrainer(vocabularySize: size, specialTokens: specials).train(files: files)
        case .wordPiece:
            return try WordPieceTrainer(
                vocabularySize: size, specialTokens: WordPieceTrainer.bertTokens + specials
            ).train(files: files)
        case .unigram: return try pieces(.unigram)
        case .sentencePieceBPE: return try pieces(.bpe)
        case .word: return try pieces(.word)
        case .character: return try pieces(.character)
        }
    }

    /// A token per character of the text and nothing else, as in nanoGPT.
    private func makeCharacters(_ data: [String]) throws -> (Tokenizer, TokenizerFiles, Int?) {
        guard !specials.contains("</s>") else {
            throw HeedError(
                .usage, "--tokenizer-kind char has no end token, which translation needs", expected: "byte-bpe")
        }
        guard vocabulary == nil else {
            throw ValidationError("--vocab-size: a tokenizer of characters has as many tokens as there are.")
        }
        var characters: Set<Unicode.Scalar> = []
        for path in data {
            if DataKind(path: path, format: format) == .text {
                characters.formUnion(try TextFiles.text(path).unicodeScalars)
            } else {
                for text in try documents(path) { characters.formUnion(text.unicodeScalars) }
            }
        }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: characters)
        let tokenizer = try Tokenizer.characters(from: String(text))
        return (tokenizer, .made(tokenizer), nil)
    }

    private func documents(_ path: String) throws -> [String] {
        try TextFiles.documents(path, skip: skipsLines ? { _ in } : nil)
    }

    /// Calls `body` with files of plain text; the texts of JSONL files are written to temporary ones.
    private func withPlainFiles<Result>(_ data: [String], _ body: ([String]) throws -> Result) throws -> Result {
        var temporaries: [String] = []
        defer { for path in temporaries { try? removeFile(path) } }
        let files = try data.map { path -> String in
            if DataKind(path: path, format: format) == .text { return path }
            let plain = temporaryPath("texts.txt")
            temporaries.append(plain)
            try writeAtomically(path: plain) { writer in
                for text in try documents(path) { try writer.write(text + "\n") }
            }
            return plain
        }
        return try body(files)
    }
}

/// The files of a tokenizer that go beside a trained model.
enum TokenizerFiles {
    /// A folder or a single file.
    case copied(from: String)
    case trained(TrainedTokenizer)
    case made(Tokenizer)

    /// Whether there are any.
    var areThere: Bool {
        guard case .copied(let path) = self else { return true }
        return !Tokenizer.files(at: path).isEmpty
    }

    /// Writes the files into `folder`, each by rename.
    func write(to folder: String) throws {
        switch self {
        case .trained(let trained): try trained.save(to: folder)
        case .made(let tokenizer): try tokenizer.save(to: folder)
        case .copied(let path): try Tokenizer.copy(from: path, to: folder)
        }
    }
}
