import HeedSupport

/// Splits a line at ASCII white space; what lies between is normalised and cut once per distinct stretch, later.
private struct WhiteSpaceScanner: WordScanner {
    func scan(_ line: UnsafeBufferPointer<UInt8>, into table: inout WordTable) {
        guard let base = line.baseAddress else { return }
        var start = 0
        for at in 0...line.count {
            let isSpace = at == line.count || line[at] == 0x20 || line[at] == 9 || line[at] == 10 || line[at] == 13
            if isSpace {
                if at > start { table.add(base + start, at - start, times: 1) }
                start = at + 1
            }
        }
    }
}

/// Trains WordPiece as BERT uses it (Devlin et al. 2019; Schuster and Nakajima 2012): words are cut as BERT cuts them,
/// and the most frequent pair of pieces becomes a piece until the vocabulary is full.
///
/// This is the algorithm of Hugging Face's `WordPieceTrainer`, which leaves ties to chance; here they go to the highest
/// count, then the lowest (left id, right id). Ids: special tokens, the characters by code point, the same as
/// continuations (`##a`), the merges.
public struct WordPieceTrainer: Sendable {
    /// The number of tokens wanted, special tokens and alphabet included.
    public var vocabularySize: Int
    /// Pairs that occur less often are not joined.
    public var minimumFrequency: Int
    /// Tokens that get the first ids; `[UNK]` is put before them where it is missing.
    public var specialTokens: [String]
    /// Whether text is made lower case and loses its accents first.
    public var isLowerCase: Bool
    /// The most characters in the alphabet: the rarest beyond it are unknown.
    public var maximumAlphabet = 1000
    /// Threads that count words; the result does not depend on it.
    public var threads: Int
    /// The most distinct words kept while counting.
    public var maximumDistinctWords = 8_000_000

    /// BERT's special tokens, in its order.
    public static let bertTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

    /// Words of more characters are unknown to WordPiece models, so nothing is learned from them.
    private static let longestWord = 100

    /// A trainer; without special tokens it takes BERT's five.
    public init(
        vocabularySize: Int, minimumFrequency: Int = 0, specialTokens: [String] = [], isLowerCase: Bool = true,
        threads: Int? = nil
    ) {
        self.vocabularySize = vocabularySize
        self.minimumFrequency = minimumFrequency
        self.specialTokens =
            specialTokens.isEmpty
            ? Self.bertTokens : specialTokens.contains("[UNK]") ? specialTokens : ["[UNK]"] + specialTokens
        self.isLowerCase = isLowerCase
        self.threads = threads ?? availableProcessors()
    }

    /// Trains on text files.
    ///
    /// - Throws: `HeedError` when the vocabulary size is too small for the alphabet, a file cannot be read, or there is
    ///   no text.
    public func train(files: [String], progress: TrainingProgressHandler? = nil) throws -> TrainedTokenizer {
        try validateSpecialTokens(specialTokens)
        guard vocabularySize > specialTokens.count else { throw tooSmall(specialTokens.count + 1) }
        let counter = WordCounter(maximumDistinctWords: maximumDistinctWords, threads: threads)
        let counted = try counter.count(files: files, scanner: WhiteSpaceScanner(), progress: progress)
        let normalizer = BertNormalizer(makesLowercase: isLowerCase)
        var table = rewritten(counted.table, threads: threads) { Self.addWords($0, $1, normalizer, &$2) }
        guard table.count > 0 else { throw noTextError(files) }
        table.sortByBytes()
        return try learn(table, counted.forgotten, progress)
    }

    /// Adds the words of a stretch, as BERT's normaliser and pre-tokenizer give them.
    private static func addWords(
        _ bytes: UnsafeBufferPointer<UInt8>, _ times: Int64, _ normalizer: BertNormalizer, _ table: inout WordTable
    ) {
        var text = NormalizedText(bytes, tracksSources: false)
        normalizer.normalize(&text)
        var list = PieceList(text, isAtStart: true)
        ClassPreTokenizer(.bert).cut(&list)
        list.text.bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            for piece in list.pieces where !piece.isEmpty {
                table.add(base + piece.lowerBound, piece.count, times: times)
            }
        }
    }

    /// The characters that get tokens, by code point; the rarest beyond the cap are left out.
    private func alphabet(_ table: borrowing WordTable) -> [UInt32] {
        var counts: [UInt32: Int64] = [:]
        for index in 0..<table.count {
            let text = table.bytes(index)
            var at = 0
            while at < text.count {
                let (scalar, length) = decodeScalar(text, at)
                counts[scalar.value, default: 0] += table[index].count
                at += length
            }
        }
        let ranked = counts.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }
        return ranked.prefix(maximumAlphabet).map(\.key).sorted()
    }

    private func learn(
        _ table: borrowing WordTable, _ forgotten: Int, _ progress: TrainingProgressHandler?
    ) throws -> TrainedTokenizer {
        var vocabulary = GrowingVocabulary()
        for token in specialTokens { vocabulary.add(Array(token.utf8)) }
        let characters = alphabet(table)
        var first: [UInt32: Int32] = [:]
        for code in characters { first[code] = vocabulary.add(Self.utf8(code)) }
        var continued: [UInt32: Int32] = [:]
        for code in continuations(table, first) { continued[code] = vocabulary.add(Self.mark + Self.utf8(code)) }
        guard vocabulary.count <= vocabularySize else { throw tooSmall(vocabulary.count) }

        var words = SymbolWords()
        for index in 0..<table.count {
            fill(&words, table.bytes(index), table[index].count, first, continued)
        }
        var merging = PairMerging(words, order: IDMergeOrder())
        while vocabulary.count < vocabularySize,
            let candidate = merging.next(minimumFrequency: Int64(minimumFrequency))
        {
            let joined = vocabulary[candidate.left] + vocabulary[candidate.right].dropFirst(Self.mark.count)
            merging.perform(candidate, into: vocabulary.add(joined))
            if vocabulary.count & 0xFF == 0 {
                try progress?(TrainingProgress(stage: .learning, done: vocabulary.count, total: vocabularySize))
            }
        }
        try progress?(TrainingProgress(stage: .learning, done: vocabulary.count, total: vocabulary.count))
        var trained = TrainedTokenizer(
            kind: .wordPiece, specialTokens: specialTokens, tokens: vocabulary.strings, forgottenWords: forgotten)
        trained.isLowerCase = isLowerCase
        return trained
    }

    private static let mark: [UInt8] = [0x23, 0x23]

    private static func utf8(_ code: UInt32) -> [UInt8] { Unicode.Scalar(code).map { Array(String($0).utf8) } ?? [] }

    /// The characters that occur inside words, by code point.
    private func continuations(_ table: borrowing WordTable, _ known: [UInt32: Int32]) -> [UInt32] {
        var found: Set<UInt32> = []
        for index in 0..<table.count {
            let text = table.bytes(index)
            var at = text.isEmpty ? 0 : decodeScalar(text, 0).1
            while at < text.count {
                let (scalar, length) = decodeScalar(text, at)
                if known[scalar.value] != nil { found.insert(scalar.value) }
                at += length
            }
        }
        return found.sorted()
    }

    /// Adds a word; one with unknown characters or too many is left out, as the model will not cut it.
    private func fill(
        _ words: inout SymbolWords, _ text: UnsafeBufferPointer<UInt8>, _ times: Int64, _ first: [UInt32: Int32],
        _ continued: [UInt32: Int32]
    ) {
        var symbols: [Int32] = []
        var at = 0
        while at < text.count {
            let (scalar, length) = decodeScalar(text, at)
            guard let symbol = at == 0 ? first[scalar.value] : continued[scalar.value] else { return }
            symbols.append(symbol)
            at += length
        }
        guard symbols.count > 1, symbols.count <= Self.longestWord else { return }
        words.begin(times: times)
        for symbol in symbols { words.append(symbol: symbol) }
    }

    private func tooSmall(_ needed: Int) -> HeedError {
        HeedError(
            .usage, "the vocabulary is too small for its special tokens and the text's alphabet",
            in: "`vocabularySize`",
            expected: "at least \(grouped(needed))", got: "\(vocabularySize)")
    }
}
