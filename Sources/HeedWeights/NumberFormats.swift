/// The number formats of files that the language has no portable type for.
public enum NumberFormats {
    /// The value of a bfloat16: the upper half of a binary32.
    @inline(__always)
    public static func float(bfloat16 bits: UInt16) -> Float {
        Float(bitPattern: UInt32(bits) << 16)
    }

    /// The nearest bfloat16, ties to even; infinities stay, and a NaN stays a NaN.
    @inline(__always)
    public static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
        // Adding 0x7FFF plus the lowest kept bit carries into the kept half exactly where rounding is upwards.
        return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }

    /// The value of an OCP E4M3: bias 7, no infinity, NaN where all bits but the sign are set.
    @inline(__always)
    public static func float(e4m3 bits: UInt8) -> Float {
        let sign = UInt32(bits & 0x80) << 24
        let magnitude = UInt32(bits & 0x7F)
        if magnitude == 0x7F { return Float(bitPattern: sign | 0x7FC0_0000) }
        // Below 2^-6 the unit is 2^-9; above, only the bias changes, from 7 to 127.
        let value =
            magnitude < 8 ? Float(magnitude) * 0x1p-9 : Float(bitPattern: (magnitude << 20) &+ 0x3C00_0000)
        return Float(bitPattern: value.bitPattern | sign)
    }

    /// The value of an OCP E5M2: the upper half of a binary16.
    @inline(__always)
    public static func float(e5m2 bits: UInt8) -> Float { float(binary16: UInt16(bits) << 8) }

    /// The value of an IEEE 754 binary16.
    @inline(__always)
    public static func float(binary16 bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let magnitude = UInt32(bits & 0x7FFF)
        if magnitude >= 0x7C00 { return Float(bitPattern: sign | 0x7F80_0000 | (magnitude & 0x3FF) << 13) }
        // Below 2^-14 the unit is 2^-24; above, only the bias changes, from 15 to 127.
        let value =
            magnitude < 0x400
            ? Float(magnitude) * 0x1p-24 : Float(bitPattern: (magnitude << 13) &+ 0x3800_0000)
        return Float(bitPattern: value.bitPattern | sign)
    }

    /// The nearest IEEE 754 binary16, ties to even; values from 65,520 on become infinite.
    @inline(__always)
    public static func binary16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
        let magnitude = bits & 0x7FFF_FFFF
        if magnitude > 0x7F80_0000 { return sign | 0x7E00 }
        if magnitude >= 0x477F_F000 { return sign | 0x7C00 }
        if magnitude < 0x3880_0000 {
            // Below 2^-14 the unit is 2^-24: adding 0.5 leaves exactly that unit in the lowest bit of the sum.
            let rounded = Float(bitPattern: magnitude) + 0.5
            return sign | UInt16(truncatingIfNeeded: rounded.bitPattern &- 0x3F00_0000)
        }
        let rebiased = magnitude &- 0x3800_0000
        return sign | UInt16(truncatingIfNeeded: (rebiased &+ 0xFFF &+ (rebiased >> 13 & 1)) >> 13)
    }
}
