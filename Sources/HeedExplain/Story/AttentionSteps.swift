import HeedProcessor
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

    /// The gradients of the target's logit by products, by scores with their offsets, and by weights; empty without a
    /// target.
    public let productGradients, scoreGradients, weightGradients: [Float]

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
        guard let found = whole.places.attentions.first(where: { $0.name == name && $0.layer == layer }),
            let reader = try AttentionReader(whole, found), (0..<reader.shape.heads).contains(head),
            (0..<reader.queries.rows).contains(row)
        else { return nil }
        let own = reader.row(head, row)
        let weights = reader.fastWeights(head, row)
        let scaled = own.scaled(own.products)
        let expected = own.weights(own.scores(scaled))
        let gradients = reader.answerGradient(head, row).map {
            own.gradients($0, weights: weights.map { Double($0) })
        }
        func floats(_ values: [Double]?) -> [Float] { (values ?? []).map { Float($0) } }
        return AttentionSteps(
            path: whole.places.nodes[found.place].path, head: head, row: row, query: reader.query(head, row),
            products: floats(own.products), scaled: floats(scaled), offsets: floats(own.offsets),
            isVisible: own.isVisible, weights: weights, answer: floats(own.answer(weights.map { Double($0) })),
            fastAnswer: reader.fastAnswer(head, row), productGradients: floats(gradients?.products),
            scoreGradients: floats(gradients?.scores), weightGradients: floats(gradients?.weights),
            weightDifference: zip(weights, expected).map { abs($0 - Float($1)) }.max() ?? 0)
    }

    /// The largest difference between Σ weight · v and the fast path's answer, over all layers and heads and `rows` rows
    /// spread over each sequence.
    public func largestAttentionDifference(rows: Int = 8) throws -> Float {
        let attentions = whole.places.attentions
        return try whole.subject.runtime.team.map(
            attentions.count,
            throwing: { index -> Float in
                guard let reader = try AttentionReader(whole, attentions[index]) else { return 0 }
                let count = reader.queries.rows
                let step = max(1, count / max(rows, 1))
                return stride(from: count - 1, through: 0, by: -step).reduce(0) { worst, row in
                    (0..<reader.shape.heads).reduce(worst) { max($0, reader.difference(head: $1, row: row)) }
                }
            }
        ).max() ?? 0
    }
}
