import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// Compares an encoder-decoder with another of the same vocabularies, place by place over the targets of sentence pairs.
public final class PairComparison {
    private let input: StepInput
    private let model: Pass<KeptTensor>
    private let reference: Pass<KeptTensor>
    private let text: ParallelText
    private let start: Int32

    /// Plans passes over the batches of `text`, which should be in sequential order and small: the logits of a batch are
    /// kept for both models.
    ///
    /// - Throws: `HeedError` where a model reads no source, the vocabularies or start ids differ, a pair is longer than
    ///   the reference reads, or memory is refused.
    public init(_ model: Model, against reference: Model, _ text: ParallelText, runtime: Runtime) throws {
        let (one, other) = (try model.encoderDecoder, try reference.encoderDecoder)
        let (shape, otherShape) = (one.configuration, other.configuration)
        try requireSameVocabulary(shape.vocabulary, otherShape.vocabulary)
        try requireSameVocabulary(shape.sourceVocabulary, otherShape.sourceVocabulary)
        guard shape.start == otherShape.start else {
            throw HeedError(
                .badInput, "the models begin targets with different ids", expected: "\(shape.start)",
                got: "\(otherShape.start)")
        }
        let capacity = text.capacity
        guard capacity.length <= otherShape.context else {
            throw HeedError(
                .usage, "the model that is compared with reads shorter texts",
                expected: "--context of at most \(otherShape.context)", got: "\(capacity.length)")
        }
        start = Int32(shape.start)
        self.text = text
        let input = StepInput(capacity, readsSource: true)
        self.input = input
        func pass(_ model: Model, _ layers: EncoderDecoder) throws -> Pass<KeptTensor> {
            try runtime.pass(model.weights, for: .inference, maximumLength: capacity.length) { trace in
                let memory = layers.encode(input.source, in: trace)
                return layers.logits(layers.decode(input.tokens, reading: memory, of: input.source, in: trace)).kept()
            }
        }
        self.model = try pass(model, one)
        self.reference = try pass(reference, other)
    }

    /// The difference over all target ids.
    ///
    /// - Parameter shouldStop: asked between batches; on true the rest is left out and nil returned.
    public func measure(shouldStop: () -> Bool = { false }) throws -> DistributionDifference? {
        var difference = DistributionDifference()
        for batch in text.batches(ofEpoch: 0) {
            if shouldStop() { return nil }
            input.clear()
            for index in batch { try text.pairs[index].append(to: input, start: start) }
            model.forward()
            reference.forward()
            for row in 0..<input.tokens.rows.current {
                let next = Int(input.tokens.targets[row])
                reference[reference.outputs].withRow(row) { p in
                    model[model.outputs].withRow(row) { q in difference.add(p, q, next: next) }
                }
            }
        }
        return difference
    }
}
