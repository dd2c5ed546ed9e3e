import HeedTensor

/// Multi-head attention: `out = W_O · concat over heads of softmax(q kᵀ · scale) v` (Vaswani et al. 2017, section 3.2).
///
/// Grouped heads, rotary positions, relative biases and reading from a memory are values of this one layer. The
/// projections of queries, keys and values are one matrix (or, for a memory, one for queries and one for keys and
/// values), because three narrow products are slower than a wide one; checkpoints name their parts separately.
public struct Attention: Sendable {
    /// What a head may see and how it scores.
    public let shape: AttentionShape
    /// q | k | v of the stream, or only q when a memory is read: [(H + 2·Hₖ)·width, C] or [H·width, C].
    public let projection: Linear
    /// k | v of the memory: [2·Hₖ·width, C], or nil for self-attention.
    public let memoryProjection: Linear?
    /// `W_O` [C, H·width].
    public let output: Linear
    /// Turns queries and keys by their positions, where the model has rotary positions.
    public let rotary: RotaryPositions?
    /// Offsets on scores by distance, where the model has them.
    public let bias: RelativeBias?
    /// Rates of dropout on the attention weights and on the answer.
    public let weightDropout: Float
    /// Rate at which attention weights are dropped in training.
    public let dropout: Float
    private let layer: Int

    /// Declares the projections in `scope`.
    public init(
        _ scope: ParameterScope, layer: Int, width: Int, memoryWidth: Int? = nil, shape: AttentionShape,
        projectionBias: Bool = true, outputBias: Bool = true, rotary: RotaryPositions? = nil,
        bias: RelativeBias? = nil, weightDropout: Float = 0, dropout: Float = 0,
        initial: Initialiser = .normal(0.02), outputInitial: Initialiser = .normal(0.02)
    ) {
        self.layer = layer
        self.shape = shape
        self.rotary = rotary
        self.bias = bias
        self.weightDropout = weightDropout
        self.dropout = dropout
        let queries = shape.heads * shape.width
        let keys = 2 * shape.keyHeads * shape.width
        if let memoryWidth {
            projection = Linear(scope / "query", in: width, out: queries, bias: projectionBias, initial: initial)
            memoryProjection = Linear(
                scope / "memory", in: memoryWidth, out: keys, bias: projectionBias, initial: initial)
        } else {
            projection = Linear(
                scope / "projection", in: width, out: queries + keys, bias: projectionBias, initial: initial)
            memoryProjection = nil
        }
        output = Linear(scope / "output", in: queries, out: width, bias: outputBias, initial: outputInitial)
    }

    /// Returns `residual` + the answer to `x [rows, C]`.
    public func callAsFunction(_ x: Tensor, _ context: PassContext, adding residual: Tensor?) -> Tensor {
        let answer: Tensor  // [rows, H·width]
        if let memoryProjection {
            let q = projection(x)
            if let memory = context.memory, let memoryBatch = context.memoryBatch {
                let kv = memoryProjection(memory)  // [memory rows, 2·Hₖ·width]
                answer = q.attending(
                    to: kv, shape, batch: context.batch, memoryBatch: memoryBatch, dropout: weightDropout,
                    observedAs: context.crossAttentionName.map { "\($0).\(layer)" })
            } else if let store = context.memoryStore, let memoryBatch = context.memoryBatch {
                answer = q.attending(
                    toStored: store, layer: layer, shape, batch: context.batch, memoryBatch: memoryBatch)
            } else {
                answer = q
            }
        } else {
            var qkv = projection(x)  // [rows, (H + 2·Hₖ)·width]
            if let rotary {
                qkv = qkv.rotated(
                    context.batch, rotary, heads: shape.heads + shape.keyHeads, width: shape.width)
            }
            answer = qkv.attending(
                shape, batch: context.batch, layer: layer, bias: bias, dropout: weightDropout,
                observedAs: context.attentionName.map { "\($0).\(layer)" })
        }
        return output.answering(answer, adding: residual, dropout: dropout)
    }

    /// Puts the memory's keys and values into `store`, once per source.
    public func keep(_ memory: Tensor, in store: any KeyValueStore, batch: TokenBatch) {
        guard let memoryProjection else { return }
        memoryProjection(memory).stored(in: store, layer: layer, shape: shape, batch: batch)
    }
}

extension Linear {
    /// Returns `residual + dropped(x · Wᵀ + b)`: in one operation when nothing is dropped.
    func answering(_ x: Tensor, adding residual: Tensor?, dropout: Float) -> Tensor {
        guard dropout > 0 else { return self(x, adding: residual) }
        return self(x).dropped(dropout, adding: residual)
    }
}
