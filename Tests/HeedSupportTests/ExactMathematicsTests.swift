#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport
import Testing

@Suite("Exact mathematics")
struct ExactMathematicsTests {
    /// Units in the last place of `right` between the two.
    private func distance(_ left: Double, _ right: Double) -> Double {
        left == right ? 0 : abs(left - right) / right.ulp
    }

    @Test("exp and log stay within 2 units in the last place of the system's")
    func exponentialAndLogarithm() {
        var x = -744.0
        while x < 709 {
            #expect(distance(ExactMathematics.exp(x), exp(x)) <= (x < -708 ? 3 : 2), "exp(\(x))")
            x += 0.7313
        }
        var y = 1e-300
        while y < 1e300 {
            #expect(distance(ExactMathematics.log(y), log(y)) <= 2, "log(\(y))")
            y *= 1.937
        }
        #expect(distance(ExactMathematics.log(1.0000001), log(1.0000001)) <= 2)
        #expect(ExactMathematics.exp(0) == 1)
        #expect(ExactMathematics.exp(-1e9) == 0)
        #expect(ExactMathematics.exp(1e9) == .infinity)
        #expect(ExactMathematics.log(1) == 0)
        #expect(ExactMathematics.log(0) == -.infinity)
        #expect(ExactMathematics.log(-1).isNaN)
    }

    @Test("sine and cosine stay within 1e-15", arguments: [(0.0, 0.0137), (99_000.0, 0.917), (999_000.0, 1.313)])
    func sineAndCosine(from: Double, step: Double) {
        for index in 0..<4_000 {
            let x = (index % 2 == 0 ? 1 : -1) * (from + Double(index) * step / 4)
            let (sine, cosine) = ExactMathematics.sineAndCosine(x)
            #expect(abs(sine - sin(x)) < 1e-15, "sin(\(x))")
            #expect(abs(cosine - cos(x)) < 1e-15, "cos(\(x))")
        }
        #expect(ExactMathematics.sineAndCosine(0) == (0, 1))
        #expect(ExactMathematics.cos(.pi) == -1)
        #expect(ExactMathematics.cos(.infinity).isNaN && ExactMathematics.cos(.nan).isNaN)
    }

    @Test("powers: whole ones by multiplication, others within 1e-14")
    func powers() {
        #expect(ExactMathematics.pow(7, 1) == 7)
        #expect(ExactMathematics.pow(7, 0) == 1)
        #expect(ExactMathematics.pow(7, 2) == 49)
        #expect(ExactMathematics.pow(8, -1) == 0.125)
        #expect(ExactMathematics.pow(9, 0.5) == 3)
        #expect(abs(ExactMathematics.pow(11, 0.6) / pow(11, 0.6) - 1) < 1e-14)
        #expect(abs(ExactMathematics.pow(0.999, 5000) / pow(0.999, 5000) - 1) < 1e-12)
    }
}
