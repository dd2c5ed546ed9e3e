/// The pieces of a unigram language model with their scores, ready for looking up.
struct UnigramPieces: Sendable {
    /// From the bytes of a piece to its id; unused and control pieces are not in it.
    let trie: DoubleArray
    /// Scores by id, as the file's numbers (exact also where the file holds 32-bit ones).
    let scores: FrozenBuffer<Double>
    /// Whether a piece is user-defined, by id; nil where none is.
    let isUserDefined: FrozenBuffer<Bool>?
    /// The score of a character that no piece covers.
    let unknownScore: Double
    /// The id of such a character, or −1.
    let unknownID: TokenID
    /// Sums are rounded to 32 bits, as SentencePiece does; otherwise they stay in 64 bits, as in Hugging Face's library.
    let usesSinglePrecision: Bool
    /// Where the best segmentation falls into independent parts, where words are remembered.
    private(set) var borders: PieceBorders?
    /// The scores that the search adds, by id.
    private(set) var searchScores: FrozenBuffer<Double>?
    /// The most bytes of a piece.
    private(set) var longestPiece = 0
    /// The largest of them without their signs.
    private(set) var largestScore = 0.0

    /// Prepares for remembering words.
    mutating func remember(_ lengths: [Int], _ borders: PieceBorders) {
        self.borders = borders
        longestPiece = lengths.max() ?? 0
        let scores = lengths.enumerated().map { score($0, length: $1) }
        largestScore = scores.reduce(abs(unknownScore)) { max($0, abs($1)) }
        searchScores = FrozenBuffer(scores)
    }

    /// What an unknown character costs beyond the worst piece (SentencePiece's constant).
    static let unknownPenalty = 10.0

    /// The score of a piece of `length` units; user-defined pieces get a tenth for each unit beyond the first, so that
    /// they nearly always win over the ordinary pieces they overlap.
    @inline(__always)
    func score(_ id: Int, length: Int) -> Double {
        if let isUserDefined, isUserDefined.pointer[id] { return Double(Float(0.1 * Double(length - 1))) }
        return scores.pointer[id]
    }

    /// Where 32-bit sums start again from 0.
    static let lowestSum = -100_000.0

    /// A sum as it is stored.
    @inline(__always)
    func rounded(_ sum: Double) -> Double { usesSinglePrecision ? Double(Float(sum)) : sum }

    /// The length of the character at `at`, by its first byte as SentencePiece counts it.
    @inline(__always)
    static func characterLength(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int {
        let first = text[at]
        if first < 0x80 { return 1 }
        let length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        return min(length, text.count - at)
    }
}

/// A stretch of text with the piece that covers it.
struct PieceSpan: Equatable, Sendable {
    var start: Int32
    var end: Int32
    var id: TokenID
}

extension UnigramPieces {
    private struct BestPath {
        var score: Double
        var start: Int32
        var id: TokenID
    }

    /// Calls `body` with the most probable segmentation of a text (Viterbi 1967), in order.
    ///
    /// Among equal sums the segmentation whose last piece starts first wins, at every position. Time O(length ·
    /// longest piece), memory 16 bytes per byte of text.
    ///
    /// - Parameter sum: the sum of scores of the text before.
    /// - Returns: the sum of scores at the end.
    @discardableResult
    func viterbi(_ text: UnsafeBufferPointer<UInt8>, from sum: Double = 0, _ body: (PieceSpan) -> Void) -> Double {
        let size = text.count
        guard size > 0 else { return sum }
        return withUnsafeTemporaryAllocation(of: BestPath.self, capacity: size + 1) { best in
            best.initialize(repeating: BestPath(score: sum, start: -1, id: -1))
            fill(best, text)
            let total = best[size].score
            // Walk back from the end, linking forwards so that the pieces come out in order.
            var end = size
            var next = -1
            while end > 0 {
                let start = Int(best[end].start)
                best[end].start = Int32(truncatingIfNeeded: next)
                next = end
                end = start
            }
            var start = 0
            while next > 0 {
                body(PieceSpan(start: Int32(start), end: Int32(next), id: best[next].id))
                start = next
                next = Int(best[next].start)
            }
            return total
        }
    }

    private func fill(_ best: UnsafeMutableBufferPointer<BestPath>, _ text: UnsafeBufferPointer<UInt8>) {
        let size = text.count
        let longestReach = max(longestPiece, 4)
        var start = 0
        while start < size {
            var scoreHere = best[start].score
            if usesSinglePrecision, scoreHere < Self.lowestSum {
                // Long sums lose their last digits: SentencePiece starts again from 0.
                for end in start..<min(start + longestReach, size) + 1 where best[end].start >= 0 || end == start {
                    best[end].score = rounded(best[end].score - scoreHere)
                }
                scoreHere = 0
            }
            let characterLength = Self.characterLength(text, start)
            var hasSingle = false
            var cursor = trie.root
            var end = start
            walk: while end < size {
                let step = trie.step(&cursor, text[end])
                end += 1
                switch step {
                case .none: break walk
                case .inner: continue walk
                case .key(let id):
                    let length = end - start
                    let candidate = rounded(score(id, length: length) + scoreHere)
                    if best[end].start < 0 || candidate > best[end].score {
                        best[end] = BestPath(
                            score: candidate, start: Int32(truncatingIfNeeded: start), id: TokenID(id))
                    }
                    if length == characterLength { hasSingle = true }
                }
            }
            if !hasSingle {
                let end = start + characterLength
                let candidate = rounded(unknownScore + scoreHere)
                if best[end].start < 0 || candidate > best[end].score {
                    best[end] = BestPath(
                        score: candidate, start: Int32(truncatingIfNeeded: start), id: unknownID)
                }
            }
            start += characterLength
        }
    }
}
