/// Sine, cosine, exponential and logarithm in double precision from +, × and fma only, so that tables, rates and
/// initial values have the same bits on every system. Errors stay below 2 units in the last place of a double for the
/// ranges used (|x| < 2²⁰ for angles), far below a float's.
public enum Trigonometry {
    private static let halfPiHigh = 0x1.921fb54400000p+0
    private static let halfPiMiddle = 0x1.0b4611a600000p-34
    private static let halfPiLow = 0x1.3198a2e037073p-69

    /// Returns (sin x, cos x).
    public static func sineAndCosine(_ x: Double) -> (sine: Double, cosine: Double) {
        let quarter = (x * 0.63661977236758134308).rounded(.toNearestOrEven)
        // Three-part reduction (Cody and Waite): exact while quarter has fewer than 20 bits.
        var r = (-quarter).addingProductOf(halfPiHigh, to: x)
        r = (-quarter).addingProductOf(halfPiMiddle, to: r)
        r = (-quarter).addingProductOf(halfPiLow, to: r)
        let z = r * r
        let s = polynomial(
            z,
            [
                -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
                2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10,
            ])
        let c = polynomial(
            z,
            [
                4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
                -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11,
            ])
        let sine = r + r * z * s
        let cosine = 1 - (0.5 * z - z * z * c)
        switch Int(quarter) & 3 {
        case 0: return (sine, cosine)
        case 1: return (cosine, -sine)
        case 2: return (-sine, -cosine)
        default: return (-cosine, sine)
        }
    }

    /// Returns eˣ; 0 below −745, infinity above 709.
    public static func exponential(_ x: Double) -> Double {
        if x.isNaN { return x }
        if x > 709.7 { return .infinity }
        if x < -745 { return 0 }
        let n = (x * 1.44269504088896338700).rounded(.toNearestOrEven)
        var r = (-n).addingProductOf(6.93147180369123816490e-01, to: x)
        r = (-n).addingProductOf(1.90821492927058770002e-10, to: r)
        // Taylor to the 13th power: |r| ≤ 0.347, remainder below 2⁻⁵⁶.
        var sum = 1.0
        for k in stride(from: 13.0, through: 1, by: -1) { sum = 1 + r / k * sum }
        return Double(sign: .plus, exponent: Int(n) / 2, significand: sum)
            * Double(sign: .plus, exponent: Int(n) - Int(n) / 2, significand: 1)
    }

    /// Returns ln x for positive x.
    public static func logarithm(_ x: Double) -> Double {
        guard x > 0, x.isFinite else { return x == 0 ? -.infinity : (x > 0 ? x : .nan) }
        var exponent = Double(x.exponent)
        var m = x.significand
        if m > 1.41421356237309514547 {
            m *= 0.5
            exponent += 1
        }
        // ln m = 2 artanh t, t = (m − 1)/(m + 1), |t| ≤ 0.172: 12 odd terms.
        let t = (m - 1) / (m + 1)
        let z = t * t
        var sum = 0.0
        for k in stride(from: 25.0, through: 3, by: -2) { sum = z * (1 / k + sum) }
        return exponent * 6.93147180369123816490e-01 + (exponent * 1.90821492927058770002e-10 + 2 * (t + t * sum))
    }

    private static func polynomial(_ z: Double, _ coefficients: [Double]) -> Double {
        var sum = 0.0
        for c in coefficients.reversed() { sum = sum * z + c }
        return sum
    }
}

extension Double {
    @inline(__always)
    fileprivate func addingProductOf(_ b: Double, to c: Double) -> Double { c.addingProduct(self, b) }
}
