import HeedLayers
import HeedTensor

/// A decoder-only transformer: ids → embeddings → blocks → norm → logits.
///
/// GPT-2 and LLaMA are configurations of it. Recording a pass computes nothing.
public struct Decoder: Sendable {
    /// The shape.
    public let configuration: DecoderConfiguration
    /// E [V, C].
    public let table: Parameter
    /// P [context, C], for learned positions.
    public let positionTable: Parameter?
    /// The blocks, from the embedding up.
    public let blocks: [Block]
    /// The norm behind the last block.
    public let finalNorm: Norm
    /// The output matrix [V, C]; the table itself when tied.
    public let head: Parameter

    /// Declares every parameter in `scope`.
    public init(_ scope: ParameterScope, _ configuration: DecoderConfiguration) {
        let c = configuration
        self.configuration = c
        let initial = Initialiser.normal(c.initialDeviation)
        // Residual branches start small so that the stream's variance does not grow with depth (GPT-2, section 2.3).
        let outputInitial = Initialiser.normal(c.initialDeviation / Float(2 * max(c.layers, 1)).squareRoot())
        table = scope.parameter("embedding.tokens", [c.vocabulary, c.width], initial)
        var rotary: RotaryPositions?
        switch c.positions {
        case .learned:
            positionTable = scope.parameter("embedding.positions", [c.context, c.width], initial)
        case .rotary(let positions):
            positionTable = nil
            rotary = positions
        }
        blocks = (0..<c.layers).map { layer in
            let scope = scope / "blocks" / layer
            var scale: Float = c.scalesScores ? 1 / Float(c.headWidth).squareRoot() : 1
            if c.scalesByLayer { scale /= Float(layer + 1) }
            return Block(
                placement: .before,
                attentionNorm: Norm(scope / "attentionNorm", c.norm, width: c.width, epsilon: c.epsilon),
                attention: Attention(
                    scope / "attention", layer: layer, width: c.width,
                    shape: AttentionShape(
                        heads: c.heads, keyHeads: c.keyHeads, width: c.headWidth, scale: scale, causal: true),
                    projectionBias: c.projectionBias, outputBias: c.outputBias, rotary: rotary,
                    weightDropout: c.weightDropout, dropout: c.residualDropout, initial: initial,
                    outputInitial: outputInitial),
                feedForwardNorm: Norm(scope / "feedForwardNorm", c.norm, width: c.width, epsilon: c.epsilon),
                feedForward: FeedForward(
                    scope / "feedForward", width: c.width, inner: c.inner, activation: c.activation, gated: c.gated,
                    bias: c.feedForwardBias, dropout: c.residualDropout, initial: initial,
                    outputInitial: outputInitial))
        }
        finalNorm = Norm(scope / "finalNorm", c.norm, width: c.width, epsilon: c.epsilon)
        head = c.tied ? table : scope.parameter("head", [c.vocabulary, c.width], initial)
    }

    /// Records the way from the ids of `batch` to the states before the output matrix: `[rows, C]`.
    ///
    /// With `observing`, every `hidden_states.N` (the last after the final norm) and, if the trace keeps them,
    /// `attentions.N` stay readable.
    public func callAsFunction(_ batch: TokenBatch, in trace: Trace, observing: Bool = false) -> Tensor {
        var context = PassContext(batch)
        if observing { context.attentionName = "attentions" }
        var x = trace.embed(batch, table: table, positions: positionTable.map { .learned($0) })
            .dropped(configuration.embeddingDropout)
        for (layer, block) in blocks.enumerated() {
            if observing { x.observed(as: "hidden_states.\(layer)") }
            x = block(x, context)
        }
        x = finalNorm(x)
        if observing { x.observed(as: "hidden_states.\(blocks.count)") }
        return x
    }

    /// The same parameters without dropout, for gradients that are to be compared.
    public func withoutDropout() -> Decoder { withDropout(0) }

    /// The same parameters with one dropout rate everywhere.
    public func withDropout(_ rate: Float) -> Decoder {
        var changed = configuration
        changed.embeddingDropout = rate
        changed.weightDropout = rate
        changed.residualDropout = rate
        // Declaring again in a scope of its own gives the same places, because places follow from the configuration.
        return ParameterLayout.declare { Decoder($0, changed) }.model
    }

    /// Records the logits of `states [rows, C]`: `[rows, V]`.
    public func logits(_ states: Tensor) -> Tensor { states.linear(head) }

    /// Records the cross-entropy of `states` against the batch's targets.
    public func loss(_ states: Tensor, targets: TokenBatch, smoothing: Float = 0) -> LossReadout {
        states.crossEntropy(head, targets: .rows(targets), smoothing: smoothing)
    }
}
