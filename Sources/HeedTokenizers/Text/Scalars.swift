import HeedSupport

/// The length of the scalar at `at`: that of its UTF-8 sequence, and 1 for a byte that is no UTF-8.
@inline(__always)
func scalarLength(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int {
    if bytes[at] < 0x80 { return 1 }
    return max(utf8SequenceLength(bytes, at), 1)
}

/// The scalar at `at` and its length; a byte that is no UTF-8 gives U+FFFD of length 1.
@inline(__always)
func decodeScalar(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int) -> (Unicode.Scalar, Int) {
    let first = bytes[at]
    if first < 0x80 { return (Unicode.Scalar(first), 1) }
    let length = utf8SequenceLength(bytes, at)
    var value: UInt32
    switch length {
    case 2: value = UInt32(first & 0x1F) << 6 | UInt32(bytes[at + 1] & 0x3F)
    case 3:
        value = UInt32(first & 0x0F) << 12 | UInt32(bytes[at + 1] & 0x3F) << 6 | UInt32(bytes[at + 2] & 0x3F)
    case 4:
        value = UInt32(first & 0x07) << 18 | UInt32(bytes[at + 1] & 0x3F) << 12
        value |= UInt32(bytes[at + 2] & 0x3F) << 6 | UInt32(bytes[at + 3] & 0x3F)
    default: return ("\u{FFFD}", 1)
    }
    return (Unicode.Scalar(value) ?? "\u{FFFD}", length)
}

/// Appends a scalar in UTF-8; returns its length.
@discardableResult @inline(__always)
func appendScalar(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) -> Int {
    let value = scalar.value
    if value < 0x80 {
        bytes.append(UInt8(truncatingIfNeeded: value))
        return 1
    }
    if value < 0x800 {
        bytes.append(UInt8(truncatingIfNeeded: 0xC0 | value >> 6))
        bytes.append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        return 2
    }
    if value < 0x10000 {
        bytes.append(UInt8(truncatingIfNeeded: 0xE0 | value >> 12))
        bytes.append(UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F))
        bytes.append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        return 3
    }
    bytes.append(UInt8(truncatingIfNeeded: 0xF0 | value >> 18))
    bytes.append(UInt8(truncatingIfNeeded: 0x80 | value >> 12 & 0x3F))
    bytes.append(UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F))
    bytes.append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
    return 4
}

/// The place of the first byte that is no UTF-8, or nil where all are.
func firstBadByte(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
    var at = 0
    let count = text.count
    guard let base = text.baseAddress else { return nil }
    while at < count {
        if at + 8 <= count,
            UnsafeRawPointer(base + at).loadUnaligned(as: UInt64.self) & 0x8080_8080_8080_8080 == 0
        {
            at += 8
            continue
        }
        let length = utf8SequenceLength(text, at)
        if length == 0 { return at }
        at += length
    }
    return nil
}

/// The start of the character that holds the byte at `at`; `at` itself where the bytes are no UTF-8.
func characterStart(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int {
    guard at < text.count, text[at] & 0xC0 == 0x80 else { return at }
    var start = at
    while start > 0, at - start < 3, text[start] & 0xC0 == 0x80 { start -= 1 }
    return start + utf8SequenceLength(text, start) > at ? start : at
}

/// The end of the character that holds the byte before `at`; `at` itself where the bytes are no UTF-8.
func characterEnd(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int {
    guard at > 0, at < text.count, text[at] & 0xC0 == 0x80 else { return at }
    let start = characterStart(text, at)
    return start < at ? start + utf8SequenceLength(text, start) : at
}
