import CHeedKernels

/// The block types that can be written.
extension ElementType {
    /// Whether numbers can be rounded to this type.
    public var canBeWritten: Bool {
        switch self {
        case .f64, .f32, .f16, .bf16, .q8_0, .q4_0, .q4K, .q6K: true
        default: false
        }
    }
}

/// Rounds `blocks` blocks of finite numbers to `type`, bit for bit as ggml's reference does on a processor that does
/// not fuse products with sums.
///
/// Returns: false where a scale is beyond binary16, so that the blocks hold no numbers.
/// Source: `quantize_row_*_ref` in ggml-quants.c.
func quantise(
    _ values: UnsafePointer<Float>, _ type: ElementType, into output: UnsafeMutablePointer<UInt8>, blocks: Int
) -> Bool {
    var fits = true
    for block in 0..<blocks {
        let source = values + block * type.blockLength
        let target = output + block * type.blockByteCount
        switch type {
        case .q8_0: fits = quantise8(source, target) && fits
        case .q4_0: fits = quantise4(source, target) && fits
        case .q4K: fits = heed_quantise_q4k(source, target) != 0 && fits
        case .q6K: fits = heed_quantise_q6k(source, target) != 0 && fits
        default: return false
        }
    }
    return fits
}

/// Stores a binary16 and tells whether the value fits.
func store(half value: Float, _ target: UnsafeMutablePointer<UInt8>) -> Bool {
    let bits = NumberFormats.binary16(value)
    UnsafeMutableRawPointer(target).storeBytes(of: bits.littleEndian, as: UInt16.self)
    return bits & 0x7C00 != 0x7C00
}

/// A whole number as the processor converts one: what does not fit is 0 here, where C leaves it open.
func whole(_ value: Float) -> Int32 { abs(value) < 0x1p31 ? Int32(value) : 0 }

/// `d = largest / 127`, quants rounded to nearest, ties away from zero.
private func quantise8(_ values: UnsafePointer<Float>, _ block: UnsafeMutablePointer<UInt8>) -> Bool {
    var largest: Float = 0
    for index in 0..<32 { largest = max(largest, abs(values[index])) }
    let scale = largest / 127
    let inverse = scale != 0 ? 1 / scale : 0
    for index in 0..<32 {
        let quant = whole((values[index] * inverse).rounded(.toNearestOrAwayFromZero))
        block[2 + index] = UInt8(bitPattern: Int8(truncatingIfNeeded: quant))
    }
    return store(half: scale, block)
}

/// `d = v / −8` with `v` the value of the largest magnitude, so that it is hit exactly.
private func quantise4(_ values: UnsafePointer<Float>, _ block: UnsafeMutablePointer<UInt8>) -> Bool {
    var (largest, extreme): (Float, Float) = (0, 0)
    for index in 0..<32 where largest < abs(values[index]) {
        largest = abs(values[index])
        extreme = values[index]
    }
    let scale = extreme / -8
    let inverse = scale != 0 ? 1 / scale : 0
    func quant(_ value: Float) -> UInt8 {
        UInt8(truncatingIfNeeded: min(15, Int32(Int8(truncatingIfNeeded: whole(value * inverse + 8.5)))))
    }
    for index in 0..<16 { block[2 + index] = quant(values[index]) | quant(values[index + 16]) << 4 }
    return store(half: scale, block)
}
