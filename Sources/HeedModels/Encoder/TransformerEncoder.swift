import HeedLayers
import HeedTensor

/// A bidirectional encoder: ids → embeddings → norm → blocks → states, and heads on the states.
///
/// BERT and RoBERTa are configurations of it. Recording a pass computes nothing.
public struct TransformerEncoder: Sendable {
    /// The shape.
    public let configuration: EncoderConfiguration
    /// Ids, positions and types to rows.
    public let embedding: Embedding
    /// The blocks and the norm behind the last, where there is one.
    public let stack: Stack
    /// `tanh(W · h + b)` of the first position's state [C, C].
    public let pooler: Linear?
    /// The masked-language head: `norm(f(W · h + b))` before the output matrix.
    public let transform: Linear?
    /// The norm of the masked-language head.
    public let transformNorm: Norm?
    /// The masked-language head's states to logits over ids.
    public let prediction: OutputMatrix?
    /// Whether the second sentence follows the first: [2, C].
    public let nextSentence: Linear?
    /// A sequence classifier's map of its own [C, C].
    public let classifierDense: Linear?
    /// The map to the classes [classes, C].
    public let classifier: Linear?

    /// Declares every parameter in `scope`.
    public init(_ scope: ParameterScope, _ configuration: EncoderConfiguration) {
        let c = configuration
        self.configuration = c
        let initial = c.stack.initialTable
        let columns = c.embeddingWidth ?? c.width
        let table = scope.parameter("embedding.tokens", [c.vocabulary, columns], initial)
        var shape = EmbeddingShape(positions: c.embeddedPositions, context: c.context)
        shape.types = c.types > 0 ? c.types : nil
        shape.norm = (c.norm, c.epsilon, c.norm == .layer && c.normOffset)
        shape.stream = c.width
        shape.padding = c.padding
        shape.dropout = c.embeddingDropout
        shape.initial = initial
        embedding = Embedding(scope / "embedding", table: table, shape)
        stack = Stack(scope, c.stack, relativeTable: c.stack.relativeTable(in: scope / "encoder"))
            .ending(in: scope / "finalNorm")
        func square(_ name: String) -> Linear { Linear(scope / name, in: c.width, out: c.width, initial: initial) }
        pooler = c.hasPooler ? square("pooler") : nil
        if c.predictsIds || c.classifierTransforms {
            transform = Linear(
                scope / "transform", in: c.width, out: columns, bias: c.headBias, initial: initial)
            transformNorm = Norm(
                scope / "transformNorm", c.norm, width: columns, epsilon: c.epsilon,
                offset: c.norm == .layer && c.normOffset)
        } else {
            transform = nil
            transformNorm = nil
        }
        if c.predictsIds {
            let matrix = c.tied ? table : scope.parameter("head", [c.vocabulary, columns], initial)
            prediction = OutputMatrix(
                scope / "head", matrix, bias: scope.parameter("headBias", [c.vocabulary], .zeros))
        } else {
            prediction = nil
        }
        nextSentence =
            c.head == .pretraining ? Linear(scope / "nextSentence", in: c.width, out: 2, initial: initial) : nil
        classifierDense = c.classifierHasDense && c.classLogits != nil ? square("classifierDense") : nil
        classifier = c.classLogits.map { Linear(scope / "classifier", in: c.width, out: $0, initial: initial) }
    }

    /// Records the way from the ids of `batch` to the states `[rows, C]`.
    ///
    /// With `observing`, every `hidden_states.N` and, if the trace keeps them, `attentions.N` stay readable.
    public func callAsFunction(_ batch: TokenBatch, in trace: Trace, observing: Bool = false) -> Tensor {
        let names = observing ? ObservedNames(states: "hidden_states", attention: "attentions") : nil
        return stack(embedding(batch, in: trace), PassContext(batch, names: names))
    }

    /// Records `tanh(W · h + b)` of each sequence's first state: `[sequences, C]`, or nil without a pooler.
    public func pooled(_ states: Tensor, _ batch: TokenBatch) -> Tensor? {
        pooler.map { pooler in
            states.trace.at(pooler.path) { pooler(states.firsts(of: batch), activation: .tanh) }
        }
    }

    /// Records logits over ids `[rows, V]`, or nil without a masked-language head.
    public func predictionLogits(_ states: Tensor) -> Tensor? {
        guard let prediction, let hidden = transformed(states) else { return nil }
        return prediction(hidden)
    }

    /// Records logits of the classes: `[sequences, labels]`, for a token classifier `[rows, labels]`, for replaced tokens
    /// `[rows, 1]`; nil without a classifier.
    public func classLogits(_ states: Tensor, _ batch: TokenBatch) -> Tensor? {
        guard let classifier, let hidden = beforeClasses(states, batch) else { return nil }
        return classifier(hidden)
    }

    /// Records logits of (follows, does not follow) `[sequences, 2]`, or nil without that head.
    public func nextSentenceLogits(_ pooled: Tensor?) -> Tensor? {
        guard let nextSentence, let pooled else { return nil }
        return nextSentence(pooled)
    }

    /// Records the losses of the head, in the order masked language, next sentence, classes or replaced tokens.
    ///
    /// Targets of positions stand in `batch.targets`, of sequences in `batch.sequenceTargets`. The classifier's labels
    /// are smoothed by `smoothing`, and those of the masked-language head.
    public func losses(_ states: Tensor, _ batch: TokenBatch, smoothing: Float = 0) -> [RecordedLoss] {
        var losses: [RecordedLoss] = []
        func add(_ hidden: Tensor, _ matrix: OutputMatrix, _ targets: Targets) {
            let scale = RuntimeScalar()
            let readout = matrix.loss(hidden, targets: targets, smoothing: smoothing, scale: scale)
            losses.append(RecordedLoss(readout, scale: scale, targets: targets))
        }
        if let prediction, let hidden = transformed(states) { add(hidden, prediction, .rows(batch)) }
        if let nextSentence, let pooled = pooled(states, batch) {
            add(pooled, OutputMatrix(nextSentence), .sequences(batch))
        }
        if configuration.head == .replacedTokens {
            if let logits = classLogits(states, batch) {
                let scale = RuntimeScalar()
                let readout = logits.binaryCrossEntropy(targets: .rows(batch), scale: scale)
                losses.append(RecordedLoss(readout, scale: scale, targets: .rows(batch)))
            }
        } else if let classifier, let hidden = beforeClasses(states, batch) {
            let isPerToken = if case .tokenClassifier = configuration.head { true } else { false }
            add(hidden, OutputMatrix(classifier), isPerToken ? .rows(batch) : .sequences(batch))
        }
        return losses
    }

    private func transformed(_ states: Tensor) -> Tensor? {
        guard let transform, let transformNorm else { return nil }
        return transformNorm(transform(states, activation: configuration.activation))
    }

    private func beforeClasses(_ states: Tensor, _ batch: TokenBatch) -> Tensor? {
        let c = configuration
        let rate = c.classifierDropout
        let isPerToken = if case .tokenClassifier = c.head { true } else { false }
        return states.trace.at(classifier?.path ?? "classifier") {
            if c.classifierTransforms {
                return transformed(isPerToken ? states : states.firsts(of: batch))?.dropped(rate)
            }
            if isPerToken { return states.dropped(rate) }
            if c.head == .replacedTokens { return classifierDense?(states, activation: c.classifierActivation) }
            if let classifierDense {
                let first = states.firsts(of: batch).dropped(rate)
                return classifierDense(first, activation: c.classifierActivation).dropped(rate)
            }
            return pooled(states, batch)?.dropped(rate)
        }
    }

    /// The same parameters with one dropout rate everywhere.
    public func withDropout(_ rate: Float) -> TransformerEncoder {
        var changed = configuration
        changed.drop(rate)
        // Declaring again in a scope of its own gives the same places, because places follow from the configuration.
        return ParameterLayout.declare { TransformerEncoder($0, changed) }.model
    }
}
