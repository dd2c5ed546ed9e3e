/// A float as Python's `repr` writes it: the fewest digits that read back, exponents below 1e-4 and from 1e16.
func floatText(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    let sign = value.sign == .minus ? "-" : ""
    if value == 0 { return sign + "0.0" }
    let (digits, exponent) = shortestDigits(value.magnitude)
    // The value is 0.d₁d₂d₃… · 10^exponent.
    if exponent > -4, exponent <= 16 {
        if exponent <= 0 { return sign + "0." + String(repeating: "0", count: -exponent) + digits }
        if digits.utf8.count <= exponent {
            return sign + digits + String(repeating: "0", count: exponent - digits.utf8.count) + ".0"
        }
        return sign + digits.prefix(exponent) + "." + digits.dropFirst(exponent)
    }
    let power = exponent - 1
    let fraction = digits.utf8.count > 1 ? "." + digits.dropFirst() : ""
    let powerText = (power.magnitude < 10 ? "0" : "") + String(power.magnitude)
    return sign + digits.prefix(1) + fraction + "e" + (power < 0 ? "-" : "+") + powerText
}

/// The fewest digits that read back to a positive value, and the exponent e of 0.digits · 10ᵉ.
func shortestDigits(_ value: Double) -> (digits: String, exponent: Int) {
    let text = Array(value.description.utf8)
    let mark = text.firstIndex { $0 | 0x20 == UInt8(ascii: "e") } ?? text.count
    let power = Int(String(decoding: text[min(mark + 1, text.count)...], as: UTF8.self)) ?? 0
    let mantissa = text[..<mark]
    let point = mantissa.firstIndex(of: UInt8(ascii: ".")) ?? mark
    var digits = mantissa.filter { $0 != UInt8(ascii: ".") }
    var exponent = point + power
    let zeros = digits.prefix { $0 == 0x30 }.count
    digits.removeFirst(zeros)
    exponent -= zeros
    while digits.last == 0x30 { digits.removeLast() }
    return (String(decoding: digits, as: UTF8.self), exponent)
}
