/// `exp`, `log`, `sin`, `cos` and powers in double precision with the same bits on every platform.
///
/// The C library's functions differ in their last bits from system to system, and with them a learning rate or a
/// sampled token would. These use additions, multiplications and divisions only, in one order. The error stays below
/// 2 units in the last place for `exp` and `log`, and below 1e-15 for sines and cosines of arguments up to 10⁶.
public enum ExactMathematics {
    private static let ln2High = 6.93147180369123816490e-01  // the leading 33 bits of ln 2
    private static let ln2Low = 1.90821492927058770002e-10  // the rest

    /// Returns `eˣ`: infinity above 709.78, zero below −745.13.
    public static func exp(_ x: Double) -> Double {
        if x != x { return x }
        if x > 709.782712893384 { return .infinity }
        if x < -745.1332191019412 { return 0 }
        let k = (x * 1.4426950408889634).rounded(.toNearestOrEven)
        let r = (x - k * ln2High) - k * ln2Low
        // Taylor's series on |r| ≤ ln 2 / 2; the first term left out is below 1e-17.
        var sum = 1.0 / 6_227_020_800
        sum = sum * r + 1.0 / 479_001_600
        sum = sum * r + 1.0 / 39_916_800
        sum = sum * r + 1.0 / 3_628_800
        sum = sum * r + 1.0 / 362_880
        sum = sum * r + 1.0 / 40_320
        sum = sum * r + 1.0 / 5_040
        sum = sum * r + 1.0 / 720
        sum = sum * r + 1.0 / 120
        sum = sum * r + 1.0 / 24
        sum = sum * r + 1.0 / 6
        sum = sum * r + 0.5
        let value = 1 + (r + r * r * sum)
        let exponent = Int(k)
        if exponent >= -1021, exponent <= 1023 { return value * powerOfTwo(exponent) }
        // Two steps, so that neither factor leaves the range of normal numbers.
        if exponent > 1023 { return value * 2 * powerOfTwo(exponent - 1) }
        return value * powerOfTwo(exponent + 60) * powerOfTwo(-60)
    }

    /// Returns the natural logarithm: −∞ at 0, NaN below.
    public static func log(_ x: Double) -> Double {
        if x != x || x < 0 { return .nan }
        if x == 0 { return -.infinity }
        if x == .infinity { return x }
        var exponent = Int(x.exponent)
        var m = x.significand
        if m > 1.4142135623730951 {
            m *= 0.5
            exponent += 1
        }
        // log m = 2 artanh(s), s = (m − 1)/(m + 1), |s| ≤ 0.172
        let s = (m - 1) / (m + 1)
        let z = s * s
        var sum = 1.0 / 25
        sum = sum * z + 1.0 / 23
        sum = sum * z + 1.0 / 21
        sum = sum * z + 1.0 / 19
        sum = sum * z + 1.0 / 17
        sum = sum * z + 1.0 / 15
        sum = sum * z + 1.0 / 13
        sum = sum * z + 1.0 / 11
        sum = sum * z + 1.0 / 9
        sum = sum * z + 1.0 / 7
        sum = sum * z + 1.0 / 5
        sum = sum * z + 1.0 / 3
        let k = Double(exponent)
        return k * ln2High + (k * ln2Low + (2 * s + 2 * s * z * sum))
    }

    /// Returns the cosine of `x`, |x| ≤ 10⁶.
    public static func cos(_ x: Double) -> Double { sineAndCosine(x).cosine }

    /// Returns (sin x, cos x), |x| ≤ 10⁶; NaN where `x` is not finite.
    public static func sineAndCosine(_ x: Double) -> (sine: Double, cosine: Double) {
        guard abs(x) < 1e15 else { return (.nan, .nan) }
        let k = (x * 0.6366197723675814).rounded(.toNearestOrEven)
        // π/2 in three parts of 33 bits and a rest, so that k times each part is exact.
        let r =
            ((x - k * 1.57079632673412561417e+00) - k * 6.07710050630396597660e-11) - k * 2.02226624879595063154e-21
        let (sine, cosine) = (sineSeries(r), cosineSeries(r))
        switch Int(k) & 3 {
        case 0: return (sine, cosine)
        case 1: return (cosine, -sine)
        case 2: return (-sine, -cosine)
        default: return (-cosine, sine)
        }
    }

    /// Returns `baseᵉˣᵖᵒⁿᵉⁿᵗ` for base > 0; whole exponents up to 64 by multiplication, so that `pow(x, 1) == x`.
    public static func pow(_ base: Double, _ exponent: Double) -> Double {
        if exponent == 0 { return 1 }
        if exponent == exponent.rounded(.towardZero), abs(exponent) <= 64 {
            var product = 1.0
            for _ in 0..<Int(abs(exponent)) { product *= base }
            return exponent < 0 ? 1 / product : product
        }
        if exponent == 0.5 { return base.squareRoot() }
        return exp(exponent * log(base))
    }

    private static func powerOfTwo(_ exponent: Int) -> Double {
        Double(sign: .plus, exponent: exponent, significand: 1)
    }

    private static func cosineSeries(_ r: Double) -> Double {
        let z = r * r
        var sum = 1.0 / 20_922_789_888_000
        sum = sum * z - 1.0 / 87_178_291_200
        sum = sum * z + 1.0 / 479_001_600
        sum = sum * z - 1.0 / 3_628_800
        sum = sum * z + 1.0 / 40_320
        sum = sum * z - 1.0 / 720
        sum = sum * z + 1.0 / 24
        return 1 - (0.5 * z - z * z * sum)
    }

    private static func sineSeries(_ r: Double) -> Double {
        let z = r * r
        var sum = 1.0 / 355_687_428_096_000
        sum = sum * z - 1.0 / 1_307_674_368_000
        sum = sum * z + 1.0 / 6_227_020_800
        sum = sum * z - 1.0 / 39_916_800
        sum = sum * z + 1.0 / 362_880
        sum = sum * z - 1.0 / 5_040
        sum = sum * z + 1.0 / 120
        sum = sum * z - 1.0 / 6
        return r + r * z * sum
    }
}
