import HeedSupport

/// `baseᵉˣᵖᵒⁿᵉⁿᵗ` of floats, exact for whole powers that are, within an ulp or two elsewhere.
func pythonPower(_ base: Double, _ exponent: Double) -> Double {
    if exponent == 0 || base == 1 { return 1 }
    if base.isNaN || exponent.isNaN { return .nan }
    let isWhole = exponent == exponent.rounded()
    let isOdd = isWhole && abs(exponent) < 9e15 && exponent.truncatingRemainder(dividingBy: 2) != 0
    let sign: Double = (base < 0 || base.sign == .minus) && isOdd ? -1 : 1
    let magnitude = base.magnitude
    if exponent.isInfinite {
        if magnitude == 1 { return 1 }
        return (magnitude > 1) == (exponent > 0) ? .infinity : 0
    }
    if magnitude == 0 { return exponent > 0 ? sign * 0 : sign * .infinity }
    if magnitude.isInfinite { return exponent > 0 ? sign * .infinity : sign * 0 }
    if isWhole, abs(exponent) <= 1024 {
        var result = 1.0
        var square = magnitude
        var left = Int(abs(exponent))
        while left > 0 {
            if left & 1 == 1 { result *= square }
            square *= square
            left >>= 1
        }
        return sign * (exponent < 0 ? 1 / result : result)
    }
    return sign * ExactMathematics.pow(magnitude, exponent)
}
