import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// Ids of texts → the probabilities of their classes, by an encoder with a classifier.
///
/// A text's probabilities have the same bits whatever its company. Cost: one forward pass over the tokens.
package final class SequenceClassifier {
    /// The number of classes.
    package let labels: Int
    /// The most tokens of a text.
    package let longest: Int
    private let configuration: EncoderConfiguration
    private let batch: TokenBatch
    private let pass: Pass<KeptTensor>

    /// Prepares passes over texts of at most `longest` tokens.
    ///
    /// - Throws: `HeedError` when the model classifies no sequences or memory is refused.
    package init(
        _ model: Model, longest: Int? = nil, batchTokens: Int = 2048,
        runtime: Runtime
    ) throws {
        let encoder = try model.encoder
        configuration = encoder.configuration
        guard case .sequenceClassifier(let labels) = configuration.head else {
            throw HeedError(
                .unsupported, "the model has no classifier of texts",
                expected: "BertForSequenceClassification or RobertaForSequenceClassification in config.json",
                advice: "Train one on texts with a class each")
        }
        self.labels = labels
        self.longest = max(1, min(longest ?? configuration.context, configuration.context))
        let capacity = max(batchTokens, self.longest)
        let batch = TokenBatch(rowCapacity: capacity, sequenceCapacity: capacity)
        self.batch = batch
        pass = try runtime.pass(
            model.weights, for: .inference, maximumLength: self.longest
        ) { trace in
            let states = encoder(batch, in: trace)
            return (encoder.classLogits(states, batch) ?? states).kept()
        }
    }

    /// The probabilities [texts, labels], softmax in double precision.
    ///
    /// - Parameters:
    ///   - texts: ids of each text, or pair of texts.
    ///   - types: which of the two texts each id belongs to; counted only where the model knows kinds of tokens.
    /// - Throws: `HeedError` naming the text that is empty or too long, or holds an id out of range.
    package func probabilities(_ texts: [[Int32]], types: [[Int32]]? = nil) throws -> [[Double]] {
        for (index, ids) in texts.enumerated() {
            guard (1...longest).contains(ids.count) else {
                throw HeedError(
                    .badInput, "text \(index + 1) has no usable length", expected: "1 to \(longest) tokens",
                    got: "\(ids.count)")
            }
            if let id = ids.first(where: { $0 < 0 || $0 >= configuration.vocabulary }) {
                throw HeedError(
                    .badInput, "text \(index + 1) has an id out of range",
                    expected: "0 ..< \(configuration.vocabulary)", got: "\(id)")
            }
        }
        var result: [[Double]] = []
        result.reserveCapacity(texts.count)
        while result.count < texts.count {
            batch.clear()
            var next = result.count
            while next < texts.count, batch.rows.current + texts[next].count <= batch.rows.capacity {
                let first = batch.rows.current
                try batch.append(texts[next])
                if let types = types?[next] {
                    for (index, type) in types.prefix(texts[next].count).enumerated() {
                        batch.types[first + index] = max(0, min(type, Int32(configuration.types - 1)))
                    }
                }
                next += 1
            }
            pass.forward()
            let logits = pass[pass.outputs]
            for sequence in 0..<(next - result.count) { result.append(try logits.withRow(sequence, softmax)) }
        }
        return result
    }
}
