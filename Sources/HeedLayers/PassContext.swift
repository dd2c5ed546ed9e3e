import HeedTensor

/// What the layers of one stack share during a recording: the batch, the memory it reads, where it remembers.
public struct PassContext {
    /// The tokens whose rows flow through the stack.
    public var batch: TokenBatch
    /// The encoder's answer, when the stack reads one.
    public var memory: Tensor?
    /// The tokens of the memory's rows.
    public var memoryBatch: TokenBatch?
    /// Keys and values of the memory by layer, computed once per source; then `memory` is nil.
    public var memoryStore: (any KeyValueStore)?
    /// Names under which attention weights of layer N are observed: `prefix.N`.
    public var attentionName: String?
    /// As `attentionName`, for the attention that reads the memory.
    public var crossAttentionName: String?

    /// A pass over `batch` without a source.
    public init(_ batch: TokenBatch) { self.batch = batch }
}
