import HeedSupport

/// Learns the merges of SentencePiece's BPE: highest count, then the shortest text, then by bytes; a text that is a
/// piece already is not learned again by another way.
struct PieceMergeLearner: ~Copyable {
    private let corpus: SentencePieceCorpus
    private let texts: SymbolTexts
    private var merging: PairMerging<TextMergeOrder>

    init(_ corpus: SentencePieceCorpus, rules: PieceRules) {
        self.corpus = corpus
        texts = SymbolTexts(alphabet: corpus.alphabet, rules: rules)
        var words = SymbolWords()
        for word in corpus.words where word.end - word.start > 1 {
            words.begin(times: word.count)
            for character in corpus.characters[word.start..<word.end] { words.append(symbol: Int32(character)) }
        }
        merging = PairMerging(words, order: TextMergeOrder(texts: texts))
    }

    /// The pieces: learned ones in order with scores 0, −1, −2, …, then the alphabet.
    consuming func learn(
        room: Int, minimumFrequency: Int64, _ progress: TrainingProgressHandler?
    ) throws -> [SentencePieceFile.Piece] {
        var pieces: [SentencePieceFile.Piece] = []
        var seen: Set<[UInt8]> = []
        let wanted = room - corpus.alphabet.count
        while pieces.count < wanted, let candidate = merging.next(minimumFrequency: minimumFrequency) {
            let text = texts.utf8(candidate.left) + texts.utf8(candidate.right)
            guard seen.insert(text).inserted else { continue }
            pieces.append(.init(text: text, score: -Float(pieces.count)))
            merging.perform(candidate, into: texts.join(candidate.left, candidate.right))
            if pieces.count & 0xFF == 0 {
                try progress?(TrainingProgress(stage: .learning, done: pieces.count, total: wanted))
            }
        }
        for (scalar, _) in corpus.alphabetByCount {
            pieces.append(.init(text: Array(String(scalar).utf8), score: -Float(pieces.count)))
        }
        try progress?(TrainingProgress(stage: .learning, done: pieces.count, total: pieces.count))
        return pieces
    }
}

/// The texts of symbols while merges are learned: characters by number, one after the other.
final class SymbolTexts {
    private let alphabet: [[UInt8]]
    private let rules: PieceRules
    private let kinds: PieceRules.CharacterKinds
    private var characters = GrowingBuffer<UInt16>(minimumCapacity: 1 << 16)
    private var starts = GrowingBuffer<Int>(minimumCapacity: 1 << 14)

    init(alphabet: [Unicode.Scalar], rules: PieceRules) {
        self.alphabet = alphabet.map { Array(String($0).utf8) }
        self.rules = rules
        kinds = PieceRules.CharacterKinds(alphabet)
        starts.append(0)
        for number in alphabet.indices {
            characters.append(UInt16(number))
            starts.append(characters.count)
        }
    }

    private func text(_ symbol: Int32) -> UnsafeBufferPointer<UInt16> {
        let start = starts[Int(symbol)]
        return UnsafeBufferPointer(start: characters.base + start, count: starts[Int(symbol) + 1] - start)
    }

    /// Adds the symbol that two others join to; returns its number.
    func join(_ left: Int32, _ right: Int32) -> Int32 {
        for character in Array(text(left)) + Array(text(right)) { characters.append(character) }
        starts.append(characters.count)
        return Int32(starts.count - 2)
    }

    func utf8(_ symbol: Int32) -> [UInt8] { text(symbol).flatMap { alphabet[Int($0)] } }

    /// The number of characters of a symbol.
    func length(_ symbol: Int32) -> Int { starts[Int(symbol) + 1] - starts[Int(symbol)] }

    /// Whether two symbols may join.
    func allows(_ left: Int32, _ right: Int32) -> Bool {
        if length(left) + length(right) > rules.maximumLength { return false }
        return rules.allows(Array(text(left)) + Array(text(right)), kinds)
    }

    /// Whether the text of one pair of symbols precedes that of another of the same length.
    ///
    /// The alphabet ascends by code point, and UTF-8 keeps that order.
    func precedes(_ left: MergeCandidate, _ right: MergeCandidate) -> Bool {
        let (one, oneRest) = (text(left.left), text(left.right))
        let (other, otherRest) = (text(right.left), text(right.right))
        for index in 0..<one.count + oneRest.count {
            let character = index < one.count ? one[index] : oneRest[index - one.count]
            let otherCharacter = index < other.count ? other[index] : otherRest[index - other.count]
            if character != otherCharacter { return character < otherCharacter }
        }
        return (left.left, left.right) < (right.left, right.right)
    }
}

/// SentencePiece's order of merges.
struct TextMergeOrder: MergeOrder {
    let texts: SymbolTexts

    func precedes(_ one: MergeCandidate, _ other: MergeCandidate) -> Bool {
        if one.count != other.count { return one.count > other.count }
        let oneLength = texts.length(one.left) + texts.length(one.right)
        let otherLength = texts.length(other.left) + texts.length(other.right)
        if oneLength != otherLength { return oneLength < otherLength }
        return texts.precedes(one, other)
    }

    func allows(_ left: Int32, _ right: Int32) -> Bool { texts.allows(left, right) }
}
