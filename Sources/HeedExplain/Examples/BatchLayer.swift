#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The worked example of a batch: two sentences of five tokens through one layer of two heads, with every shape.
///
/// The layer is that of the document: no residual path, no normalisation and no output projection. Two things it
/// leaves open are decided here: a ReLU stands between the feed-forward maps, without which the two would be one,
/// and scores are divided by √dₖ unless `isScaled` is false.
public struct BatchLayer: Sendable {
    /// The projections of one head, `[d, dₖ]` each.
    public struct Head: Sendable, Equatable {
        /// `W_Q`, `W_K` and `W_V`.
        public var query, key, value: Matrix

        /// A head of three projections.
        public init(query: Matrix, key: Matrix, value: Matrix) {
            self.query = query
            self.key = key
            self.value = value
        }
    }

    /// Everything that is learned.
    public struct Parameters: NamedParameters, Sendable, Equatable {
        /// The table of token vectors `[V, d]` and of position vectors `[n, d]`.
        public var tokens, positions: Matrix
        /// The two heads.
        public var head0, head1: Head
        /// The feed-forward maps `[d, m]` and `[m, d]` with biases of one row.
        public var feedForward1, bias1, feedForward2, bias2: Matrix
        /// The classifier `[d, classes]` with its bias.
        public var classifier, classifierBias: Matrix

        /// The matrices of the example.
        public init(
            tokens: Matrix, positions: Matrix, head0: Head, head1: Head, feedForward1: Matrix, bias1: Matrix,
            feedForward2: Matrix, bias2: Matrix, classifier: Matrix, classifierBias: Matrix
        ) {
            self.tokens = tokens
            self.positions = positions
            self.head0 = head0
            self.head1 = head1
            self.feedForward1 = feedForward1
            self.bias1 = bias1
            self.feedForward2 = feedForward2
            self.bias2 = bias2
            self.classifier = classifier
            self.classifierBias = classifierBias
        }

        /// The matrices by the names of the document.
        public static var fields: [(name: String, path: WritableKeyPath<Parameters, Matrix>)] {
            [
                ("tok_emb", \.tokens), ("pos_emb", \.positions),
                ("head0.W_Q", \.head0.query), ("head0.W_K", \.head0.key), ("head0.W_V", \.head0.value),
                ("head1.W_Q", \.head1.query), ("head1.W_K", \.head1.key), ("head1.W_V", \.head1.value),
                ("ffn.W1", \.feedForward1), ("ffn.b1", \.bias1), ("ffn.W2", \.feedForward2), ("ffn.b2", \.bias2),
                ("cls.W", \.classifier), ("cls.b", \.classifierBias),
            ]
        }
    }

    /// The values of one head for one sentence.
    public struct HeadValues: Sendable {
        /// `Q`, `K`, `V` `[n, dₖ]`, scores and weights `[n, n]`, and what the head answers `[n, dₖ]`.
        public var Q, K, V, scores, weights, output: Matrix
    }

    /// The values of one sentence.
    public struct Values: Sendable {
        /// Token vectors, and token plus position vectors.
        public var embedded, x: Matrix
        /// What each head computes.
        public var heads: [HeadValues]
        /// The heads side by side `[n, d]`, the feed-forward layer `[n, m]`, `[n, m]`, `[n, d]`, and the classifier
        /// `[n, classes]`, before and after the softmax.
        public var joined, preActivation, activation, output, logits, probabilities: Matrix
    }

    /// Everything that is learned.
    public var parameters: Parameters
    /// The token ids, one list per sentence.
    public var ids: [[Int]]
    /// The right class of every token.
    public var targets: [[Int]]
    /// Whether scores are divided by √dₖ.
    public var isScaled = true

    /// A layer with other numbers; ids and targets must lie within the tables.
    public init(parameters: Parameters, ids: [[Int]], targets: [[Int]], isScaled: Bool = true) {
        self.parameters = parameters
        self.ids = ids
        self.targets = targets
        self.isScaled = isScaled
    }

    /// Computes every value for every sentence; each is computed for itself, as if the others were not there.
    public func forward() -> [Values] {
        ids.map { forward($0) }
    }

    /// The mean over all tokens of `−ln p(right class)`.
    public func loss(_ values: [Values]) -> Double {
        var sum = 0.0
        for (sentence, right) in zip(values, targets) {
            for (row, target) in right.enumerated() { sum -= log(sentence.probabilities[row, target]) }
        }
        return sum / tokenCount
    }

    /// The loss for other parameters, for checks by differences.
    public func loss(_ parameters: Parameters) -> Double {
        var layer = self
        layer.parameters = parameters
        return layer.loss(layer.forward())
    }

    /// The gradient of the loss, added up over the sentences.
    public func backward(_ values: [Values]) -> Parameters {
        var gradient = parameters.zeros
        for (index, sentence) in values.enumerated() { addGradient(of: index, sentence, to: &gradient) }
        return gradient
    }

    /// Trains with Adam; returns the loss before each step and after the last, and the parameters.
    public func train(steps: Int, learningRate: Double = 0.01) -> (losses: [Double], parameters: Parameters) {
        var layer = self
        var optimiser = AdamW(for: parameters)
        optimiser.learningRate = learningRate
        optimiser.weightDecay = 0
        var losses: [Double] = []
        for _ in 0..<steps {
            let values = layer.forward()
            losses.append(layer.loss(values))
            optimiser.update(&layer.parameters, gradient: layer.backward(values))
        }
        losses.append(layer.loss(layer.forward()))
        return (losses, layer.parameters)
    }

    private var tokenCount: Double { Double(targets.reduce(0) { $0 + $1.count }) }

    private var scale: Double { isScaled ? 1 / Double(parameters.head0.query.columns).squareRoot() : 1 }

    private func forward(_ sentence: [Int]) -> Values {
        let p = parameters
        let embedded = Matrix(rows: sentence.count, columns: p.tokens.columns) { p.tokens[sentence[$0], $1] }  // [n, d]
        let x = embedded + p.positions  // [n, d]
        let heads = [p.head0, p.head1].map { head in
            let Q = x * head.query  // [n, dₖ]
            let K = x * head.key  // [n, dₖ]
            let V = x * head.value  // [n, dₖ]
            let scores = scale * (Q * K.transposed)  // [n, n]
            let weights = scores.softmaxOfRows  // [n, n]
            return HeadValues(Q: Q, K: K, V: V, scores: scores, weights: weights, output: weights * V)
        }
        let width = p.head0.value.columns
        // [n, d]
        let joined = Matrix(rows: sentence.count, columns: 2 * width) { heads[$1 / width].output[$0, $1 % width] }
        let preActivation = (joined * p.feedForward1).addingToRows(p.bias1)  // [n, m]
        let activation = preActivation.rectified  // [n, m]
        let output = (activation * p.feedForward2).addingToRows(p.bias2)  // [n, d]
        let logits = (output * p.classifier).addingToRows(p.classifierBias)  // [n, classes]
        return Values(
            embedded: embedded, x: x, heads: heads, joined: joined, preActivation: preActivation,
            activation: activation, output: output, logits: logits, probabilities: logits.softmaxOfRows)
    }

    private func addGradient(of index: Int, _ v: Values, to gradient: inout Parameters) {
        let p = parameters
        var logits = v.probabilities  // ∂L/∂z = (p − y) / tokens
        for (row, target) in targets[index].enumerated() { logits[row, target] -= 1 }
        logits = (1 / tokenCount) * logits
        gradient.classifier = gradient.classifier + v.output.transposed * logits
        gradient.classifierBias = gradient.classifierBias + logits.sumOfRows
        let output = logits * p.classifier.transposed
        gradient.feedForward2 = gradient.feedForward2 + v.activation.transposed * output
        gradient.bias2 = gradient.bias2 + output.sumOfRows
        let preActivation = v.preActivation.rectifiedGradient(output * p.feedForward2.transposed)
        gradient.feedForward1 = gradient.feedForward1 + v.joined.transposed * preActivation
        gradient.bias1 = gradient.bias1 + preActivation.sumOfRows
        let joined = preActivation * p.feedForward1.transposed
        let x =
            headGradient(0, p.head0, v, joined, &gradient.head0) + headGradient(1, p.head1, v, joined, &gradient.head1)
        gradient.positions = gradient.positions + x
        for (row, id) in ids[index].enumerated() {
            for column in 0..<x.columns { gradient.tokens[id, column] += x[row, column] }
        }
    }

    /// Adds the gradients of one head's projections and returns what the head hands back to `x`.
    private func headGradient(
        _ number: Int, _ head: Head, _ v: Values, _ joined: Matrix, _ gradient: inout Head
    ) -> Matrix {
        let values = v.heads[number]
        let width = head.value.columns
        let output = Matrix(rows: joined.rows, columns: width) { joined[$0, number * width + $1] }
        let V = values.weights.transposed * output
        let scores = values.weights.softmaxGradient(output * values.V.transposed)
        let Q = scale * (scores * values.K)
        let K = scale * (scores.transposed * values.Q)
        gradient.query = gradient.query + v.x.transposed * Q
        gradient.key = gradient.key + v.x.transposed * K
        gradient.value = gradient.value + v.x.transposed * V
        return Q * head.query.transposed + K * head.key.transposed + V * head.value.transposed
    }
}

extension BatchLayer {
    /// The sizes of the document with numbers of our own: 2 sentences of 5 tokens, d = 8, 2 heads, m = 16, and a
    /// vocabulary of 11 tokens and 7 classes, which the document leaves open.
    public static func document(isScaled: Bool = true) -> BatchLayer {
        var counter = 0
        func matrix(_ rows: Int, _ columns: Int) -> Matrix {
            Matrix(rows: rows, columns: columns) { _, _ in
                counter += 1
                // The fractional parts of multiples of the golden ratio are spread evenly (Weyl 1916).
                let part = Double(counter) * 0.618_033_988_749_894_9
                return ((part - part.rounded(.down)) - 0.5) * 0.8
            }
        }
        func head() -> Head { Head(query: matrix(8, 4), key: matrix(8, 4), value: matrix(8, 4)) }
        let parameters = Parameters(
            tokens: matrix(11, 8), positions: matrix(5, 8), head0: head(), head1: head(), feedForward1: matrix(8, 16),
            bias1: matrix(1, 16), feedForward2: matrix(16, 8), bias2: matrix(1, 8), classifier: matrix(8, 7),
            classifierBias: matrix(1, 7))
        return BatchLayer(
            parameters: parameters, ids: [[1, 4, 2, 8, 5], [7, 0, 3, 10, 6]],
            targets: [[0, 3, 6, 2, 5], [1, 4, 0, 6, 2]],
            isScaled: isScaled)
    }
}
