import HeedSupport
import HeedTensor

/// How one head of one layer comes to its answer for one row, step by step: scores, scale, offsets, mask, softmax,
/// weighted sum.
///
/// The weights are those of the fast path, computed from its saved normaliser; the weighted sum is computed again from
/// them, and `difference` says how far it is from what the fast path answered.
public struct AttentionSteps: Sendable {
    /// The layer's path.
    public let path: String
    /// The head, from 0.
    public let head: Int
    /// The row that reads, from 0.
    public let row: Int
    /// q [width].
    public let query: [Float]
    /// q · k for every key.
    public let products: [Float]
    /// s · q · k, bent where the model bends scores.
    public let scaled: [Float]
    /// What is added for the distance, where the model adds something.
    public let offsets: [Float]
    /// Whether the row may see the key.
    public let isVisible: [Bool]
    /// The weights: softmax over what is visible.
    public let weights: [Float]
    /// Σ weight · v [width], and what the fast path has there.
    public let answer, fastAnswer: [Float]

    /// The largest difference between the two answers.
    public var difference: Float { zip(answer, fastAnswer).map { abs($0 - $1) }.max() ?? 0 }
    /// The largest difference between the weights and the softmax of the scores shown here.
    public let weightDifference: Float
}

extension Explanation {
    /// How many kinds of attention the model has, by name (`attentions`, …).
    public var attentionNames: [String] { whole.places.attentionNames }

    /// The steps of one head; nil where there is no such layer, head or row.
    ///
    /// Cost: 4 · keys · width operations.
    /// - Throws: `HeedError` when the table of offsets cannot be read.
    public func attentionSteps(_ name: String, layer: Int, head: Int, row: Int) throws -> AttentionSteps? {
        let places = whole.places
        guard let found = places.attentions.first(where: { $0.name == name && $0.layer == layer }),
            let steps = try HeadReader(whole, found)?.steps(head: head, row: row)
        else { return nil }
        return steps
    }

    /// The largest difference between Σ weight · v and the fast path's answer, over all layers and heads and `rows` rows
    /// spread over each sequence.
    public func largestAttentionDifference(rows: Int = 8) -> Float {
        whole.places.attentions.reduce(0) { worst, attention in
            guard let reader = HeadReader(whole, attention) else { return worst }
            let count = reader.queries.rows
            let step = max(1, count / max(rows, 1))
            return stride(from: count - 1, through: 0, by: -step).reduce(worst) { worst, row in
                (0..<attention.operation.shape.heads).reduce(worst) { max($0, reader.difference(head: $1, row: row)) }
            }
        }
    }
}

/// Queries, keys, values, weights and answers of one layer's attention.
private struct HeadReader {
    let whole: WholePass
    let attention: Places.Attention
    let queries, keys, answers, weights: PassValues
    let keyColumn: Int
    let keyCount: Int
    var shape: AttentionShape { attention.operation.shape }

    init?(_ whole: WholePass, _ attention: Places.Attention) {
        let inputs = whole.places.nodes[attention.place].inputs.compactMap { whole.places.maker[$0] }
        guard let first = inputs.first, let last = inputs.last, let queries = whole.values(first),
            let keys = whole.values(last), let answers = whole.values(attention.place),
            let weights = whole.weights(attention)
        else { return nil }
        (self.whole, self.attention) = (whole, attention)
        (self.queries, self.keys, self.answers, self.weights) = (queries, keys, answers, weights)
        keyColumn = inputs.count > 1 ? 0 : attention.operation.shape.queryColumns
        keyCount = keys.rows
    }

    private func keyHead(_ head: Int) -> Int { head / max(shape.heads / max(shape.keyHeads, 1), 1) }

    private func answer(_ head: Int, _ weights: [Float]) -> [Float] {
        let column = keyColumn + shape.keyColumns + keyHead(head) * shape.width
        var sum = [Double](repeating: 0, count: shape.width)
        for (key, weight) in weights.enumerated() where weight != 0 {
            keys.withRow(key) { row in
                for index in 0..<shape.width { sum[index] += Double(weight) * Double(row[column + index]) }
            }
        }
        return sum.map { Float($0) }
    }

    private func rowWeights(_ head: Int, _ row: Int) -> [Float] {
        weights.withRow(row) { numbers in (0..<keyCount).map { numbers[head * whole.stride + $0] } }
    }

    private func fastAnswer(_ head: Int, _ row: Int) -> [Float] {
        answers.withRow(row) { Array($0[head * shape.width..<(head + 1) * shape.width]) }
    }

    func difference(head: Int, row: Int) -> Float {
        zip(answer(head, rowWeights(head, row)), fastAnswer(head, row)).map { abs($0 - $1) }.max() ?? 0
    }

    func steps(head: Int, row: Int) throws -> AttentionSteps? {
        guard (0..<shape.heads).contains(head), (0..<queries.rows).contains(row) else { return nil }
        let query = queries.withRow(row) { Array($0[head * shape.width..<(head + 1) * shape.width]) }
        let column = keyColumn + keyHead(head) * shape.width
        let products = (0..<keyCount).map { key in
            keys.withRow(key) { numbers in
                Float(query.indices.reduce(0.0) { $0 + Double(query[$1]) * Double(numbers[column + $1]) })
            }
        }
        let scaled = products.map { product -> Float in
            let score = Double(shape.scale) * Double(product)
            guard let cap = shape.cap.map({ Double($0) }) else { return Float(score) }
            let power = ExactMathematics.exp(2 * min(max(score / cap, -20), 20))
            return Float(cap * (power - 1) / (power + 1))
        }
        let table = try attention.operation.bias.map { try whole.subject.model.weights.rows($0.table) }
        let offsets = (0..<keyCount).map { key -> Float in
            if let bias = attention.operation.bias, let table {
                let buckets = bias.table.shape.first ?? 1
                return table[bias.bucket(distance: key - row, buckets: buckets) * shape.heads + head]
            }
            return shape.slopes.isEmpty ? 0 : shape.slopes[head] * Float(key - row)
        }
        let isVisible = (0..<keyCount).map { key -> Bool in
            if shape.causal, key > row { return false }
            guard let window = shape.window else { return true }
            return key >= row - window.before && (shape.causal || key <= row + window.after)
        }
        let weights = rowWeights(head, row)
        let scores = (0..<keyCount).filter { isVisible[$0] }.map { scaled[$0] + offsets[$0] }
        let expected = scores.isEmpty ? [] : try softmax(scores)
        let off = zip((0..<keyCount).filter { isVisible[$0] }.map { weights[$0] }, expected).map {
            abs($0 - Float($1))
        }
        return AttentionSteps(
            path: whole.places.nodes[attention.place].path, head: head, row: row, query: query, products: products,
            scaled: scaled, offsets: offsets, isVisible: isVisible, weights: weights, answer: answer(head, weights),
            fastAnswer: fastAnswer(head, row), weightDifference: off.max() ?? 0)
    }
}

extension RelativeBias {
    /// The bucket of a key `distance` rows after the query (Raffel et al. 2020): one for each small distance, then ever
    /// wider ones up to the largest.
    func bucket(distance: Int, buckets: Int) -> Int {
        var (count, first, reach) = (buckets, 0, -distance)
        if bidirectional {
            count /= 2
            if distance > 0 { first = count }
            reach = abs(distance)
        } else {
            reach = max(reach, 0)
        }
        let exact = count / 2
        if reach < exact { return first + reach }
        guard exact > 0, maximumDistance > exact else { return first + max(count - 1, 0) }
        let share =
            ExactMathematics.log(Double(reach) / Double(exact))
            / ExactMathematics.log(Double(maximumDistance) / Double(exact))
        return first + min(exact + Int(share * Double(count - exact)), count - 1)
    }
}
