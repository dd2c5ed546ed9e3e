#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The worked example "The cat sleeps": three tokens, one attention head, a feed-forward layer and a yes-or-no
/// question per token, forward and backward in numbers that fit a page.
public struct CatSleeps: Sendable, Equatable {
    /// The numbers that the example starts from; `X` counts among them because its gradient is asked for too.
    public struct Parameters: NamedParameters, Sendable, Equatable {
        /// The embeddings `X [n, d]`, one row per token.
        public var X: Matrix
        /// The projection to queries, `W_Q [d, dₖ]`.
        public var query: Matrix
        /// The projection to keys, `W_K [d, dₖ]`.
        public var key: Matrix
        /// The projection to values, `W_V [d, dᵥ]`.
        public var value: Matrix
        /// The first feed-forward matrix, `W_FFN1 [dᵥ, m]`.
        public var feedForward1: Matrix
        /// The second feed-forward matrix, `W_FFN2 [m, 1]`.
        public var feedForward2: Matrix

        /// The matrices of the example.
        public init(
            X: Matrix, query: Matrix, key: Matrix, value: Matrix, feedForward1: Matrix, feedForward2: Matrix
        ) {
            self.X = X
            self.query = query
            self.key = key
            self.value = value
            self.feedForward1 = feedForward1
            self.feedForward2 = feedForward2
        }

        /// The matrices by the names of the document.
        public static var fields: [(name: String, path: WritableKeyPath<Parameters, Matrix>)] {
            [
                ("W_Q", \.query), ("W_K", \.key), ("W_V", \.value), ("W_FFN1", \.feedForward1),
                ("W_FFN2", \.feedForward2), ("X", \.X),
            ]
        }
    }

    /// How the losses of the tokens become one number.
    public enum Reduction: Sendable { case mean, sum }

    /// What the forward pass computes, in its order.
    public struct Values: Sendable, Equatable {
        /// Queries, keys and values, one row per token.
        public var Q, K, V: Matrix
        /// Scores and weights `[n, n]`, and the weighted sums of values `[n, dᵥ]`.
        public var scores, weights, attention: Matrix
        /// The feed-forward layer before and after its ReLU `[n, m]`, logits and probabilities `[n, 1]`.
        public var preActivation, hidden, logits, predictions: Matrix
        /// The loss of each token `[n, 1]`.
        public var losses: Matrix

        /// The mean of the tokens' losses.
        public var meanLoss: Double { sumLoss / Double(losses.rows) }
        /// The sum of the tokens' losses.
        public var sumLoss: Double { losses.values.reduce(0, +) }
    }

    /// What the backward pass computes: the gradient of the loss for every value and parameter.
    public struct Gradients: Sendable, Equatable {
        /// For queries, keys and values.
        public var Q, K, V: Matrix
        /// For scores, weights and their answers.
        public var scores, weights, attention: Matrix
        /// For the feed-forward layer and the logits.
        public var preActivation, hidden, logits: Matrix
        /// For everything that the example starts from.
        public var parameters: Parameters
    }

    /// The numbers that the example starts from.
    public var parameters: Parameters
    /// The answers: 1 or 0 for each token.
    public var labels: [Double]

    /// An example with other numbers.
    public init(parameters: Parameters, labels: [Double]) {
        self.parameters = parameters
        self.labels = labels
    }

    /// Computes every value of the forward pass.
    public func forward() -> Values {
        let p = parameters
        let Q = p.X * p.query  // [n, dₖ]
        let K = p.X * p.key  // [n, dₖ]
        let V = p.X * p.value  // [n, dₖ]
        let scores = scale * (Q * K.transposed)  // [n, n]
        let weights = scores.softmaxOfRows  // [n, n], rows sum to 1
        let attention = weights * V  // [n, dₖ]
        let preActivation = attention * p.feedForward1  // [n, m]
        let hidden = preActivation.rectified  // [n, m]
        let logits = hidden * p.feedForward2  // [n, 1]
        let predictions = logits.map { 1 / (1 + exp(-$0)) }  // [n, 1]
        let losses = logits.combined(with: answers, CatSleeps.crossEntropy)  // [n, 1]
        return Values(
            Q: Q, K: K, V: V, scores: scores, weights: weights, attention: attention, preActivation: preActivation,
            hidden: hidden, logits: logits, predictions: predictions, losses: losses)
    }

    /// Computes every gradient, from the loss back to the embeddings.
    public func backward(_ v: Values, _ reduction: Reduction = .mean) -> Gradients {
        let p = parameters
        let share = reduction == .mean ? 1 / Double(answers.rows) : 1
        let logits = share * (v.predictions - answers)  // ∂L/∂z = (σ(z) − y) / n
        let feedForward2 = v.hidden.transposed * logits
        let hidden = logits * p.feedForward2.transposed
        let preActivation = v.preActivation.rectifiedGradient(hidden)
        let feedForward1 = v.attention.transposed * preActivation
        let attention = preActivation * p.feedForward1.transposed
        let V = v.weights.transposed * attention
        let weights = attention * v.V.transposed
        let scores = v.weights.softmaxGradient(weights)
        let Q = scale * (scores * v.K)
        let K = scale * (scores.transposed * v.Q)
        let X = Q * p.query.transposed + K * p.key.transposed + V * p.value.transposed
        let gradient = Parameters(
            X: X, query: p.X.transposed * Q, key: p.X.transposed * K, value: p.X.transposed * V,
            feedForward1: feedForward1, feedForward2: feedForward2)
        return Gradients(
            Q: Q, K: K, V: V, scores: scores, weights: weights, attention: attention, preActivation: preActivation,
            hidden: hidden, logits: logits, parameters: gradient)
    }

    /// The loss for other parameters, for checks by differences.
    public func loss(_ parameters: Parameters, _ reduction: Reduction = .mean) -> Double {
        var example = self
        example.parameters = parameters
        let values = example.forward()
        return reduction == .mean ? values.meanLoss : values.sumLoss
    }

    /// Trains the weights, not the embeddings; returns the loss before each step and the parameters after the last.
    public func train(
        steps: Int, _ reduction: Reduction = .mean, configure: (inout AdamW<Parameters>) -> Void = { _ in }
    ) -> (losses: [Double], parameters: Parameters) {
        var example = self
        var optimiser = AdamW(for: parameters)
        configure(&optimiser)
        var losses: [Double] = []
        for _ in 0..<steps {
            let values = example.forward()
            losses.append(reduction == .mean ? values.meanLoss : values.sumLoss)
            let gradient = example.backward(values, reduction).parameters
            optimiser.update(&example.parameters, gradient: gradient)
            example.parameters.X = parameters.X
        }
        return (losses, example.parameters)
    }

    /// `1 / √dₖ`.
    private var scale: Double { 1 / Double(parameters.query.columns).squareRoot() }

    private var answers: Matrix { Matrix(rows: labels.count, columns: 1) { i, _ in labels[i] } }

    /// `−y ln σ(z) − (1 − y) ln(1 − σ(z))`, in the form that no z makes infinite: `max(z, 0) − z y + ln(1 + e^−|z|)`.
    private static func crossEntropy(_ z: Double, _ y: Double) -> Double {
        max(z, 0) - z * y + log1p(exp(-abs(z)))
    }
}
