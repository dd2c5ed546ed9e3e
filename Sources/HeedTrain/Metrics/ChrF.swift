/// The agreement of translations with references in sequences of one to six characters, from 0 to 100.
///
/// `chrF2 = 5 · P · R / (4 · P + R)`, where P and R are the means over the orders of precision and recall. White space
/// does not count. The same number as sacreBLEU's chrF gives by default (`case:mixed nc:6 nw:0 space:no`).
/// Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation".
public struct ChrF: Sendable, Equatable {
    /// The score.
    public let score: Double

    private static let orders = 6
    private static let betaSquared = 4.0

    /// Scores segments against references; `references[r][i]` is reading `r` of segment `i`, of which the best counts.
    ///
    /// Cost: linear in the number of characters.
    public init(hypotheses: [String], references: [[String]]) {
        var sum = [Statistics](repeating: Statistics(), count: ChrF.orders)
        for (index, hypothesis) in hypotheses.enumerated() {
            let own = ChrF.ngrams(hypothesis)
            var best: (score: Double, statistics: [Statistics])?
            for reading in references where index < reading.count {
                let statistics = zip(own, ChrF.ngrams(reading[index])).map(Statistics.init)
                let score = ChrF.score(statistics)
                if score > best?.score ?? -1 { best = (score, statistics) }
            }
            guard let best else { continue }
            for order in 0..<ChrF.orders { sum[order].add(best.statistics[order]) }
        }
        score = ChrF.score(sum)
    }

    /// What one order contributes.
    private struct Statistics {
        var hypothesis = 0
        var reference = 0
        var matches = 0

        init() {}

        init(_ own: [NGram: Int], _ other: [NGram: Int]) {
            for (ngram, count) in own {
                hypothesis += count
                matches += min(count, other[ngram] ?? 0)
            }
            reference = other.values.reduce(0, +)
            // Without reference n-grams there is nothing that the hypothesis could have met.
            if other.isEmpty { hypothesis = 0 }
        }

        mutating func add(_ other: Statistics) {
            hypothesis += other.hypothesis
            reference += other.reference
            matches += other.matches
        }
    }

    /// Up to six scalars of 21 bits and the number of them.
    private struct NGram: Hashable {
        var low: UInt64 = 0
        var high: UInt64 = 0

        init(_ scalars: ArraySlice<UInt32>) {
            for (offset, scalar) in scalars.enumerated() {
                if offset < 3 { low = low << 21 | UInt64(scalar) } else { high = high << 21 | UInt64(scalar) }
            }
        }
    }

    private static func ngrams(_ text: String) -> [[NGram: Int]] {
        let scalars = text.unicodeScalars.map(\.value).filter { !PythonText.isSpace($0) }
        return (1...orders).map { order in
            var counts: [NGram: Int] = [:]
            guard scalars.count >= order else { return counts }
            for start in 0...scalars.count - order {
                counts[NGram(scalars[start..<start + order]), default: 0] += 1
            }
            return counts
        }
    }

    private static func score(_ statistics: [Statistics]) -> Double {
        var (precision, recall, used) = (0.0, 0.0, 0.0)
        for order in statistics where order.hypothesis > 0 && order.reference > 0 {
            precision += Double(order.matches) / Double(order.hypothesis)
            recall += Double(order.matches) / Double(order.reference)
            used += 1
        }
        guard used > 0, precision + recall > 0 else { return 0 }
        precision /= used
        recall /= used
        return 100 * ((1 + betaSquared) * precision * recall / (betaSquared * precision + recall))
    }
}
