import HeedTensor

/// The memory that a stack reads beside its own sequence.
public enum Memory {
    /// The encoder's answer `[memory rows, C]`, and the tokens of its rows.
    case states(Tensor, of: TokenBatch)
    /// Keys and values of every layer, computed once per source. Each sequence of the batch is the rows that read one
    /// slot of the cache.
    case cached(KeyValueCache, readers: TokenBatch)
}

/// Under which names a stack's values stay readable after a pass.
public struct ObservedNames: Sendable {
    /// `states.N` is the input of block N.
    public var states: String
    /// `attention.N` are the weights of layer N.
    public var attention: String
    /// The same for the attention that reads the memory.
    public var memoryAttention: String?

    /// Names for one stack.
    public init(states: String, attention: String, memoryAttention: String? = nil) {
        self.states = states
        self.attention = attention
        self.memoryAttention = memoryAttention
    }
}

/// What the layers of one stack share during a recording.
public struct PassContext {
    /// The tokens whose rows flow through the stack.
    public let batch: TokenBatch
    /// What the stack reads beside them.
    public let memory: Memory?
    /// Under which names values stay readable; nil: none do.
    public let names: ObservedNames?

    /// A pass over `batch`.
    public init(_ batch: TokenBatch, memory: Memory? = nil, names: ObservedNames? = nil) {
        self.batch = batch
        self.memory = memory
        self.names = names
    }
}
