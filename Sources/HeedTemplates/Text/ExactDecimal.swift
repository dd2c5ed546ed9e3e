/// All decimal digits of a float, which are finitely many: value = 0.d₁d₂d₃… · 10^exponent.
///
/// Cost: some thousand operations for the smallest floats.
struct ExactDecimal {
    /// Digits 0...9; empty for zero. The first is not 0.
    private(set) var digits: [UInt8]
    private(set) var exponent: Int

    /// The digits of a finite value's magnitude.
    init(_ value: Double) {
        guard value != 0, value.isFinite else {
            (digits, exponent) = ([], 0)
            return
        }
        let magnitude = value.magnitude
        var significand = magnitude.significandBitPattern
        var power = Int(magnitude.exponentBitPattern) - 1075
        if magnitude.isNormal { significand |= 1 << 52 } else { power = -1074 }
        while significand & 1 == 0 {
            significand >>= 1
            power += 1
        }
        // m · 2ᵖ, or m · 5⁻ᵖ · 10ᵖ for negative p.
        var limbs = [UInt32(truncatingIfNeeded: significand % 1_000_000_000)]
        limbs.append(UInt32(truncatingIfNeeded: significand / 1_000_000_000 % 1_000_000_000))
        limbs.append(UInt32(truncatingIfNeeded: significand / 1_000_000_000_000_000_000))
        let factor: UInt64 = power > 0 ? 2 : 5
        var left = Int(power.magnitude)
        while left > 0 {
            let step = min(left, 12)
            var product: UInt64 = 1
            for _ in 0..<step { product *= factor }
            ExactDecimal.multiply(&limbs, product)
            left -= step
        }
        while limbs.last == 0 { limbs.removeLast() }
        var text: [UInt8] = []
        for (place, limb) in limbs.reversed().enumerated() {
            let part = Array(String(limb).utf8)
            if place > 0 { text += [UInt8](repeating: 0x30, count: 9 - part.count) }
            text += part
        }
        exponent = text.count + min(power, 0)
        while text.last == 0x30 { text.removeLast() }
        digits = text.map { $0 - 0x30 }
    }

    private static func multiply(_ limbs: inout [UInt32], _ factor: UInt64) {
        var carry: UInt64 = 0
        for place in limbs.indices {
            let value = UInt64(limbs[place]) * factor + carry
            limbs[place] = UInt32(truncatingIfNeeded: value % 1_000_000_000)
            carry = value / 1_000_000_000
        }
        while carry > 0 {
            limbs.append(UInt32(truncatingIfNeeded: carry % 1_000_000_000))
            carry /= 1_000_000_000
        }
    }

    /// The nearest number of at most `count` digits; halves go to the even digit.
    func rounded(to count: Int) -> ExactDecimal {
        guard count < digits.count else { return self }
        var result = self
        guard count >= 0 else {
            result.digits = []
            result.exponent = 0
            return result
        }
        let next = digits[count]
        let isExactHalf = next == 5 && digits.count == count + 1
        let isOdd = count > 0 && digits[count - 1] & 1 == 1
        result.digits = Array(digits[..<count])
        if next > 5 || next == 5 && (!isExactHalf || isOdd) {
            var place = count - 1
            while place >= 0, result.digits[place] == 9 {
                result.digits[place] = 0
                place -= 1
            }
            if place >= 0 {
                result.digits[place] += 1
            } else {
                result.digits.insert(1, at: 0)
                result.exponent += 1
            }
        }
        while result.digits.last == 0 { result.digits.removeLast() }
        if result.digits.isEmpty { result.exponent = 0 }
        return result
    }

    /// `ddd.ddd` with so many digits after the point.
    func fixed(_ fraction: Int) -> String {
        let number = rounded(to: exponent + fraction)
        let whole = max(number.exponent, 0)
        var text: [UInt8] = []
        for place in 0..<whole { text.append(number.digit(place)) }
        if text.isEmpty { text.append(0x30) }
        if fraction > 0 {
            text.append(UInt8(ascii: "."))
            for place in 0..<fraction { text.append(number.digit(number.exponent + place)) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `d.ddde±dd` with so many digits after the point.
    func scientific(_ fraction: Int) -> String {
        let number = rounded(to: fraction + 1)
        var text: [UInt8] = [number.digit(0)]
        if fraction > 0 {
            text.append(UInt8(ascii: "."))
            for place in 1...fraction { text.append(number.digit(place)) }
        }
        let power = number.digits.isEmpty ? 0 : number.exponent - 1
        return String(decoding: text, as: UTF8.self) + exponentText(power)
    }

    private func digit(_ place: Int) -> UInt8 {
        place >= 0 && place < digits.count ? digits[place] + 0x30 : 0x30
    }
}

/// `e+05`
func exponentText(_ power: Int) -> String {
    "e" + (power < 0 ? "-" : "+") + (power.magnitude < 10 ? "0" : "") + String(power.magnitude)
}

/// `%g`: so many significant digits, without zeros at the end unless `keepsZeros`; exponents where they are shorter.
func generalText(_ value: Double, _ precision: Int, keepsZeros: Bool = false) -> String {
    let precision = max(precision, 1)
    let number = ExactDecimal(value).rounded(to: precision)
    let power = number.digits.isEmpty ? 0 : number.exponent - 1
    var text: String
    var suffix = ""
    if power < -4 || power >= precision {
        let whole = ExactDecimal(value).scientific(precision - 1)
        let mark = whole.utf8.firstIndex(of: UInt8(ascii: "e")) ?? whole.endIndex
        (text, suffix) = (String(whole[..<mark]), String(whole[mark...]))
    } else {
        text = ExactDecimal(value).fixed(precision - 1 - power)
    }
    if !keepsZeros, text.utf8.contains(UInt8(ascii: ".")) {
        while text.utf8.last == 0x30 { text.removeLast() }
        if text.utf8.last == UInt8(ascii: ".") { text.removeLast() }
    }
    return text + suffix
}
