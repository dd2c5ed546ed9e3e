/// A 64-bit hash of a byte string, for tables inside this module: fast on short strings, the same in every run.
@inline(__always)
func hashBytes(_ start: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    let raw = UnsafeRawPointer(start)
    var state = 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: count)
    if count >= 8 {
        var at = 0
        while at + 8 < count {
            state = mixBits(state ^ raw.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            at += 8
        }
        return mixBits(state ^ raw.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
    }
    return mixBits(state ^ loadShort(start, count))
}

/// The first `count` bytes, fewer than 8, as a little-endian number.
@inline(__always)
func loadShort(_ start: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    let raw = UnsafeRawPointer(start)
    if count >= 4 {
        let low = UInt64(raw.loadUnaligned(as: UInt32.self))
        let high = UInt64(raw.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
        return low | high << UInt64(8 * (count - 4))
    }
    if count == 0 { return 0 }
    let first = UInt64(start[0])
    let middle = UInt64(start[count / 2])
    let last = UInt64(start[count - 1])
    return first | middle << UInt64(8 * (count / 2)) | last << UInt64(8 * (count - 1))
}

/// Spreads every bit over the whole word: both halves of a 128-bit product.
@inline(__always)
func mixBits(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
    return product.high ^ product.low
}
