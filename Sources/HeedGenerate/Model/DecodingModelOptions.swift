import HeedTensor

/// What a decoder remembers between passes.
public enum CacheKind: String, Sendable, CaseIterable {
    /// Keys and values of all tokens, in single precision.
    case float32 = "f32"
    /// Nothing: every pass computes all tokens again. For comparison.
    case none
}

/// How a model is run for generation.
public struct DecodingModelOptions: Sendable, Equatable {
    /// The number format of products.
    public var precision = Precision.float32
    /// What is remembered between passes.
    public var cache = CacheKind.float32
    /// How many ids of prompts one pass reads at most.
    public var promptChunk = 512

    /// The usual way.
    public init() {}
}
