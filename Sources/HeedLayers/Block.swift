import HeedTensor

/// Attention, perhaps attention to a memory, then a feed-forward layer, each with residual and normalisation.
///
/// `[rows, C] → [rows, C]`. All published blocks are values of this one.
public struct Block: Sendable {
    /// Where the block stands in the model.
    public let path: String
    /// Attention to the own sequence.
    public let attention: Attention
    /// The norms of attention's half.
    public let attentionNorm: HalfNorm
    /// Attention to a source, in the decoder of an encoder-decoder.
    public let crossAttention: Attention?
    /// The norms of its half.
    public let crossNorm: HalfNorm?
    /// The feed-forward layer, or several of which a token meets a few.
    public let feedForward: FeedForwardHalf
    /// The norms of its half.
    public let feedForwardNorm: HalfNorm
    private let order: HalfOrder

    /// Declares the parameters of block `layer` of a stack in `scope`.
    init(_ scope: ParameterScope, layer: Int, _ stack: StackShape, _ role: StackRole, relativeTable: Parameter?) {
        path = scope.path
        order = stack.order
        let readsMemory = role == .readsMemory
        func attention(_ name: String, readsMemory: Bool) -> Attention {
            Attention(
                scope / name, layer: layer, stack, readsMemory: readsMemory,
                relativeTable: readsMemory ? nil : relativeTable)
        }
        func norm(_ half: String) -> HalfNorm {
            HalfNorm(scope, half, stack, isThere: half != "attention" || layer > 0 || stack.firstNorm)
        }
        // The random numbers of a new model follow the order of declaration, which therefore stays as it was: attention
        // before its norm in stacks of an encoder-decoder, behind it elsewhere.
        if role == .alone {
            attentionNorm = norm("attention")
            self.attention = attention("attention", readsMemory: false)
            crossAttention = nil
        } else {
            self.attention = attention("attention", readsMemory: false)
            crossAttention = readsMemory ? attention("crossAttention", readsMemory: true) : nil
            attentionNorm = norm("attention")
        }
        crossNorm = readsMemory ? norm("cross") : nil
        feedForwardNorm = norm("feedForward")
        switch stack.feedForward[layer] ?? .dense {
        case .dense: feedForward = .dense(FeedForward(scope / "feedForward", stack))
        case .experts(let shape): feedForward = .experts(Experts(scope / "feedForward", shape, stack))
        }
    }

    /// Returns the stream after this block. Without a memory, the half that reads one is left out.
    public func callAsFunction(_ x: Tensor, _ context: PassContext) -> Tensor {
        let inTurn = order == .inTurn
        var stream = attentionNorm.half(x, onto: x) { attention($0, context, adding: $1) }
        if let crossNorm, let crossAttention, context.memory != nil {
            stream = crossNorm.half(inTurn ? stream : x, onto: stream) { crossAttention($0, context, adding: $1) }
        }
        return feedForwardNorm.half(inTurn ? stream : x, onto: stream) { feedForward($0, adding: $1) }
    }
}

/// The layer of a block's feed-forward half.
public enum FeedForwardHalf: Sendable {
    /// One layer for all tokens.
    case dense(FeedForward)
    /// Several, of which each token meets a few.
    case experts(Experts)

    /// The one layer, where there is one.
    public var dense: FeedForward? {
        if case .dense(let layer) = self { layer } else { nil }
    }

    /// Returns `residual` + the answer to `x`.
    func callAsFunction(_ x: Tensor, adding residual: Tensor?) -> Tensor {
        switch self {
        case .dense(let layer): layer(x, adding: residual)
        case .experts(let layer): layer(x, adding: residual)
        }
    }
}

/// The norms of one half of a block, where its stack wants them.
public struct HalfNorm: Sendable {
    /// Where they stand.
    public let placement: NormPlacement
    /// The half's norm, the first where there are two; nil where the half reads normalised rows anyway.
    public let norm: Norm?
    /// The norm of the half's answer, where norms stand around the half.
    public let answerNorm: Norm?

    init(_ scope: ParameterScope, _ half: String, _ stack: StackShape, isThere: Bool) {
        placement = stack.placement
        norm = isThere ? stack.norm(scope / (half + "Norm")) : nil
        answerNorm = placement == .around ? stack.norm(scope / (half + "AnswerNorm")) : nil
    }

    /// Returns `stream` + what `half` answers to `x`, normalised where the placement says; `stream` where it has no
    /// answer.
    func half(_ x: Tensor, onto stream: Tensor, _ half: (Tensor, Tensor?) -> Tensor?) -> Tensor {
        func normed(_ x: Tensor) -> Tensor { norm.map { $0(x) } ?? x }
        return switch placement {
        case .before: half(normed(x), stream) ?? stream
        case .after: half(x, stream).map { normed($0) } ?? stream
        case .answer: half(x, nil).map { stream + normed($0) } ?? stream
        case .around:
            half(normed(x), nil).map { answer in stream + (answerNorm.map { $0(answer) } ?? answer) } ?? stream
        }
    }
}
