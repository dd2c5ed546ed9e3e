import HeedLayers
import HeedTensor

/// A decoder-only transformer: ids → embeddings → blocks → norm → logits.
///
/// GPT-2, LLaMA and all that followed are configurations of it. Recording a pass computes nothing.
public struct TransformerDecoder: Sendable {
    /// The shape.
    public let configuration: DecoderConfiguration
    /// Ids and positions to rows.
    public let embedding: Embedding
    /// The blocks and the norm behind the last.
    public let stack: Stack
    /// States to logits.
    public let output: OutputMatrix

    /// Declares every parameter in `scope`.
    public init(_ scope: ParameterScope, _ configuration: DecoderConfiguration) {
        let c = configuration
        self.configuration = c
        let initial = c.stack.initialTable
        let table = scope.parameter("embedding.tokens", [c.vocabulary, c.width], initial)
        var shape = EmbeddingShape(positions: c.embeddedPositions, context: c.context)
        shape.norm = c.embeddingNorm ? (c.norm, c.epsilon, c.norm == .layer) : nil
        shape.scale = c.embeddingScale
        shape.dropout = c.embeddingDropout
        shape.initial = initial
        embedding = Embedding(scope / "embedding", table: table, shape)
        stack = Stack(scope, c.stack).ending(in: scope / "finalNorm")
        output = OutputMatrix(
            scope / "head", c.tied ? table : scope.parameter("head", [c.vocabulary, c.width], initial),
            scale: c.logitsScale, cap: c.logitsCap)
    }

    /// Records the way from the ids of `batch` to the states before the output matrix: `[rows, C]`.
    ///
    /// With `observing`, every `hidden_states.N` (the last after the final norm) and, if the trace keeps them,
    /// `attentions.N` stay readable.
    public func callAsFunction(_ batch: TokenBatch, in trace: Trace, observing: Bool = false) -> Tensor {
        let names = observing ? ObservedNames(states: "hidden_states", attention: "attentions") : nil
        return stack(embedding(batch, in: trace), PassContext(batch, names: names))
    }

    /// The same parameters without dropout, for gradients that are to be compared.
    public func withoutDropout() -> TransformerDecoder { withDropout(0) }

    /// The same parameters with one dropout rate everywhere.
    public func withDropout(_ rate: Float) -> TransformerDecoder {
        var changed = configuration
        changed.drop(rate)
        // Declaring again in a scope of its own gives the same places, because places follow from the configuration.
        return ParameterLayout.declare { TransformerDecoder($0, changed) }.model
    }

    /// Records the logits of `states [rows, C]`: `[rows, V]`.
    public func logits(_ states: Tensor) -> Tensor { output(states) }

    /// Records the cross-entropy of `states` against the batch's targets.
    public func loss(_ states: Tensor, targets: TokenBatch, smoothing: Float = 0) -> LossReadout {
        output.loss(states, targets: .rows(targets), smoothing: smoothing)
    }
}

extension DecoderConfiguration {
    /// Sets one dropout rate everywhere.
    mutating func drop(_ rate: Float) {
        embeddingDropout = rate
        stack.drop(rate)
    }
}
