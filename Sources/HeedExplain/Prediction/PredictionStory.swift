import HeedLayers
import HeedModels
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
        let vocabulary = configuration.vocabulary
        func distribution(_ name: String) -> [Double] {
            guard let logits = forward.observation(name) else { return [] }
            return PredictionStory.softmax(UnsafeBufferPointer(start: logits.values, count: vocabulary))
        }
        let final = distribution("lens.\(configuration.layers)")
        let ranked = final.indices.sorted { final[$0] != final[$1] ? final[$0] > final[$1] : $0 < $1 }
        let answer = ranked.first ?? 0
        candidates = ranked.prefix(count).map { Candidate(id: $0, probability: final[$0]) }
        lenses = (0...configuration.layers).map { layer in
            let probabilities = distribution("lens.\(layer)")
            let best = probabilities.indices.max { probabilities[$0] < probabilities[$1] } ?? 0
            return Lens(
                layer: layer, best: Candidate(id: best, probability: probabilities[best]),
                probabilityOfAnswer: probabilities[answer])
        }
        attention = (0..<configuration.layers).map { layer in
            guard let weights = forward.observation("attentions.\(layer)") else { return [] }
            let keys = weights.columns / configuration.heads
            let last = weights.values + (ids.count - 1) * weights.columns
            return (0..<configuration.heads).map { head in
                (0..<ids.count).map { last[head * keys + $0] }
            }
        }
        let backward = try PredictionStory.pass(model, decoder, ids, answer: answer, runtime: runtime)
        influence = (0..<ids.count).map { row in
            guard let stream = backward.observation("hidden_states.0"), let gradient = stream.gradient else { return 0 }
            // The gradient is that of the loss, −log p.
            return (0..<stream.columns).reduce(0.0) {
                $0 - Double(stream.values[row * stream.columns + $1]) * Double(gradient[row * stream.columns + $1])
            }
        }
    }

    private static func pass(
        _ model: Model, _ decoder: Decoder, _ ids: [Int], answer: Int?, runtime: Runtime
    ) throws -> Plan {
        let batch = TokenBatch(rowCapacity: ids.count, sequenceCapacity: 1)
        try batch.append(ids.map { Int32($0) }, lastOnly: true)
        let trace = Trace(
            for: answer == nil ? .inference : .training, maximumLength: ids.count,
            keepsAttentionWeights: answer == nil)
        let states = decoder(batch, in: trace, observing: true)
        if let answer {
            batch.targets[ids.count - 1] = Int32(answer)
            _ = decoder.loss(states, targets: batch)
            trace.lossScale.value = 1
        } else {
            for layer in 0...decoder.configuration.layers {
                // The last state has been through the norm already.
                guard let state = trace.observedTensor("hidden_states.\(layer)") else { continue }
                let row = state.outputs(of: batch)
                let normed = layer == decoder.configuration.layers ? row : decoder.stack.normed(row)
                decoder.logits(normed).observed(as: "lens.\(layer)")
            }
        }
        let plan = try Plan(
            trace, parameters: model.parameters,
            gradients: answer == nil ? nil : ParameterBuffer(model.parameters.layout),
            packed: answer == nil ? PackedWeights(model.parameters, kernels: runtime.kernels) : nil,
            kernels: runtime.kernels, team: runtime.team)
        plan.forward()
        if answer != nil { plan.backward() }
        return plan
    }

    static func softmax(_ logits: UnsafeBufferPointer<Float>) -> [Double] {
        let top = Double(logits.max() ?? 0)
        let exponentials = logits.map { ExactMathematics.exp(Double($0) - top) }
        let sum = exponentials.reduce(0, +)
        return exponentials.map { $0 / sum }
    }
}
