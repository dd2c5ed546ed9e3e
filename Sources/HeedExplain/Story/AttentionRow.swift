import HeedSupport
import HeedTensor

/// One head of one row of attention, in double precision: what the kernel computes without writing it down.
///
/// `scores → scaled → + offsets → mask → weights → answer`, and the way back from ∂answer.
struct AttentionRow {
    /// q · k for every key.
    let products: [Double]
    /// What is added for the distance.
    let offsets: [Double]
    /// Whether the row may see the key.
    let isVisible: [Bool]
    /// v [keys][width].
    let values: [[Double]]
    private let scale: Double
    private let cap: Double?

    init(
        shape: AttentionShape, row: Int, products: [Double], offsets: [Double], values: [[Double]]
    ) {
        (self.products, self.offsets, self.values) = (products, offsets, values)
        let visible = shape.visibleKeys(of: row, count: products.count)
        isVisible = products.indices.map { visible.contains($0) }
        scale = Double(shape.scale)
        cap = shape.cap.map { Double($0) }
    }

    /// s · q · k, bent where the model bends scores.
    func scaled(_ products: [Double]) -> [Double] {
        products.map { product in
            guard let cap else { return scale * product }
            return cap * AttentionRow.tanh(scale * product / cap)
        }
    }

    /// The scores that the softmax reads.
    func scores(_ scaled: [Double]) -> [Double] { zip(scaled, offsets).map { $0 + $1 } }

    /// softmax over what is visible; 0 elsewhere.
    func weights(_ scores: [Double]) -> [Double] {
        let largest = zip(scores, isVisible).reduce(-Double.infinity) { $1.1 ? max($0, $1.0) : $0 }
        let powers = zip(scores, isVisible).map { $1 ? ExactMathematics.exp($0 - largest) : 0 }
        let sum = powers.reduce(0, +)
        return sum > 0 ? powers.map { $0 / sum } : powers
    }

    /// Σ weight · v.
    func answer(_ weights: [Double]) -> [Double] {
        var sum = [Double](repeating: 0, count: values.first?.count ?? 0)
        for (weight, value) in zip(weights, values) where weight != 0 {
            for index in sum.indices { sum[index] += weight * value[index] }
        }
        return sum
    }

    /// The gradients by weights, by scores behind offsets, and by products, from that by the answer.
    func gradients(_ answer: [Double], weights: [Double]) -> (weights: [Double], scores: [Double], products: [Double]) {
        // What is not seen has no weight that could change.
        let byWeights = values.indices.map { key in
            isVisible[key] ? zip(values[key], answer).reduce(0) { $0 + $1.0 * $1.1 } : 0
        }
        let mean = zip(weights, byWeights).reduce(0) { $0 + $1.0 * $1.1 }
        let byScores = zip(weights, byWeights).map { $0 * ($1 - mean) }
        let byProducts = zip(byScores, products).map { gradient, product in
            guard let cap else { return scale * gradient }
            let bent = AttentionRow.tanh(scale * product / cap)
            return scale * gradient * (1 - bent * bent)
        }
        return (byWeights, byScores, byProducts)
    }

    private static func tanh(_ x: Double) -> Double {
        let power = ExactMathematics.exp(2 * min(max(x, -20), 20))
        return (power - 1) / (power + 1)
    }
}

extension AttentionShape {
    /// The keys that row `row` sees of `count`.
    func visibleKeys(of row: Int, count: Int) -> Range<Int> {
        let first = window.map { max(0, row - $0.before) } ?? 0
        let last = causal ? row : window.map { row + $0.after } ?? count - 1
        return first..<max(first, min(last + 1, count))
    }
}

/// Queries, keys, values, weights and answers of one layer's attention, as the pass has them.
struct AttentionReader {
    let operation: AttendOperation
    let queries, keys, answers, weights: PassValues
    /// Where keys begin in a row of `keys`.
    let keyColumn: Int
    /// The offsets of distances, where the model learns some.
    let table: UnsafeMutableBufferPointer<Float>?
    /// The room for keys in a row of weights.
    let stride: Int
    /// The rows of `keys` that are of the sequence, and its first query.
    let span: Range<Int>
    let firstQuery: Int
    /// The row whose steps are shown.
    let shownRow: Int
    /// Whether the pass has gone back.
    let hasGradient: Bool

    var shape: AttentionShape { operation.shape }

    /// The columns of head `head` in queries and answers.
    private func columns(_ head: Int) -> Range<Int> { head * shape.width..<(head + 1) * shape.width }

    private func keyHead(_ head: Int) -> Int { head / max(shape.heads / max(shape.keyHeads, 1), 1) }

    func query(_ head: Int, _ row: Int) -> [Float] { queries.withRow(row) { Array($0[columns(head)]) } }

    /// The kernel's weights and answer.
    func fastWeights(_ head: Int, _ row: Int) -> [Float] {
        weights.withRow(row) { numbers in (0..<span.count).map { numbers[head * stride + $0] } }
    }
    func fastAnswer(_ head: Int, _ row: Int) -> [Float] { answers.withRow(row) { Array($0[columns(head)]) } }
    /// The gradient by the answer; nil without a way back.
    func answerGradient(_ head: Int, _ row: Int) -> [Double]? {
        guard hasGradient else { return nil }
        return answers.gradient?.withRow(row) { $0[columns(head)].map { Double($0) } }
    }

    func values(_ head: Int) -> [[Double]] {
        let column = keyColumn + shape.keyColumns + keyHead(head) * shape.width
        return span.map { key in
            keys.withRow(key) { $0[column..<column + shape.width].map { Double($0) } }
        }
    }

    /// What one head computes for one row.
    func row(_ head: Int, _ row: Int) -> AttentionRow {
        let query = query(head, row).map { Double($0) }
        let column = keyColumn + keyHead(head) * shape.width
        let products = span.map { key in
            keys.withRow(key) { numbers in
                query.indices.reduce(0.0) { $0 + query[$1] * Double(numbers[column + $1]) }
            }
        }
        let place = row - firstQuery
        let offsets = (0..<span.count).map { key -> Double in
            if let bias = operation.bias, let table {
                let buckets = bias.table.shape.first ?? 1
                return Double(table[bias.bucket(distance: key - place, buckets: buckets) * shape.heads + head])
            }
            return shape.slopes.isEmpty ? 0 : Double(shape.slopes[head]) * Double(key - place)
        }
        return AttentionRow(shape: shape, row: place, products: products, offsets: offsets, values: values(head))
    }

    /// The largest difference between Σ weight · v and the kernel's answer.
    func difference(head: Int, row: Int) -> Float {
        let column = keyColumn + shape.keyColumns + keyHead(head) * shape.width
        var sum = [Double](repeating: 0, count: shape.width)
        for (key, weight) in fastWeights(head, row).enumerated() where weight != 0 {
            keys.withRow(span.lowerBound + key) { numbers in
                for index in 0..<shape.width { sum[index] += Double(weight) * Double(numbers[column + index]) }
            }
        }
        return zip(sum, fastAnswer(head, row)).map { abs(Float($0) - $1) }.max() ?? 0
    }
}

extension AttentionReader {
    /// The attention of a pass; of a source the last row, else the explained one.
    ///
    /// - Throws: `HeedError` when the table of offsets cannot be read.
    init?(_ whole: WholePass, _ attention: Places.Attention) throws {
        let inputs = whole.places.nodes[attention.place].inputs.compactMap { whole.places.maker[$0] }
        guard let first = inputs.first, let last = inputs.last, let queries = whole.values(first),
            let keys = whole.values(last), let answers = whole.values(attention.place),
            let weights = whole.weights(attention)
        else { return nil }
        let lastRow = queries.rows - 1
        self.init(
            operation: attention.operation, queries: queries, keys: keys, answers: answers, weights: weights,
            keyColumn: inputs.count > 1 ? 0 : attention.operation.shape.queryColumns,
            table: try attention.operation.bias.map { try whole.subject.model.weights.rows($0.table) },
            stride: whole.stride, span: 0..<keys.rows, firstQuery: 0,
            shownRow: attention.name.hasPrefix("encoder_") ? lastRow : min(whole.subject.position, lastRow),
            hasGradient: whole.target != nil)
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
