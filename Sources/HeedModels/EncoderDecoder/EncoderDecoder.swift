import HeedLayers
import HeedTensor

/// A transformer of two stacks (Vaswani et al. 2017): the encoder reads the source, the decoder continues the target
/// while it reads the encoder's answer.
///
/// Marian, BART, T5 and the original are configurations of it. Recording a pass computes nothing.
public struct EncoderDecoder: Sendable {
    /// The shape.
    public let configuration: EncoderDecoderConfiguration
    /// Source ids to rows.
    public let sourceEmbedding: Embedding
    /// Target ids to rows.
    public let targetEmbedding: Embedding
    /// The stack that reads the source.
    public let encoder: Stack
    /// The stack that writes the target.
    public let decoder: Stack
    /// The decoder's states to logits.
    public let output: OutputMatrix

    /// Declares every parameter in `scope`.
    public init(_ scope: ParameterScope, _ configuration: EncoderDecoderConfiguration) {
        let c = configuration
        self.configuration = c
        let initial = c.decoder.initialTable
        let target = scope.parameter("embedding.target", [c.vocabulary, c.width], initial)
        let source =
            c.sharedTable ? target : scope.parameter("embedding.source", [c.sourceVocabulary, c.width], initial)
        func embedding(_ name: String, _ table: Parameter, _ stack: StackShape) -> Embedding {
            var shape = EmbeddingShape(positions: c.embeddedPositions, context: c.context)
            shape.norm = c.embeddingNorm ? (stack.norm, stack.epsilon, stack.norm == .layer) : nil
            shape.scale = c.scalesEmbedding ? Float(c.width).squareRoot() : 1
            shape.padding = c.trainsPadding ? nil : c.padding
            shape.dropout = c.embeddingDropout
            shape.initial = initial
            return Embedding(scope / name, table: table, shape)
        }
        sourceEmbedding = embedding("sourceEmbedding", source, c.encoder)
        targetEmbedding = embedding("targetEmbedding", target, c.decoder)
        // Tables, blocks, norms: the order of declaration is that of the random numbers of a new model.
        let encoderTable = c.encoder.relativeTable(in: scope / "encoder")
        let decoderTable = c.decoder.relativeTable(in: scope / "decoder")
        let encoder = Stack(scope / "encoder", c.encoder, .writesMemory, relativeTable: encoderTable)
        let decoder = Stack(scope / "decoder", c.decoder, .readsMemory, relativeTable: decoderTable)
        self.encoder = encoder.ending(in: scope / "encoderNorm")
        self.decoder = decoder.ending(in: scope / "decoderNorm")
        let head = c.tied ? target : scope.parameter("head", [c.vocabulary, c.width], initial)
        let bias: Parameter? =
            switch c.logitsBias {
            case .none: nil
            case .constant: scope.constant("headBias", [1, c.vocabulary])
            case .learned: scope.parameter("headBias", [c.vocabulary], .zeros)
            }
        output = OutputMatrix(
            scope / "head", head, bias: bias, scale: c.headScale)
    }

    /// Records the encoder's way from the ids of `source` to its answer, the memory `[rows, C]`.
    ///
    /// With `observing`, `encoder_hidden_states.N` (the last after a final norm) and `encoder_attentions.N` stay
    /// readable.
    public func encode(_ source: TokenBatch, in trace: Trace, observing: Bool = false) -> Tensor {
        let names = observing ? ObservedNames(states: "encoder_hidden_states", attention: "encoder_attentions") : nil
        return encoder(sourceEmbedding(source, in: trace), PassContext(source, names: names))
    }

    /// Records the decoder's way from the ids of `target`, reading `memory` of the same sequences, to the states before
    /// the output matrix `[rows, C]`.
    public func decode(
        _ target: TokenBatch, reading memory: Tensor, of source: TokenBatch, in trace: Trace, observing: Bool = false
    ) -> Tensor {
        let names =
            observing
            ? ObservedNames(
                states: "decoder_hidden_states", attention: "decoder_attentions", memoryAttention: "cross_attentions")
            : nil
        return decoder(
            targetEmbedding(target, in: trace),
            PassContext(target, memory: .states(memory, of: source), names: names))
    }

    /// Records the same with the memory's keys and values from `store`, at the slots and of the lengths of `source`.
    public func decode(
        _ target: TokenBatch, stored store: any KeyValueStore, of source: TokenBatch, in trace: Trace
    ) -> Tensor {
        decoder(targetEmbedding(target, in: trace), PassContext(target, memory: .stored(store, readers: source)))
    }

    /// Records that the memory's keys and values of every layer go into `store`, once per source.
    public func keep(_ memory: Tensor, in store: any KeyValueStore, batch source: TokenBatch) {
        decoder.keep(memory, in: store, batch: source)
    }

    /// Records the logits of `states [rows, C]`: `[rows, V]`.
    public func logits(_ states: Tensor) -> Tensor { output(states) }

    /// Records the cross-entropy of `states` against the batch's targets.
    public func loss(_ states: Tensor, targets: TokenBatch, smoothing: Float = 0) -> LossReadout {
        output.loss(states, targets: .rows(targets), smoothing: smoothing)
    }

    /// The same parameters with one dropout rate everywhere.
    public func withDropout(_ rate: Float) -> EncoderDecoder {
        var changed = configuration
        changed.drop(rate)
        // Declaring again in a scope of its own gives the same places, because places follow from the configuration.
        return ParameterLayout.declare { EncoderDecoder($0, changed) }.model
    }
}
