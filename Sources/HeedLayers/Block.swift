import HeedTensor

/// Where a block normalises.
public enum NormPlacement: Sendable, Equatable {
    /// `x + f(norm(x))`: GPT-2, LLaMA, T5.
    case before
    /// `norm(x + f(x))`: the original transformer, BERT.
    case after
}

/// Attention, perhaps attention to a memory, then a feed-forward layer, each with residual and normalisation.
///
/// `[rows, C] → [rows, C]`. All published blocks are values of this one.
public struct Block: Sendable {
    /// Whether the norms stand before the halves or behind them.
    public let placement: NormPlacement
    /// The norm of attention's half.
    public let attentionNorm: Norm
    /// Attention to the own sequence.
    public let attention: Attention
    /// Present when the block reads a memory.
    public let crossNorm: Norm?
    /// Attention to a source, in the decoder of an encoder-decoder.
    public let crossAttention: Attention?
    /// The norm of the feed-forward layer's half.
    public let feedForwardNorm: Norm
    /// The feed-forward layer.
    public let feedForward: FeedForward

    /// Declares the parameters of all halves in `scope`.
    public init(
        placement: NormPlacement, attentionNorm: Norm, attention: Attention, crossNorm: Norm? = nil,
        crossAttention: Attention? = nil, feedForwardNorm: Norm, feedForward: FeedForward
    ) {
        self.placement = placement
        self.attentionNorm = attentionNorm
        self.attention = attention
        self.crossNorm = crossNorm
        self.crossAttention = crossAttention
        self.feedForwardNorm = feedForwardNorm
        self.feedForward = feedForward
    }

    /// Returns the stream after this block.
    public func callAsFunction(_ x: Tensor, _ context: PassContext) -> Tensor {
        var x = residual(x, attentionNorm) { attention($0, context, adding: $1) }
        if let crossNorm, let crossAttention {
            x = residual(x, crossNorm) { crossAttention($0, context, adding: $1) }
        }
        return residual(x, feedForwardNorm) { feedForward($0, adding: $1) }
    }

    /// Each half reads the stream (normalised first, or its sum normalised after) and adds its answer back.
    private func residual(_ x: Tensor, _ norm: Norm, _ half: (Tensor, Tensor) -> Tensor) -> Tensor {
        switch placement {
        case .before: half(norm(x), x)
        case .after: norm(half(x, x))
        }
    }
}
