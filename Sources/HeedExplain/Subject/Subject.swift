import HeedLayers
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// A model and what it is asked about, ready to be recorded as often as readings need it.
struct Subject {
    let model: Model
    /// Its layers without dropout.
    let layers: Architecture
    let streams: [ExplainedStream]
    /// The row whose answer is explained.
    let position: Int
    let runtime: Runtime

    /// - Throws: `HeedError` naming what of the input the model cannot take.
    init(_ model: Model, _ input: ExplainedInput, runtime: Runtime) throws {
        self.model = model
        layers = model.architecture.withDropout(0)
        self.runtime = runtime
        streams = try input.streams(model.architecture)
        position = input.position ?? input.ids.count - 1
    }

    /// The stream whose answer is explained.
    var answering: ExplainedStream { streams[streams.count - 1] }

    /// What is recorded of the model: where its answer starts, and how an answer becomes logits.
    struct Recorded {
        let stack: Stack
        let states: Tensor
        /// Logits of the batch's outputs, or of the whole sequence, from states; nil without a head.
        let logits: (Tensor) -> Tensor?
    }

    /// What logits have a row for.
    enum AnswerRows { case tokens, sequence, none }

    var answerRows: AnswerRows {
        guard case .encoder(let layers) = layers else { return .tokens }
        switch layers.configuration.head {
        case .none: return .none
        case .maskedLanguage, .pretraining, .tokenClassifier, .replacedTokens: return .tokens
        case .sequenceClassifier: return .sequence
        }
    }

    /// The number of logits in a row.
    var classes: Int {
        if case .encoder(let layers) = layers {
            return layers.configuration.classLogits ?? layers.configuration.vocabulary
        }
        return layers.vocabulary
    }

    /// The classes of a whole sequence: those of a classifier, or whether a sentence follows.
    var sequenceClasses: Int {
        if case .encoder(let layers) = layers { return layers.configuration.labels ?? 2 }
        return 1
    }

    /// Records the model over `batches`, one per stream, its states and attention weights observed.
    func record(_ batches: [TokenBatch], in trace: Trace) -> Recorded {
        let batch = batches[batches.count - 1]
        switch layers {
        case .decoder(let layers):
            return Recorded(stack: layers.stack, states: layers(batch, in: trace, observing: true)) {
                layers.logits($0.outputs(of: batch))
            }
        case .encoder(let layers):
            return Recorded(stack: layers.stack, states: layers(batch, in: trace, observing: true)) { states in
                if layers.prediction != nil { return layers.predictionLogits(states.outputs(of: batch)) }
                if case .sequenceClassifier = layers.configuration.head { return layers.classLogits(states, batch) }
                return layers.classLogits(states.outputs(of: batch), batch)
            }
        case .encoderDecoder(let layers):
            let memory = layers.encode(batches[0], in: trace, observing: true)
            let states = layers.decode(batch, reading: memory, of: batches[0], in: trace, observing: true)
            return Recorded(stack: layers.decoder, states: states) { layers.logits($0.outputs(of: batch)) }
        }
    }

    /// The longest stream, and one more than its largest position.
    var length: Int { streams.map(\.ids.count).max() ?? 1 }

    /// Records, plans and readies a pass whose answers are those of `rows`; `read` says what is read of it.
    func pass<Outputs>(
        for purpose: Purpose, rows: [Int], keepsAttentionWeights: Bool = false,
        following: ((_ place: Int, Trace.Node, Tensor) -> Tensor)? = nil,
        _ read: (Recorded, Trace) throws -> Outputs
    ) throws -> Pass<Outputs> {
        let batches = try streams.map { try $0.batch(outputs: rows) }
        return try runtime.pass(
            model.weights, for: purpose, maximumLength: length, keepsAttentionWeights: keepsAttentionWeights
        ) { trace in
            trace.following = following
            let recorded = record(batches, in: trace)
            return try read(recorded, trace)
        }
    }

    /// - Throws: `HeedError` when the model has no logits to explain.
    func requireHead() throws {
        guard answerRows != .none else {
            throw HeedError(
                .unsupported, "the model has no head, so there is no answer to explain",
                expected: "a model with logits",
                advice: "Its attention and states can be read: leave out the target.")
        }
    }
}
