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
    /// The blocks that read the source.
    public let encoderBlocks: [Block]
    /// The blocks that write the target.
    public let decoderBlocks: [Block]
    /// The norm behind the encoder's last block.
    public let encoderNorm: Norm?
    /// The norm behind the decoder's last block.
    public let decoderNorm: Norm?
    /// Tables of relative offsets [buckets, heads], one per stack.
    public let encoderRelative: Parameter?
    /// The decoder's table of relative offsets [buckets, heads].
    public let decoderRelative: Parameter?
    /// The output matrix [V, C]; the decoder's table itself when tied.
    public let head: Parameter
    /// b [V].
    public let headBias: Parameter?

    /// Declares every parameter in `scope`.
    public init(_ scope: ParameterScope, _ configuration: EncoderDecoderConfiguration) {
        let c = configuration
        self.configuration = c
        let tableInitial = c.initialTable
        let target = scope.parameter("embedding.target", [c.vocabulary, c.width], tableInitial)
        let source =
            c.sharedTable ? target : scope.parameter("embedding.source", [c.sourceVocabulary, c.width], tableInitial)
        func embedding(_ name: String, _ table: Parameter) -> Embedding {
            Embedding(
                scope / name, table: table, positions: c.positions,
                norm: c.embeddingNorm ? (c.norm, c.epsilon) : nil,
                scale: c.scalesEmbedding ? Float(c.width).squareRoot() : 1,
                padding: c.trainsPadding ? nil : c.padding, dropout: c.dropout, initial: tableInitial)
        }
        sourceEmbedding = embedding("sourceEmbedding", source)
        targetEmbedding = embedding("targetEmbedding", target)
        func relative(_ name: String, _ stack: StackShape) -> Parameter? {
            c.relativeBuckets.map { (scope / name).parameter("relative", [$0.buckets, stack.heads], .normal(0.02)) }
        }
        encoderRelative = relative("encoder", c.encoder)
        decoderRelative = relative("decoder", c.decoder)
        encoderBlocks = c.blocks(scope / "encoder", c.encoder, relative: encoderRelative, readsMemory: false)
        decoderBlocks = c.blocks(scope / "decoder", c.decoder, relative: decoderRelative, readsMemory: true)
        func finalNorm(_ name: String) -> Norm? {
            c.finalNorms ? Norm(scope / name, c.norm, width: c.width, epsilon: c.epsilon) : nil
        }
        encoderNorm = finalNorm("encoderNorm")
        decoderNorm = finalNorm("decoderNorm")
        head = c.tied ? target : scope.parameter("head", [c.vocabulary, c.width], tableInitial)
        headBias =
            switch c.logitsBias {
            case .none: nil
            case .constant: scope.constant("headBias", [1, c.vocabulary])
            case .learned: scope.parameter("headBias", [c.vocabulary], .zeros)
            }
    }

    /// Records the encoder's way from the ids of `source` to its answer, the memory `[rows, C]`.
    ///
    /// With `observing`, `encoder_hidden_states.N` (the last after a final norm) and `encoder_attentions.N` stay
    /// readable.
    public func encode(_ source: TokenBatch, in trace: Trace, observing: Bool = false) -> Tensor {
        var context = PassContext(source)
        if observing { context.attentionName = "encoder_attentions" }
        let x = sourceEmbedding(source, in: trace)
        return run(x, encoderBlocks, encoderNorm, context, observing ? "encoder_hidden_states" : nil)
    }

    /// Records the decoder's way from the ids of `target`, reading `memory` of the same sequences, to the states before
    /// the output matrix `[rows, C]`.
    public func decode(
        _ target: TokenBatch, reading memory: Tensor, of source: TokenBatch, in trace: Trace, observing: Bool = false
    ) -> Tensor {
        var context = PassContext(target)
        context.memory = memory
        context.memoryBatch = source
        if observing {
            context.attentionName = "decoder_attentions"
            context.crossAttentionName = "cross_attentions"
        }
        let x = targetEmbedding(target, in: trace)
        return run(x, decoderBlocks, decoderNorm, context, observing ? "decoder_hidden_states" : nil)
    }

    /// Records the same with the memory's keys and values from `store`, at the slots and of the lengths of `source`.
    public func decode(
        _ target: TokenBatch, stored store: any KeyValueStore, of source: TokenBatch, in trace: Trace
    ) -> Tensor {
        var context = PassContext(target)
        context.memoryStore = store
        context.memoryBatch = source
        return run(targetEmbedding(target, in: trace), decoderBlocks, decoderNorm, context, nil)
    }

    /// Records that the memory's keys and values of every layer go into `store`, once per source.
    public func keep(_ memory: Tensor, in store: any KeyValueStore, batch source: TokenBatch) {
        for block in decoderBlocks { block.crossAttention?.keep(memory, in: store, batch: source) }
    }

    private func run(
        _ start: Tensor, _ blocks: [Block], _ norm: Norm?, _ context: PassContext, _ name: String?
    ) -> Tensor {
        var x = start
        for (layer, block) in blocks.enumerated() {
            if let name { x.observed(as: "\(name).\(layer)") }
            x = block(x, context)
        }
        if let norm {
            x = norm(x)
            if configuration.dropsAfterNorm { x = x.dropped(configuration.dropout) }
        }
        if let name { x.observed(as: "\(name).\(blocks.count)") }
        return x
    }

    /// Records the logits of `states [rows, C]`: `[rows, V]`.
    public func logits(_ states: Tensor) -> Tensor { scaled(states).linear(head, headBias) }

    /// Records the cross-entropy of `states` against the batch's targets.
    public func loss(_ states: Tensor, targets: TokenBatch, smoothing: Float = 0) -> LossReadout {
        scaled(states).crossEntropy(
            head, headBias, targets: .rows(targets), smoothing: smoothing)
    }

    private func scaled(_ states: Tensor) -> Tensor {
        configuration.headScale == 1 ? states : states.scaled(by: configuration.headScale)
    }

    /// The same parameters with one dropout rate everywhere.
    public func withDropout(_ rate: Float) -> EncoderDecoder {
        var changed = configuration
        changed.dropout = rate
        changed.weightDropout = rate
        changed.innerDropout = rate
        // Declaring again in a scope of its own gives the same places, because places follow from the configuration.
        return ParameterLayout.declare { EncoderDecoder($0, changed) }.model
    }
}

extension EncoderDecoderConfiguration {
    /// T5 drops once more behind its final norms.
    var dropsAfterNorm: Bool { norm == .rootMeanSquare }

    fileprivate var initialTable: Initialiser {
        switch initial {
        case .normal(let deviation): .normal(deviation)
        case .glorot: .normal(1 / Float(max(width, 1)).squareRoot())
        }
    }

    fileprivate func initialMatrix(in columns: Int, out rows: Int) -> Initialiser {
        switch initial {
        case .normal(let deviation): .normal(deviation)
        case .glorot: .uniform((6 / Float(columns + rows)).squareRoot())
        }
    }

    fileprivate func blocks(
        _ scope: ParameterScope, _ stack: StackShape, relative: Parameter?, readsMemory: Bool
    ) -> [Block] {
        let scale: Float? = scalesScores ? nil : 1
        let square = initialMatrix(in: width, out: stack.heads * stack.headWidth)
        func norm(_ scope: ParameterScope) -> Norm { Norm(scope, self.norm, width: width, epsilon: epsilon) }
        return (0..<stack.layers).map { layer in
            let scope = scope / "blocks" / layer
            let bias = relative.flatMap { table in
                relativeBuckets.map {
                    RelativeBias(
                        table: table, maximumDistance: $0.maximumDistance, bidirectional: !readsMemory)
                }
            }
            let attention = Attention(
                scope / "attention", layer: layer, width: width,
                shape: AttentionShape(heads: stack.heads, width: stack.headWidth, scale: scale, causal: readsMemory),
                projectionBias: hasBias, outputBias: hasBias, rotary: rotary, bias: bias, weightDropout: weightDropout,
                dropout: dropout, initial: square, outputInitial: square)
            let cross =
                readsMemory
                ? Attention(
                    scope / "crossAttention", layer: layer, width: width, memoryWidth: width,
                    shape: AttentionShape(heads: stack.heads, width: stack.headWidth, scale: scale, causal: false),
                    projectionBias: hasBias, outputBias: hasBias, weightDropout: weightDropout, dropout: dropout,
                    initial: square, outputInitial: square) : nil
            return Block(
                placement: placement, attentionNorm: norm(scope / "attentionNorm"), attention: attention,
                crossNorm: readsMemory ? norm(scope / "crossNorm") : nil, crossAttention: cross,
                feedForwardNorm: norm(scope / "feedForwardNorm"),
                feedForward: FeedForward(
                    scope / "feedForward", width: width, inner: stack.inner, activation: activation, gated: gated,
                    bias: hasBias, dropout: dropout, innerDropout: innerDropout,
                    initial: initialMatrix(in: width, out: stack.inner),
                    outputInitial: initialMatrix(in: stack.inner, out: width)))
        }
    }
}
