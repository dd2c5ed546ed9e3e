import HeedSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Trains SentencePiece vocabularies (Kudo and Richardson 2018): unigram, BPE, words or characters.
///
/// Lines are normalised and cut at spaces; the alphabet is that of the text but for its rarest characters. Ids: the
/// unknown piece, `<s>`, `</s>`, further special tokens, bytes where asked for, then what is learned.
public struct SentencePieceTrainer: Sendable {
    /// What is learned.
    public var algorithm: SentencePieceFile.Algorithm
    /// The number of pieces wanted, special ones included.
    public var vocabularySize: Int
    /// Pairs (BPE) or words that occur less often do not become pieces.
    public var minimumFrequency: Int
    /// Special tokens beside `<unk>`, `<s>` and `</s>`.
    public var specialTokens: [String]
    /// How text is normalised; written into the model.
    public var normalization: SentencePieceFile.Normalization
    /// Whether characters without a piece become bytes.
    public var hasByteFallback = false
    /// The share of the text's characters that the alphabet covers.
    public var characterCoverage: Float = 0.9995
    /// The most characters of a piece.
    public var maximumPieceLength = 16
    /// Threads that count and compute; the result does not depend on it.
    public var threads: Int
    /// The most distinct words kept while counting.
    public var maximumDistinctWords = 8_000_000

    /// A trainer for so many pieces, with SentencePiece's defaults.
    public init(
        _ algorithm: SentencePieceFile.Algorithm, vocabularySize: Int, minimumFrequency: Int = 0,
        specialTokens: [String] = [], normalization: SentencePieceFile.Normalization = .nmtNFKC, threads: Int? = nil
    ) {
        self.algorithm = algorithm
        self.vocabularySize = vocabularySize
        self.minimumFrequency = minimumFrequency
        self.specialTokens = specialTokens
        self.normalization = normalization
        self.threads = threads ?? availableProcessors()
    }

    /// Trains on text files.
    ///
    /// - Throws: `HeedError` when the vocabulary size is too small for the alphabet, a file cannot be read, or there is
    ///   no text.
    public func train(files: [String], progress: TrainingProgressHandler? = nil) throws -> TrainedTokenizer {
        var file = frame()
        guard vocabularySize > file.pieces.count else {
            throw tooSmall(file.pieces.count + 1, "anything beside its special tokens")
        }
        try validateSpecialTokens(specialTokens)
        let marks = file.pieces.filter { $0.role != .byte }.map { ($0.text, 0) }
        let scanner = SentencePieceScanner(
            normalizer: try SentencePieceNormalizer(file, in: normalization.name), marks: DoubleArray(keys: marks),
            separators: normalization.charactersMap == NormalizationRules.nmtNFKC ? [0x20, 9, 12, 13] : [0x20])
        let counter = WordCounter(maximumDistinctWords: maximumDistinctWords, threads: threads)
        let corpus = try SentencePieceCorpus(
            files: files, counter: counter, scanner: scanner, coverage: characterCoverage,
            keepsWholeWords: algorithm == .word, progress: progress)
        let room = vocabularySize - file.pieces.count
        if algorithm == .bpe || algorithm == .unigram, corpus.alphabet.count > room {
            throw tooSmall(file.pieces.count + corpus.alphabet.count, "its special tokens and the text's alphabet")
        }
        file.pieces += try learn(corpus, room, progress)
        return TrainedTokenizer(
            sentencePieces: file, specialTokens: ["<unk>", "<s>", "</s>"] + extraTokens,
            forgottenWords: corpus.forgotten)
    }

    private func learn(
        _ corpus: SentencePieceCorpus, _ room: Int, _ progress: TrainingProgressHandler?
    ) throws -> [SentencePieceFile.Piece] {
        var rules = PieceRules()
        rules.maximumLength = maximumPieceLength
        switch algorithm {
        case .character: return Self.characters(corpus, room)
        case .word: return words(corpus, room)
        case .bpe:
            return try PieceMergeLearner(corpus, rules: rules).learn(
                room: room, minimumFrequency: Int64(minimumFrequency), progress)
        case .unigram:
            var learner = UnigramLearner(corpus, rules: rules, threads: threads)
            return try learner.learn(room: room, vocabularySize: vocabularySize, progress)
        }
    }

    /// Special tokens that are not among the three that every model has.
    private var extraTokens: [String] { specialTokens.filter { !["<unk>", "<s>", "</s>"].contains($0) } }

    /// The model without what is learned.
    private func frame() -> SentencePieceFile {
        var file = SentencePieceFile()
        file.algorithm = algorithm
        file.normalization = normalization
        file.hasByteFallback = hasByteFallback
        file.pieces = [.init(text: Array("<unk>".utf8), score: 0, role: .unknown)]
        for token in ["<s>", "</s>"] + extraTokens {
            file.pieces.append(.init(text: Array(token.utf8), score: 0, role: .control))
        }
        if hasByteFallback {
            for byte in UInt8.min...UInt8.max {
                file.pieces.append(.init(text: SentencePieceFile.spelling(of: byte), score: 0, role: .byte))
            }
        }
        return file
    }

    /// The most frequent characters, scored by ln(share).
    private static func characters(_ corpus: SentencePieceCorpus, _ room: Int) -> [SentencePieceFile.Piece] {
        let total = logf(Float(corpus.alphabetCounts.reduce(0, +)))
        return corpus.alphabetByCount.prefix(room).map { scalar, count in
            .init(text: Array(String(scalar).utf8), score: logf(Float(count)) - total)
        }
    }

    /// The most frequent words, scored by ln(share).
    private func words(_ corpus: SentencePieceCorpus, _ room: Int) -> [SentencePieceFile.Piece] {
        let total = logf(Float(corpus.allWordCount))
        return corpus.wholeWords.lazy.filter { $0.count >= minimumFrequency }.prefix(room).map { text, count in
            .init(text: text, score: logf(Float(count)) - total)
        }
    }

    private func tooSmall(_ needed: Int, _ why: String) -> HeedError {
        HeedError(
            .usage, "the vocabulary is too small for \(why)", in: "`vocabularySize`",
            expected: "at least \(grouped(needed))",
            got: "\(vocabularySize)", advice: "Ask for a larger vocabulary or cover fewer characters")
    }
}
