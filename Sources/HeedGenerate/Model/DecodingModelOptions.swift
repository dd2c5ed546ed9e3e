import HeedProcessor
import HeedTensor

/// What a decoder remembers between passes.
public enum CacheKind: String, Sendable, CaseIterable {
    /// Keys and values of all tokens that are still seen, as 32-bit floats.
    case float32 = "f32"
    /// The same as bfloat16.
    case bfloat16 = "bf16"
    /// The same as binary16.
    case float16 = "f16"
    /// The same as bytes, with a scale for each token and head.
    case int8
    /// Nothing: every pass computes all tokens again. For comparison.
    case none

    /// How keys and values are stored; nil where none are.
    public var form: CacheForm? { CacheForm(rawValue: rawValue) }
}

/// How a model is run for generation.
public struct DecodingModelOptions: Sendable, Equatable {
    /// The number format of products.
    public var precision = Precision.float32
    /// What is remembered between passes.
    public var cache = CacheKind.float32
    /// How many ids of prompts one pass reads at most.
    public var promptChunk = 512
    /// Whether the states before the output matrix stay readable, as contrastive search needs them.
    public var keepsStates = false

    /// The usual way.
    public init() {}
}
