import CHeedKernels

/// How a cache stores keys and values.
///
/// Attention turns a tile of 64 tokens into fp32 before it reads it. Every token is rounded once, when it comes, so that
/// results depend on no chunk, batch or thread.
public enum CacheForm: String, Sendable, CaseIterable {
    /// 32-bit floats.
    case float32 = "f32"
    /// bfloat16, the nearest.
    case bfloat16 = "bf16"
    /// binary16, the nearest.
    case float16 = "f16"
    /// Bytes, with an fp32 scale for each token and head: the largest magnitude over 127.
    case int8

    /// The kernels' number for it.
    var code: Int32 {
        let form: heed_cache_form =
            switch self {
            case .float32: HEED_CACHE_F32
            case .bfloat16: HEED_CACHE_BF16
            case .float16: HEED_CACHE_F16
            case .int8: HEED_CACHE_INT8
            }
        return Int32(form.rawValue)
    }

    /// Bytes of one number, scales apart.
    public var bytesPerNumber: Int {
        switch self {
        case .float32: 4
        case .bfloat16, .float16: 2
        case .int8: 1
        }
    }

    /// Bytes of the keys and values of one token in one layer: `2 · heads · width · bytes`, and of int8 the scales,
    /// `2 · heads · 4`.
    public func bytesPerToken(heads: Int, width: Int) -> Int {
        2 * heads * (width * bytesPerNumber + (self == .int8 ? MemoryLayout<Float>.size : 0))
    }
}
