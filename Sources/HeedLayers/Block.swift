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
    /// The feed-forward layer.
    public let feedForward: FeedForward
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
        func norm(_ half: String) -> HalfNorm { HalfNorm(scope, half, stack) }
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
        feedForward = FeedForward(scope / "feedForward", stack)
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

/// The norms of one half of a block, where its stack wants them.
public struct HalfNorm: Sendable {
    /// Where they stand.
    public let placement: NormPlacement
    /// The half's norm, the first where there are two.
    public let norm: Norm
    /// The norm of the half's answer, where norms stand around the half.
    public let answerNorm: Norm?

    init(_ scope: ParameterScope, _ half: String, _ stack: StackShape) {
        placement = stack.placement
        norm = Norm(scope / (half + "Norm"), stack.norm, width: stack.width, epsilon: stack.epsilon)
        answerNorm =
            placement == .around
            ? Norm(scope / (half + "AnswerNorm"), stack.norm, width: stack.width, epsilon: stack.epsilon) : nil
    }

    /// Returns `stream` + what `half` answers to `x`, normalised where the placement says; `stream` where it has no
    /// answer.
    func half(_ x: Tensor, onto stream: Tensor, _ half: (Tensor, Tensor?) -> Tensor?) -> Tensor {
        switch placement {
        case .before: half(norm(x), stream) ?? stream
        case .after: half(x, stream).map { norm($0) } ?? stream
        case .answer: half(x, nil).map { stream + norm($0) } ?? stream
        case .around:
            half(norm(x), nil).map { answer in stream + (answerNorm.map { $0(answer) } ?? answer) } ?? stream
        }
    }
}
