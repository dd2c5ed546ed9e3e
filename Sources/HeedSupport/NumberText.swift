/// Reading numbers from their decimal text.
enum NumberText {
    /// The integer of `-?[0-9]+`, or nil where it does not fit.
    static func integer(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
        var at = 0
        let negative = !text.isEmpty && text[0] == UInt8(ascii: "-")
        if negative { at = 1 }
        guard at < text.count else { return nil }
        var value = 0
        while at < text.count {
            let digit = Int(text[at] &- 0x30)
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowed) = product.subtractingReportingOverflow(digit)
            if overflow || overflowed { return nil }
            value = sum
            at += 1
        }
        if negative { return value }
        return value == Int.min ? nil : -value
    }

    /// The nearest `Double` of a JSON number, correctly rounded.
    ///
    /// Up to 19 digits with a small power of ten are exact in one operation when digits and power both fit a
    /// `Double` (Clinger 1990); all others go through the standard library.
    static func double(_ text: UnsafeBufferPointer<UInt8>) -> Double {
        var mantissa: UInt64 = 0
        var digits = 0
        var exponent = 0
        var at = 0
        var afterPoint = false
        let negative = !text.isEmpty && text[0] == UInt8(ascii: "-")
        if negative { at = 1 }
        while at < text.count, digits <= 18 {
            let byte = text[at]
            if byte == UInt8(ascii: ".") {
                afterPoint = true
            } else if byte &- 0x30 < 10 {
                mantissa = mantissa &* 10 &+ UInt64(byte &- 0x30)
                if mantissa != 0 { digits += 1 }
                if afterPoint { exponent -= 1 }
            } else {
                break
            }
            at += 1
        }
        if at == text.count, mantissa <= 1 << 53, exponent >= -22 {
            let value = Double(mantissa) / powers[-exponent]
            return negative ? -value : value
        }
        return Double(String(decoding: text, as: UTF8.self)) ?? .infinity
    }

    /// The number as `serde_json` reads it without its `float_roundtrip` feature: digits as one integer, rounded, divided
    /// by a power of ten, rounded again. It can be one unit in the last place off; files of programs in Rust were
    /// written and compared under this reading.
    static func twiceRounded(_ text: UnsafeBufferPointer<UInt8>) -> Double {
        var mantissa: UInt64 = 0
        var exponent = 0
        var at = 0
        var afterPoint = false
        var isFull = false
        let negative = !text.isEmpty && text[0] == UInt8(ascii: "-")
        if negative { at = 1 }
        while at < text.count {
            let byte = text[at]
            if byte == UInt8(ascii: ".") {
                afterPoint = true
            } else if byte &- 0x30 < 10 {
                if isFull {
                    at += 1
                    continue
                }
                let (product, overflow) = mantissa.multipliedReportingOverflow(by: 10)
                let (sum, overflowed) = product.addingReportingOverflow(UInt64(byte &- 0x30))
                if overflow || overflowed {
                    // Digits that do not fit are dropped after the point; before it they are rare enough to be exact.
                    if !afterPoint { return double(text) }
                    isFull = true
                } else {
                    mantissa = sum
                    if afterPoint { exponent -= 1 }
                }
            } else {
                return double(text)
            }
            at += 1
        }
        guard exponent >= -22 else { return double(text) }
        let value = Double(mantissa) / powers[-exponent]
        return negative ? -value : value
    }

    /// Whether the text is too short, or its exponent too small, for the number to overflow.
    static func isSurelyFinite(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard text.count < 200 else { return false }
        guard let mark = text.firstIndex(where: { $0 | 0x20 == UInt8(ascii: "e") }) else { return true }
        let exponent = text.count - mark - 1
        return exponent <= 2 || (exponent == 3 && text[mark + 1] == UInt8(ascii: "-"))
    }

    private static let powers: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]
}
