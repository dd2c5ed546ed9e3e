import HeedSupport

/// Trains byte-level byte-pair encoding as GPT-2 has it (Radford et al. 2019, section 2.2).
///
/// Text is read line by line, line ends kept, and split by GPT-2's pattern; words are counted; then the most
/// frequent pair of symbols becomes a new symbol until the vocabulary is full. Ties go to the highest count, then
/// the lowest (left id, right id), so the merges equal those of Hugging Face's `BpeTrainer` with the byte alphabet.
/// Ids: special tokens first, then the 256 byte symbols in the order of their characters, then the merges.
public struct ByteLevelBPETrainer: Sendable {
    /// The number of tokens wanted, special tokens and byte symbols included.
    public var vocabularySize: Int
    /// Pairs that occur less often are not merged.
    public var minimumFrequency: Int
    /// Tokens that get the first ids; they take no part in the training.
    public var specialTokens: [String]
    /// Threads that count words; the result does not depend on it.
    public var threads: Int
    /// The most distinct words kept while counting; text with more loses its rarest (see `TrainedTokenizer`).
    public var maximumDistinctWords = 8_000_000

    /// A trainer for so many tokens, special ones included; all cores count where `threads` is nil.
    public init(vocabularySize: Int, minimumFrequency: Int = 0, specialTokens: [String] = [], threads: Int? = nil) {
        self.vocabularySize = vocabularySize
        self.minimumFrequency = minimumFrequency
        self.specialTokens = specialTokens
        self.threads = threads ?? availableProcessors()
    }

    /// Trains on text files.
    ///
    /// Memory depends on the number of distinct words, at most about 90 bytes each plus 30 per byte of them; time is
    /// that of reading the text once plus O(symbols of the distinct words).
    ///
    /// - Throws: `HeedError` when the vocabulary size is too small, a file cannot be read, or there is no text.
    public func train(files: [String], progress: TrainingProgressHandler? = nil) throws -> TrainedTokenizer {
        try validate()
        let counter = WordCounter(maximumDistinctWords: maximumDistinctWords, threads: threads)
        let counted = try counter.count(files: files, scanner: ByteLevelScanner(), progress: progress)
        guard counted.table.count > 0 else { throw noTextError(files) }
        return try learn(counted.table, forgotten: counted.forgotten, progress)
    }

    private func validate() throws {
        let least = specialTokens.count + 256
        guard vocabularySize >= least else {
            throw HeedError(
                .usage, "the vocabulary is too small for byte-level BPE", in: "`vocabularySize`",
                expected: "at least \(grouped(least)) (\(specialTokens.count) special tokens and 256 byte symbols)",
                got: "\(vocabularySize)")
        }
        try validateSpecialTokens(specialTokens)
    }

    private func learn(
        _ table: borrowing WordTable, forgotten: Int, _ progress: TrainingProgressHandler?
    ) throws -> TrainedTokenizer {
        var vocabulary = GrowingVocabulary()
        for token in specialTokens { vocabulary.add(Array(token.utf8)) }
        var byteSymbols = [Int32](repeating: 0, count: 256)
        for byte in (0...255).sorted(by: { ByteAlphabet.scalars[$0].value < ByteAlphabet.scalars[$1].value }) {
            byteSymbols[byte] = vocabulary.add(Array(String(ByteAlphabet.scalars[byte]).utf8))
        }

        var words = SymbolWords()
        for index in 0..<table.count {
            words.begin(times: table[index].count)
            for byte in table.bytes(index) { words.append(symbol: byteSymbols[Int(byte)]) }
            words.dropLastIfSingle()
        }
        var merging = PairMerging(words, order: IDMergeOrder())
        var merges: [TrainedTokenizer.Merge] = []
        while vocabulary.count < vocabularySize,
            let candidate = merging.next(minimumFrequency: Int64(minimumFrequency))
        {
            let merged = vocabulary.add(vocabulary[candidate.left] + vocabulary[candidate.right])
            merges.append(.init(left: Int(candidate.left), right: Int(candidate.right)))
            merging.perform(candidate, into: merged)
            if merges.count & 0xFF == 0 {
                try progress?(TrainingProgress(stage: .learning, done: vocabulary.count, total: vocabularySize))
            }
        }
        try progress?(TrainingProgress(stage: .learning, done: vocabulary.count, total: vocabulary.count))
        return TrainedTokenizer(
            kind: .byteLevelBPE, specialTokens: specialTokens, tokens: vocabulary.strings,
            merges: merges.droppingRepeats(),
            forgottenWords: forgotten)
    }
}

extension [TrainedTokenizer.Merge] {
    /// The merges without those that come again later: two ways to spell one token can queue a pair twice, and the
    /// last rank is the one that a reader keeps.
    fileprivate func droppingRepeats() -> [TrainedTokenizer.Merge] {
        var last: [UInt64: Int] = [:]
        last.reserveCapacity(count)
        for (rank, merge) in enumerated() { last[UInt64(merge.left) << 32 | UInt64(merge.right)] = rank }
        if last.count == count { return self }
        return enumerated().filter { last[UInt64($1.left) << 32 | UInt64($1.right)] == $0 }.map(\.element)
    }
}

/// Tokens by id and by content while training goes on.
struct GrowingVocabulary {
    private(set) var tokens: [[UInt8]] = []
    private var ids: [[UInt8]: Int32] = [:]

    var count: Int { tokens.count }

    subscript(id: Int32) -> [UInt8] { tokens[Int(id)] }

    func id(of token: [UInt8]) -> Int32? { ids[token] }

    /// The id of a token, which is new unless the same content already has one.
    @discardableResult
    mutating func add(_ token: [UInt8]) -> Int32 {
        if let id = ids[token] { return id }
        let id = Int32(tokens.count)
        tokens.append(token)
        ids[token] = id
        return id
    }

    /// The tokens as text.
    var strings: [String] { tokens.map { String(decoding: $0, as: UTF8.self) } }
}

func validateSpecialTokens(_ tokens: [String]) throws {
    var seen: Set<String> = []
    for token in tokens {
        if token.isEmpty {
            throw HeedError(.usage, "a special token is empty", in: "`specialTokens`", expected: "some text")
        }
        if !seen.insert(token).inserted {
            throw HeedError(.usage, "the special token \(quoted(token)) is given twice", in: "`specialTokens`")
        }
    }
}

func noTextError(_ files: [String]) -> HeedError {
    HeedError(
        .badInput, "there is no text to train on", in: files.joined(separator: ", "),
        advice: files.isEmpty ? "Name at least one text file" : "The files are empty")
}
