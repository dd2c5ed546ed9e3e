import Heed

/// Scores ids by rows of logits, each row by itself, so that the result does not depend on who does which.
final class LogProbabilityWork: TeamWork {
    struct Row {
        let logits: UnsafeBufferPointer<Float>
        let id: Int32
        let top: Int
        var result: ScoredToken?
    }

    var rows: [Row] = []
    /// The rows while threads work at them: each writes its own, and none touches the array itself.
    private var shared = UnsafeMutableBufferPointer<Row>(start: nil, count: 0)

    /// Fills in the results of all rows.
    func score(with model: DecodingModel) {
        rows.withUnsafeMutableBufferPointer { rows in
            shared = rows
            model.share(self)
            shared = UnsafeMutableBufferPointer(start: nil, count: 0)
        }
    }

    func run(part: Int, of parts: Int) {
        for place in stride(from: part, to: shared.count, by: parts) {
            shared[place].result = LogProbabilityWork.score(shared[place])
        }
    }

    /// log softmax in double precision, in the order of the ids.
    private static func score(_ row: Row) -> ScoredToken {
        let logits = row.logits
        var largest = -Float.infinity
        for logit in logits where logit > largest { largest = logit }
        var sum = 0.0
        for logit in logits { sum += ExactMathematics.exp(Double(logit - largest)) }
        let normaliser = Double(largest) + ExactMathematics.log(sum)
        var top: [Int] = []
        if row.top > 0 {
            top.reserveCapacity(row.top + 1)
            for (id, logit) in logits.enumerated() {
                if top.count == row.top, let last = top.last, logit <= logits[last] { continue }
                let place = top.firstIndex { logits[$0] < logit } ?? top.count
                top.insert(id, at: place)
                if top.count > row.top { top.removeLast() }
            }
        }
        return ScoredToken(
            id: row.id, logProbability: Double(logits[Int(row.id)]) - normaliser,
            top: top.map { .init(id: Int32($0), logProbability: Double(logits[$0]) - normaliser) })
    }
}
