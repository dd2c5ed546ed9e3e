import HeedSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Learns a unigram vocabulary by expectation maximisation (Kudo 2018, section 3.1): from many candidate pieces, two
/// rounds of EM, then the quarter whose loss costs the likelihood least is dropped, until the size is reached.
///
/// Sums run in 32 bits over 16 fixed shares of the words, as in SentencePiece with its default settings, whatever the
/// number of threads.
struct UnigramLearner {
    private let corpus: SentencePieceCorpus
    private let rules: PieceRules
    private let threads: Int
    private let kinds: PieceRules.CharacterKinds
    /// The words without what follows them, most frequent first; of equal counts by bytes.
    private var sentences: [Sentence] = []
    /// The characters of the sentences.
    private var characters: [UInt16] = []
    private var pieces: [Piece] = []

    struct Sentence {
        var start: Int
        var end: Int
        var count: Int64
    }

    struct Piece {
        var characters: [UInt16]
        var score: Float
    }

    private static let shares = 16
    private static let seedLimit = 1_000_000
    private static let roundsPerPruning = 2
    private static let keptShare: Float = 0.75

    init(_ corpus: SentencePieceCorpus, rules: PieceRules, threads: Int) {
        self.corpus = corpus
        self.rules = rules
        self.threads = threads
        kinds = PieceRules.CharacterKinds(corpus.alphabet)
    }

    /// The pieces with their scores, best first.
    mutating func learn(
        room: Int, vocabularySize: Int, _ progress: TrainingProgressHandler?
    ) throws -> [SentencePieceFile.Piece] {
        try progress?(TrainingProgress(stage: .seeding, done: 0, total: corpus.characters.count))
        seed()
        try progress?(
            TrainingProgress(stage: .seeding, done: corpus.characters.count, total: corpus.characters.count))
        mergeWords()
        let wanted = Int(Double(vocabularySize) * 1.1)
        let before = pieces.count
        while true {
            for _ in 0..<Self.roundsPerPruning { maximise(expectations()) }
            try progress?(
                TrainingProgress(
                    stage: .learning, done: max(0, before - pieces.count), total: max(1, before - wanted)))
            if pieces.count <= wanted { break }
            prune(to: wanted)
            // As in SentencePiece 0.2.3, the last pruning is not followed by EM: pieces keep the scores they won by.
            if pieces.count <= wanted { break }
        }
        return finish(room)
    }

    /// Candidate pieces with the logarithm of their share of all characters covered.
    private mutating func seed() {
        var counts = [Int64](repeating: 0, count: corpus.alphabet.count)
        for word in corpus.words {
            for at in word.start..<word.end { counts[Int(corpus.characters[at])] += word.count }
        }
        let singles = counts.indices.sorted { counts[$0] != counts[$1] ? counts[$0] > counts[$1] : $0 < $1 }
        for character in singles {
            pieces.append(Piece(characters: [UInt16(character)], score: Float(counts[character])))
        }
        let found = UnigramSeeds.find(corpus, rules: rules, kinds: kinds, limit: Self.seedLimit)
        for seed in found { pieces.append(Piece(characters: seed.characters, score: Float(seed.score))) }
        var sum: Float = 0
        for piece in pieces { sum += piece.score }
        let total = Float(log(Double(sum)))
        for index in pieces.indices { pieces[index].score = Float(log(Double(pieces[index].score)) - Double(total)) }
    }

    /// Joins words that only differ in what follows them, and sorts them. Rare characters stay in their words: what
    /// stands for them is the unknown piece.
    private mutating func mergeWords() {
        characters = corpus.characters
        var words = corpus.words.filter { !$0.isPart }.map { Sentence(start: $0.start, end: $0.end, count: $0.count) }
        for word in corpus.wordsWithRare {
            words.append(
                Sentence(
                    start: characters.count, end: characters.count + word.characters.count, count: word.count))
            characters += word.characters
        }
        let all = characters
        func text(_ sentence: Sentence) -> ArraySlice<UInt16> { all[sentence.start..<sentence.end] }
        words.sort { text($0).lexicographicallyPrecedes(text($1)) }
        var merged: [Sentence] = []
        for word in words {
            if let last = merged.last, text(last) == text(word) {
                merged[merged.count - 1].count += word.count
            } else {
                merged.append(word)
            }
        }
        // The sort is stable: of equal counts the order by bytes stays.
        sentences = merged.sorted { $0.count > $1.count }
    }

    private func lattice() -> UnigramTrainingTrie {
        UnigramTrainingTrie(pieces, alphabetSize: corpus.alphabet.count + 1)
    }

    /// The expected count of every piece under the current scores (the E step).
    private func expectations() -> [Float] {
        let trie = lattice()
        var shares = [[Float]](repeating: [], count: Self.shares)
        forEachShare(&shares) { share -> [Float] in
            var expected = [Float](repeating: 0, count: pieces.count)
            var passes = UnigramPasses()
            for index in stride(from: share, to: sentences.count, by: Self.shares) {
                let sentence = sentences[index]
                passes.addExpectations(
                    characters[sentence.start..<sentence.end], Float(sentence.count), trie, &expected)
            }
            return expected
        }
        var total = shares[0]
        for share in shares.dropFirst() { for index in total.indices { total[index] += share[index] } }
        return total
    }

    /// New scores from expected counts, rare pieces dropped (the M step with a sparse prior).
    private mutating func maximise(_ expected: [Float]) {
        var kept: [Piece] = []
        var sum: Float = 0
        for (index, count) in expected.enumerated() where count >= 0.5 {
            kept.append(Piece(characters: pieces[index].characters, score: count))
            sum += count
        }
        let total = Float(Self.digamma(Double(sum)))
        for index in kept.indices { kept[index].score = Float(Self.digamma(Double(kept[index].score)) - Double(total)) }
        pieces = kept
    }

    /// Keeps the pieces whose loss would cost the likelihood most.
    private mutating func prune(to wanted: Int) {
        let trie = lattice()
        let alternatives = self.alternatives(trie)
        let (counts, total) = viterbiCounts(trie)
        let sum = Float(counts.reduce(0.0) { $0 + Double($1) })
        let logSum = Float(log(Double(sum)))
        var kept: [Piece] = []
        var candidates: [(index: Int, loss: Float)] = []
        for index in pieces.indices {
            guard counts[index] != 0, let others = alternatives[index] else { continue }
            if others.isEmpty {
                kept.append(pieces[index])
                continue
            }
            let share = counts[index] / total
            let logProbability = Float(log(Double(counts[index])) - Double(logSum))
            let logSumWithout = Float(log(Double(sum + counts[index] * Float(others.count - 1))))
            var logProbabilityWithout: Float = 0
            for other in others {
                let value = log(Double(counts[Int(other)] + counts[index])) - Double(logSumWithout)
                logProbabilityWithout = Float(Double(logProbabilityWithout) + value)
            }
            candidates.append((index, share * (logProbability - logProbabilityWithout)))
        }
        candidates.sort { $0.loss != $1.loss ? $0.loss > $1.loss : $0.index < $1.index }
        let size = max(wanted, Int(Self.keptShare * Float(pieces.count)))
        for candidate in candidates {
            if kept.count == size { break }
            kept.append(pieces[candidate.index])
        }
        pieces = kept
    }

    /// For each piece the pieces that would stand for it: nil where the best segmentation of its own text is not the
    /// piece itself, none where there is no other.
    private func alternatives(_ trie: UnigramTrainingTrie) -> [[Int32]?] {
        var shares = [[[Int32]?]](repeating: [], count: Self.shares)
        forEachShare(&shares) { share -> [[Int32]?] in
            var passes = UnigramPasses()
            return stride(from: share, to: pieces.count, by: Self.shares).map { index in
                let text = pieces[index].characters[...]
                if text.count == 1 { return [] }
                if passes.viterbi(text, trie).count > 1 { return nil }
                return passes.viterbi(text, trie, withoutWhole: true)
            }
        }
        return pieces.indices.map { shares[$0 % Self.shares][$0 / Self.shares] }
    }

    /// How often each piece occurs in the best segmentations, and the number of words.
    private func viterbiCounts(_ trie: UnigramTrainingTrie) -> ([Float], Float) {
        var shares = [(counts: [Float], total: Float)](repeating: ([], 0), count: Self.shares)
        forEachShare(&shares) { share -> (counts: [Float], total: Float) in
            var counts = [Float](repeating: 0, count: pieces.count)
            var total: Float = 0
            var passes = UnigramPasses()
            for index in stride(from: share, to: sentences.count, by: Self.shares) {
                let sentence = sentences[index]
                let count = Float(sentence.count)
                total += count
                for piece in passes.viterbi(characters[sentence.start..<sentence.end], trie) {
                    counts[Int(piece)] += count
                }
            }
            return (counts, total)
        }
        var counts = shares[0].counts
        for share in shares.dropFirst() { for index in counts.indices { counts[index] += share.counts[index] } }
        return (counts, shares.reduce(0) { $0 + $1.total })
    }

    /// Computes the 16 shares of a sum on the threads there are.
    private func forEachShare<Result>(_ results: inout [Result], _ body: @Sendable (Int) -> Result) {
        let parts = max(1, min(threads, Self.shares))
        results.withUnsafeMutableBufferPointer { results in
            nonisolated(unsafe) let results = results
            runInParallel(parts) { part in
                for share in stride(from: part, to: Self.shares, by: parts) { results[share] = body(share) }
            }
        }
    }

    /// The whole alphabet, then the best pieces while there is room; best score first.
    private func finish(_ room: Int) -> [SentencePieceFile.Piece] {
        var scores: [[UInt16]: Float] = [:]
        var lowest = Float.greatestFiniteMagnitude
        for piece in pieces {
            if piece.characters.count == 1 { scores[piece.characters] = piece.score }
            lowest = min(lowest, piece.score)
        }
        var chosen: [Piece] = []
        var penalty: Float = 0
        let numbers = corpus.alphabet.indices.sorted { left, right in
            let (one, other) = (corpus.alphabetCounts[left], corpus.alphabetCounts[right])
            return one != other ? one > other : left < right
        }
        for number in numbers {
            let characters = [UInt16(number)]
            if let score = scores[characters] {
                chosen.append(Piece(characters: characters, score: score))
            } else {
                chosen.append(Piece(characters: characters, score: lowest + penalty))
                penalty += 0.0001
            }
        }
        func precedes(_ one: Piece, _ other: Piece) -> Bool {
            one.score != other.score
                ? one.score > other.score : one.characters.lexicographicallyPrecedes(other.characters)
        }
        for piece in pieces.sorted(by: precedes) where piece.characters.count > 1 {
            if chosen.count >= room { break }
            chosen.append(piece)
        }
        return chosen.sorted(by: precedes).map { piece in
            let scalars = piece.characters.map { corpus.alphabet[Int($0)] }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars)
            return .init(text: Array(String(text).utf8), score: piece.score)
        }
    }

    /// The digamma function for x > 0: recurrence up to 7, then the asymptotic series.
    static func digamma(_ x: Double) -> Double {
        var result = 0.0
        var x = x
        while x < 7 {
            result -= 1 / x
            x += 1
        }
        x -= 0.5
        let square = 1 / (x * x)
        let fourth = square * square
        result += log(x) + square / 24 - 7.0 / 960 * fourth
        result += 31.0 / 8064 * fourth * square - 127.0 / 30720 * fourth * fourth
        return result
    }
}
