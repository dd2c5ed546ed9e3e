import HeedLayers
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// Why a decoder expects what it expects after a prompt, in numbers of the pass itself.
///
/// Attention weights and gradients are views of a computation, not a reason for it: they say what was read and what
/// the answer is sensitive to.
public struct PredictionStory: Sendable {
    /// A token that may come next.
    public struct Candidate: Sendable, Equatable {
        /// The id of a token.
        public let id: Int
        /// Its probability, from 0 to 1.
        public let probability: Double
    }

    /// What the model would have said after `layer` blocks: the stream through the last norm and the output matrix.
    public struct Lens: Sendable, Equatable {
        /// How many blocks the stream has passed.
        public let layer: Int
        /// The token that the stream, read out there, makes most likely.
        public let best: Candidate
        /// The probability, at this depth, of the final answer.
        public let probabilityOfAnswer: Double
    }

    /// The prompt.
    public let ids: [Int]
    /// The likeliest next tokens, best first.
    public let candidates: [Candidate]
    /// One entry per depth, from the embedding (0) to the last block.
    public let lenses: [Lens]
    /// attention[layer][head][key]: what the last position read.
    public let attention: [[[Float]]]
    /// Gradient of log p(answer) times input, summed over channels, by token: how much each token argues for the answer.
    public let influence: [Double]

    /// Runs `ids` through `model`, forward and backward.
    ///
    /// - Throws: `HeedError` when the model is no decoder, the prompt is empty or longer than the context.
    /// Cost: one training pass, and one output matrix per layer.
    public init(_ model: Model, ids: [Int], candidates count: Int = 5, runtime: Runtime) throws {
        let decoder = try model.decoder.withoutDropout()
        let configuration = decoder.configuration
        guard !ids.isEmpty, ids.count <= configuration.context else {
            throw HeedError(
                .badInput, "the prompt cannot be explained", expected: "1 to \(configuration.context) tokens",
                got: "\(ids.count)")
        }
        if let wrong = ids.first(where: { $0 < 0 || $0 >= configuration.vocabulary }) {
            throw HeedError(
                .badInput, "the prompt holds an id outside the vocabulary",
                expected: "0 ..< \(configuration.vocabulary)", got: "\(wrong)")
        }
        self.ids = ids
        let forward = try PredictionStory.pass(model, decoder, ids, answer: nil, runtime: runtime)
        func distribution(_ name: String) throws -> [Double] {
            try forward.observation(name)?.withRow(0, softmax) ?? []
        }
        let final = try distribution("lens.\(configuration.layers)")
        let ranked = final.indices.sorted { final[$0] != final[$1] ? final[$0] > final[$1] : $0 < $1 }
        let answer = ranked.first ?? 0
        candidates = ranked.prefix(count).map { Candidate(id: $0, probability: final[$0]) }
        lenses = try (0...configuration.layers).map { layer in
            let probabilities = try distribution("lens.\(layer)")
            let best = probabilities.indices.max { probabilities[$0] < probabilities[$1] } ?? 0
            return Lens(
                layer: layer, best: Candidate(id: best, probability: probabilities[best]),
                probabilityOfAnswer: probabilities[answer])
        }
        attention = (0..<configuration.layers).map { layer in
            guard let weights = forward.observation("attentions.\(layer)") else { return [] }
            let keys = weights.columns / configuration.heads
            return weights.withRow(ids.count - 1) { last in
                (0..<configuration.heads).map { head in (0..<ids.count).map { last[head * keys + $0] } }
            }
        }
        let backward = try PredictionStory.pass(model, decoder, ids, answer: answer, runtime: runtime)
        influence = (0..<ids.count).map { row in
            guard let stream = backward.observation("hidden_states.0"), let gradient = stream.gradient else { return 0 }
            // The gradient is that of the loss, −log p.
            return (0..<stream.columns).reduce(0.0) { $0 - Double(stream[row, $1]) * Double(gradient[row, $1]) }
        }
    }

    private static func pass(
        _ model: Model, _ decoder: TransformerDecoder, _ ids: [Int], answer: Int?, runtime: Runtime
    ) throws -> Pass<Void> {
        let batch = TokenBatch(rowCapacity: ids.count, sequenceCapacity: 1)
        try batch.append(ids.map { Int32($0) }, lastOnly: true)
        if let answer { batch.targets[ids.count - 1] = Int32(answer) }
        let pass = try runtime.pass(
            model.weights, for: answer == nil ? .inference : .training, maximumLength: ids.count,
            keepsAttentionWeights: answer == nil
        ) { trace in
            let states = decoder(batch, in: trace, observing: true)
            guard answer == nil else {
                _ = decoder.loss(states, targets: batch)
                return
            }
            for layer in 0...decoder.configuration.layers {
                // The last state has been through the norm already.
                guard let state = trace.observedTensor("hidden_states.\(layer)") else { continue }
                let row = state.outputs(of: batch)
                let normed = layer == decoder.configuration.layers ? row : decoder.stack.normed(row)
                decoder.logits(normed).observed(as: "lens.\(layer)")
            }
        }
        pass.forward()
        if answer != nil { pass.backward() }
        return pass
    }
}
