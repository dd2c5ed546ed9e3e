/// Turns `blocks` blocks of `type` into 32-bit floats, bit for bit as ggml's reference does on a processor that does
/// not fuse products with sums.
///
/// Source: `dequantize_row_*` in ggml-quants.c; `quants.py` of the gguf package gives the same numbers.
func dequantise(
    _ bytes: UnsafeRawPointer, _ type: ElementType, into output: UnsafeMutablePointer<Float>, blocks: Int
) {
    func each(_ body: (UnsafePointer<UInt8>, UnsafeMutablePointer<Float>) -> Void) {
        let (size, length) = (type.blockByteCount, type.blockLength)
        for block in 0..<blocks {
            body((bytes + block * size).assumingMemoryBound(to: UInt8.self), output + block * length)
        }
    }
    switch type {
    case .q4_0: each(SmallBlocks.q4_0)
    case .q4_1: each(SmallBlocks.q4_1)
    case .q5_0: each(SmallBlocks.q5_0)
    case .q5_1: each(SmallBlocks.q5_1)
    case .q8_0: each(SmallBlocks.q8_0)
    case .iq4NL: each(SmallBlocks.iq4NL)
    case .mxfp4: each(SmallBlocks.mxfp4)
    case .q2K: each(LargeBlocks.q2K)
    case .q3K: each(LargeBlocks.q3K)
    case .q4K: each(LargeBlocks.q4K)
    case .q5K: each(LargeBlocks.q5K)
    case .q6K: each(LargeBlocks.q6K)
    case .iq4XS: each(LargeBlocks.iq4XS)
    default: break  // plain types have no blocks
    }
}

/// The binary16 at `bytes`.
@inline(__always)
func half(_ bytes: UnsafePointer<UInt8>) -> Float {
    NumberFormats.float(binary16: UnsafeRawPointer(bytes).loadUnaligned(as: UInt16.self))
}

/// Blocks of 32: low halves of the bytes hold elements 0 to 15, high halves 16 to 31.
enum SmallBlocks {
    /// Sixteen signed bytes in two words, so that a look-up is a shift and not a visit to memory.
    struct Table {
        let low: UInt64
        let high: UInt64

        @inline(__always)
        subscript(place: UInt8) -> Float {
            let word = place < 8 ? low : high
            return Float(Int8(truncatingIfNeeded: word >> UInt64(8 * (place & 7))))
        }
    }

    /// The steps of the non-linear four-bit types: -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113.
    static let steps = Table(low: 0xF6EA_DDCF_BFAD_9881, high: 0x7159_4535_2619_0D01)

    /// Twice the values of E2M1, the four-bit float of MXFP4: 0 1 2 3 4 6 8 12, and their negatives.
    static let doubledFloats = Table(low: 0x0C08_0604_0302_0100, high: 0xF4F8_FAFC_FDFE_FF00)

    /// `d` f16, 16 bytes: `d · (q − 8)`.
    @inline(__always)
    static func q4_0(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let scale = half(block)
        let quants = block + 2
        for index in 0..<16 {
            output[index] = Float(Int32(quants[index] & 15) - 8) * scale
            output[index + 16] = Float(Int32(quants[index] >> 4) - 8) * scale
        }
    }

    /// `d` f16, `m` f16, 16 bytes: `d · q + m`.
    @inline(__always)
    static func q4_1(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let (scale, lowest) = (half(block), half(block + 2))
        let quants = block + 4
        for index in 0..<16 {
            output[index] = Float(quants[index] & 15) * scale + lowest
            output[index + 16] = Float(quants[index] >> 4) * scale + lowest
        }
    }

    /// `d` f16, the fifth bits u32, 16 bytes: `d · (q − 16)`.
    @inline(__always)
    static func q5_0(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let scale = half(block)
        let high = UnsafeRawPointer(block + 2).loadUnaligned(as: UInt32.self)
        let quants = block + 6
        for index in 0..<16 {
            let low = Int32(quants[index] & 15) | Int32(high >> UInt32(index) & 1) << 4
            let upper = Int32(quants[index] >> 4) | Int32(high >> UInt32(index + 16) & 1) << 4
            output[index] = Float(low - 16) * scale
            output[index + 16] = Float(upper - 16) * scale
        }
    }

    /// `d` f16, `m` f16, the fifth bits u32, 16 bytes: `d · q + m`.
    @inline(__always)
    static func q5_1(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let (scale, lowest) = (half(block), half(block + 2))
        let high = UnsafeRawPointer(block + 4).loadUnaligned(as: UInt32.self)
        let quants = block + 8
        for index in 0..<16 {
            let low = Int32(quants[index] & 15) | Int32(high >> UInt32(index) & 1) << 4
            let upper = Int32(quants[index] >> 4) | Int32(high >> UInt32(index + 16) & 1) << 4
            output[index] = Float(low) * scale + lowest
            output[index + 16] = Float(upper) * scale + lowest
        }
    }

    /// `d` f16, 32 signed bytes: `d · q`.
    @inline(__always)
    static func q8_0(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let scale = half(block)
        let quants = block + 2
        for index in 0..<32 { output[index] = Float(Int8(bitPattern: quants[index])) * scale }
    }

    /// `d` f16, 16 bytes: `d · step[q]`.
    @inline(__always)
    static func iq4NL(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        lookUp(steps, block + 2, half(block), output)
    }

    /// The scale's exponent, 16 bytes: `2^(e − 128) · 2 · E2M1[q]`.
    @inline(__always)
    static func mxfp4(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let exponent = UInt32(block[0])
        // Half of 2^(e − 127), because the table is doubled; the lowest two are subnormal.
        let bits = exponent < 2 ? 0x0020_0000 << exponent : (exponent - 1) << 23
        lookUp(doubledFloats, block + 1, Float(bitPattern: bits), output)
    }

    /// Sixteen bytes of two places in a table each, times a scale.
    @inline(__always)
    static func lookUp(
        _ table: Table, _ quants: UnsafePointer<UInt8>, _ scale: Float,
        _ output: UnsafeMutablePointer<Float>
    ) {
        for index in 0..<16 {
            output[index] = table[quants[index] & 15] * scale
            output[index + 16] = table[quants[index] >> 4] * scale
        }
    }
}

/// Blocks of 256: scales of groups of 16 or 32 are themselves quantised under the block's own.
enum LargeBlocks {
    /// 16 bytes of scale and minimum, 64 bytes of two-bit quants, `d` f16, `dmin` f16: `d · s · q − dmin · m`.
    @inline(__always)
    static func q2K(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let (scale, minimum) = (half(block + 80), half(block + 82))
        for group in 0..<16 {
            let low = scale * Float(block[group] & 15)
            let offset = minimum * Float(block[group] >> 4)
            // Groups of 16 come in pairs that share 32 bytes and a shift; four pairs share the bytes.
            let quants = block + 16 + 32 * (group / 8) + 16 * (group % 2)
            let shift = UInt8(2 * (group % 8 / 2))
            for index in 0..<16 {
                output[16 * group + index] = low * Float(quants[index] >> shift & 3) - offset
            }
        }
    }

    /// 32 bytes of third bits, 64 bytes of two-bit quants, 12 bytes of scales, `d` f16: `d · (s − 32) · (q − 4)`, 4
    /// taken away where the third bit is clear.
    @inline(__always)
    static func q3K(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let scale = half(block + 108)
        let scales = block + 96
        for group in 0..<16 {
            // Four low bits in bytes 0 to 7, low halves first; two high bits in bytes 8 to 11.
            let low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4
            let high = scales[8 + group % 4] >> UInt8(2 * (group / 4)) & 3
            let factor = scale * Float(Int32(low | high << 4) - 32)
            let quants = block + 32 + 32 * (group / 8) + 16 * (group % 2)
            let thirds = block + 16 * (group % 2)
            let shift = UInt8(2 * (group % 8 / 2))
            let bit = UInt8(1) << UInt8(group / 2)
            for index in 0..<16 {
                let quant = Int32(quants[index] >> shift & 3) - (thirds[index] & bit != 0 ? 0 : 4)
                output[16 * group + index] = factor * Float(quant)
            }
        }
    }

    /// The six-bit scale and minimum of group `group` of 32, from 12 bytes.
    @inline(__always)
    static func scaleAndMinimum(_ scales: UnsafePointer<UInt8>, _ group: Int) -> (scale: UInt8, minimum: UInt8) {
        if group < 4 { return (scales[group] & 63, scales[group + 4] & 63) }
        return (
            scales[group + 4] & 15 | (scales[group - 4] >> 6) << 4, scales[group + 4] >> 4 | (scales[group] >> 6) << 4
        )
    }

    /// `d` f16, `dmin` f16, 12 bytes of scales and minima, 128 bytes: `d · s · q − dmin · m`.
    @inline(__always)
    static func q4K(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let (scale, minimum) = (half(block), half(block + 2))
        for pair in 0..<4 {
            let quants = block + 16 + 32 * pair
            let target = output + 64 * pair
            let first = scaleAndMinimum(block + 4, 2 * pair)
            let second = scaleAndMinimum(block + 4, 2 * pair + 1)
            let (firstScale, firstOffset) = (scale * Float(first.scale), minimum * Float(first.minimum))
            let (secondScale, secondOffset) = (scale * Float(second.scale), minimum * Float(second.minimum))
            for index in 0..<32 { target[index] = firstScale * Float(quants[index] & 15) - firstOffset }
            for index in 0..<32 { target[index + 32] = secondScale * Float(quants[index] >> 4) - secondOffset }
        }
    }

    /// `d` f16, `dmin` f16, 12 bytes of scales and minima, 32 bytes of fifth bits, 128 bytes: as `q4K`.
    @inline(__always)
    static func q5K(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let (scale, minimum) = (half(block), half(block + 2))
        let fifths = block + 16
        for pair in 0..<4 {
            let quants = block + 48 + 32 * pair
            let target = output + 64 * pair
            let first = scaleAndMinimum(block + 4, 2 * pair)
            let second = scaleAndMinimum(block + 4, 2 * pair + 1)
            let (firstScale, firstOffset) = (scale * Float(first.scale), minimum * Float(first.minimum))
            let (secondScale, secondOffset) = (scale * Float(second.scale), minimum * Float(second.minimum))
            let shift = UInt8(2 * pair)
            for index in 0..<32 {
                let quant = quants[index] & 15 | (fifths[index] >> shift & 1) << 4
                target[index] = firstScale * Float(quant) - firstOffset
            }
            for index in 0..<32 {
                let quant = quants[index] >> 4 | (fifths[index] >> (shift + 1) & 1) << 4
                target[index + 32] = secondScale * Float(quant) - secondOffset
            }
        }
    }

    /// 128 bytes of four low bits, 64 bytes of two high bits, 16 signed scales, `d` f16: `d · s · (q − 32)`.
    @inline(__always)
    static func q6K(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let scale = half(block + 208)
        for part in 0..<2 {
            let (low, high) = (block + 64 * part, block + 128 + 32 * part)
            for quarter in 0..<4 {
                for side in 0..<2 {
                    let group = 8 * part + 2 * quarter + side
                    let factor = scale * Float(Int8(bitPattern: block[192 + group]))
                    let lower = low + 32 * (quarter % 2) + 16 * side
                    let upper = high + 16 * side
                    let target = output + 16 * group
                    let (lowShift, highShift) = (UInt8(4 * (quarter / 2)), UInt8(2 * quarter))
                    for index in 0..<16 {
                        let quant = lower[index] >> lowShift & 15 | (upper[index] >> highShift & 3) << 4
                        target[index] = factor * Float(Int32(quant) - 32)
                    }
                }
            }
        }
    }

    /// `d` f16, two high bits of eight scales u16, four low bits in 4 bytes, 128 bytes: `d · (s − 32) · step[q]`.
    @inline(__always)
    static func iq4XS(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let scale = half(block)
        let high = UnsafeRawPointer(block + 2).loadUnaligned(as: UInt16.self)
        for group in 0..<8 {
            let low = block[4 + group / 2] >> UInt8(4 * (group % 2)) & 15
            let whole = Int32(low) | Int32(high >> UInt16(2 * group) & 3) << 4
            SmallBlocks.lookUp(
                SmallBlocks.steps, block + 8 + 16 * group, scale * Float(whole - 32), output + 32 * group)
        }
    }
}
