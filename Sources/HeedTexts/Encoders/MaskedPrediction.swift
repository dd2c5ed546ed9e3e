import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// What an encoder expects at masked places: the masked-language head of BERT and RoBERTa (Devlin et al. 2019, task 1).
package struct MaskedPrediction: Sendable {
    /// An id with its probability.
    package struct Guess: Sendable, Equatable {
        /// The id of a token.
        package let id: Int32
        /// Its probability, from 0 to 1.
        package let probability: Double
    }

    /// The index of the masked id.
    package let place: Int
    /// The likeliest ids, likeliest first; the lowest id of equals first.
    package let guesses: [Guess]

    /// Predicts the ids at every place of `mask` in `ids`, the `count` likeliest each.
    ///
    /// Cost: one forward pass, with the output matrix for the masked places only.
    /// - Throws: `HeedError` when the model predicts no ids, or nothing is masked.
    package static func predict(
        _ model: Model, ids: [Int32], mask: Int32, count: Int, runtime: Runtime
    ) throws -> [MaskedPrediction] {
        let encoder = try model.encoder
        let configuration = encoder.configuration
        guard configuration.predictsIds else {
            throw HeedError(
                .unsupported, "the model has no masked-language head",
                expected: "BertForMaskedLM, BertForPreTraining or RobertaForMaskedLM in config.json")
        }
        let places = ids.indices.filter { ids[$0] == mask }
        guard !places.isEmpty, ids.count <= configuration.context else {
            throw HeedError(
                .badInput, places.isEmpty ? "nothing is masked" : "the text is longer than the model's context",
                expected: places.isEmpty ? "the mask token in the text" : "at most \(configuration.context) tokens",
                got: places.isEmpty ? nil : "\(ids.count)")
        }
        if let id = ids.first(where: { $0 < 0 || $0 >= configuration.vocabulary }) {
            throw HeedError(
                .badInput, "an id is not in the vocabulary", expected: "ids from 0 to \(configuration.vocabulary - 1)",
                got: "\(id)")
        }
        let batch = TokenBatch(rowCapacity: ids.count, sequenceCapacity: 1)
        try batch.append(ids)
        for (index, place) in places.enumerated() { batch.outputRows[index] = Int32(place) }
        batch.outputs.current = places.count
        let pass = try runtime.pass(model.weights, for: .inference, maximumLength: ids.count) { trace in
            let states = encoder(batch, in: trace).outputs(of: batch)
            return (encoder.predictionLogits(states) ?? states).kept()
        }
        pass.forward()
        return try places.enumerated().map { index, place in
            let probabilities = try pass[pass.outputs].withRow(index, softmax)
            let order = probabilities.indices.sorted { left, right in
                probabilities[left] != probabilities[right]
                    ? probabilities[left] > probabilities[right] : left < right
            }
            return MaskedPrediction(
                place: place,
                guesses: order.prefix(max(count, 0)).map { Guess(id: Int32($0), probability: probabilities[$0]) })
        }
    }
}
