import HeedModels
import HeedProcessor
import HeedTensor

/// What a run reads and measures, whatever the kind of data and model.
public struct RunData {
    /// Fills the micro-batches.
    public let source: any BatchSource
    /// What a micro-batch may hold.
    public let capacity: StepCapacity
    /// Depends on everything that training reads.
    public let fingerprint: String
    /// The tokens of the data, where they are known.
    public var tokensPerEpoch: Int?
    /// Who says more than the data do; nil: nobody.
    public var teacher: Teacher?
    /// Measures the validation loss with the weights as they stand; nil: there is nothing to measure.
    public let measure: (() throws -> Double?)?

    /// Data of a run, and what it measures.
    public init(
        source: any BatchSource, capacity: StepCapacity, fingerprint: String, measure: (() throws -> Double?)? = nil
    ) {
        self.source = source
        self.capacity = capacity
        self.fingerprint = fingerprint
        self.measure = measure
    }

    /// Windows of text for a decoder, `options` being those of a step.
    ///
    /// - Throws: `HeedError` when memory for measuring is refused.
    init(_ opened: OpenedData, _ model: Model, _ options: StepOptions, runtime: Runtime) throws {
        // Before anything is arranged for measuring: the numbers will move.
        _ = try model.weights.change()
        let context = opened.training.context
        let tokens = options.batch * context
        self.init(
            source: opened.training,
            capacity: StepCapacity(tokens: tokens, sourceTokens: tokens, sequences: options.batch, length: context),
            fingerprint: opened.fingerprint,
            measure: try opened.validation.map {
                try ValidationData.streams($0).meter(model, options, context: context, runtime: runtime)
            })
        tokensPerEpoch = opened.tokens
    }

    /// Sentence pairs for an encoder-decoder.
    ///
    /// - Throws: `HeedError` when the model reads no source or memory for measuring is refused.
    public init(
        _ text: ParallelText, validation: ParallelText?, _ model: Model, _ options: StepOptions, runtime: Runtime
    ) throws {
        _ = try model.weights.change()
        let start = try model.encoderDecoder.configuration.start
        let meter = try validation.map { try PairLoss(model, $0, precision: options.precision, runtime: runtime) }
        self.init(
            source: PairSource(text, start: start, accumulate: options.accumulate), capacity: text.capacity,
            fingerprint: "pairs-\(text.fingerprint)-\(text.tokensPerBatch)", measure: meter.map { $0.measure })
    }
}
