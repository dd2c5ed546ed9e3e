#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The agreement of translations with references in sequences of one to four tokens, from 0 to 100.
///
/// `BLEU = BP · exp(¼ · Σₙ ln pₙ)`, where `pₙ` is the share of the hypothesis' n-grams that stand in the reference and
/// `BP = exp(1 − r/h)` where the hypotheses' length `h` is below the references' `r`, else 1. A `pₙ` without a match
/// becomes `100 / (2ᵏ · totalₙ)` for the k-th such n.
///
/// The same number as sacreBLEU gives by default (`case:mixed eff:no tok:13a smooth:exp`). Sources: Papineni et al.
/// 2002; Post 2018; Chen and Cherry 2014, method 3.
public struct BLEU: Sendable, Equatable {
    /// The score.
    public let score: Double
    /// The precision of each order, in per cent.
    public let precisions: [Double]
    /// The factor for hypotheses that are too short.
    public let brevityPenalty: Double
    /// The number of tokens in the hypotheses.
    public let hypothesisLength: Int
    /// The number of tokens in the references, of several the nearest in length.
    public let referenceLength: Int

    /// Scores segments against references; `references[r][i]` is reading `r` of segment `i`.
    ///
    /// - `isSentence`: leave out orders that the text is too short for, as sacreBLEU does for single sentences.
    /// - Precondition: every reading has as many segments as there are hypotheses; where one is shorter, the segments
    ///   beyond it are scored without it.
    /// Cost: linear in the number of tokens.
    public init(hypotheses: [String], references: [[String]], isSentence: Bool = false) {
        var counts = Counts()
        for (index, hypothesis) in hypotheses.enumerated() {
            let readings = references.compactMap { index < $0.count ? $0[index] : nil }
            counts.add(hypothesis, readings)
        }
        self.init(counts, isSentence: isSentence)
    }

    private static let orders = 4

    private init(_ counts: Counts, isSentence: Bool) {
        let (h, r) = (counts.hypothesisLength, counts.referenceLength)
        hypothesisLength = h
        referenceLength = r
        brevityPenalty = h >= r ? 1 : h > 0 ? exp(1 - Double(r) / Double(h)) : 0
        var precisions = [Double](repeating: 0, count: BLEU.orders)
        guard counts.matches.contains(where: { $0 > 0 }) else {
            self.precisions = precisions
            score = 0
            return
        }
        var smoothing = 1.0
        var effectiveOrders = BLEU.orders
        for n in 0..<BLEU.orders {
            if counts.totals[n] == 0 { break }
            if isSentence { effectiveOrders = n + 1 }
            if counts.matches[n] == 0 {
                smoothing *= 2
                precisions[n] = 100 / (smoothing * Double(counts.totals[n]))
            } else {
                precisions[n] = 100 * Double(counts.matches[n]) / Double(counts.totals[n])
            }
        }
        self.precisions = precisions
        // An order that no hypothesis is long enough for has precision 0 and makes the whole score 0.
        let logarithms = precisions[..<effectiveOrders].map { $0 == 0 ? -9_999_999_999 : log($0) }
        score = brevityPenalty * exp(logarithms.reduce(0, +) / Double(effectiveOrders))
    }

    /// What BLEU is computed from, added up over segments.
    private struct Counts {
        var matches = [Int](repeating: 0, count: BLEU.orders)
        var totals = [Int](repeating: 0, count: BLEU.orders)
        var hypothesisLength = 0
        var referenceLength = 0
        private var ids: [[UInt32]: Int32] = [:]

        mutating func add(_ hypothesis: String, _ references: [String]) {
            let tokens = intern(Tokenization13a.tokens(hypothesis))
            let readings = references.map { intern(Tokenization13a.tokens($0)) }
            hypothesisLength += tokens.count
            referenceLength +=
                readings.map(\.count).min { left, right in
                    (abs(left - tokens.count), left) < (abs(right - tokens.count), right)
                } ?? 0
            for n in 0..<BLEU.orders {
                let own = Counts.ngrams(tokens, n + 1)
                var allowed: [SIMD4<Int32>: Int] = [:]
                for reading in readings {
                    allowed.merge(Counts.ngrams(reading, n + 1), uniquingKeysWith: max)
                }
                for (ngram, count) in own {
                    totals[n] += count
                    matches[n] += min(count, allowed[ngram] ?? 0)
                }
            }
        }

        private mutating func intern(_ tokens: [ArraySlice<UInt32>]) -> [Int32] {
            tokens.map { token in
                let key = Array(token)
                if let id = ids[key] { return id }
                let id = Int32(truncatingIfNeeded: ids.count)
                ids[key] = id
                return id
            }
        }

        private static func ngrams(_ tokens: [Int32], _ order: Int) -> [SIMD4<Int32>: Int] {
            var result: [SIMD4<Int32>: Int] = [:]
            guard tokens.count >= order else { return result }
            for start in 0...tokens.count - order {
                var key = SIMD4<Int32>(repeating: -1)
                for offset in 0..<order { key[offset] = tokens[start + offset] }
                result[key, default: 0] += 1
            }
            return result
        }
    }
}
