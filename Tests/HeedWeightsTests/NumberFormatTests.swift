import HeedWeights
import TestFixtures
import Testing

@Suite("number formats")
struct NumberFormatTests {
    @Test("every bfloat16 survives the way to a float and back")
    func bfloat16() {
        for bits in UInt16.min...UInt16.max {
            let value = NumberFormats.float(bfloat16: bits)
            let back = NumberFormats.bfloat16(value)
            #expect(value.isNaN ? NumberFormats.float(bfloat16: back).isNaN : back == bits)
        }
    }

    @Test("every binary16 survives the way to a float and back")
    func binary16() {
        for bits in UInt16.min...UInt16.max {
            let value = NumberFormats.float(binary16: bits)
            let back = NumberFormats.binary16(value)
            #expect(value.isNaN ? NumberFormats.float(binary16: back).isNaN : back == bits)
        }
    }

    @Test("rounding goes to the nearest and at ties to the even one")
    func rounding() {
        var random = SplitMix(state: 3)
        for _ in 0..<20_000 {
            let low = UInt16.random(in: 0..<0x7BFF, using: &random)
            let (a, b) = (NumberFormats.float(binary16: low), NumberFormats.float(binary16: low + 1))
            let middle = (a + b) / 2
            #expect(NumberFormats.binary16(middle) == (low % 2 == 0 ? low : low + 1))
            #expect(NumberFormats.binary16(middle.nextDown) == low)
            #expect(NumberFormats.binary16(middle.nextUp) == low + 1)
            #expect(NumberFormats.binary16(-middle.nextUp) == (low + 1) | 0x8000)
            let brain = UInt16.random(in: 0..<0x7F7F, using: &random)
            let (c, d) = (NumberFormats.float(bfloat16: brain), NumberFormats.float(bfloat16: brain + 1))
            let half = c + (d - c) / 2
            #expect(NumberFormats.bfloat16(half) == (brain % 2 == 0 ? brain : brain + 1))
        }
        #expect(NumberFormats.binary16(65_519) == 0x7BFF)
        #expect(NumberFormats.binary16(65_520) == 0x7C00)
        #expect(NumberFormats.binary16(.infinity) == 0x7C00)
        #expect(NumberFormats.float(binary16: 1) == 0x1p-24)
        #expect(NumberFormats.bfloat16(.greatestFiniteMagnitude) == 0x7F80)
    }
}
