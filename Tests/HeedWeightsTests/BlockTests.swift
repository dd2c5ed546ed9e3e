import HeedSupport
import TestFixtures
import Testing

@testable import HeedWeights

@Suite("quantised blocks")
struct BlockTests {
    static let kinds = ElementType.allCases.filter(\.isBlock)

    @Test("random blocks give the reference's numbers bit for bit", .enabled(if: Shared.isThere), arguments: kinds)
    func golden(type: ElementType) throws {
        let file = try SafetensorsFile(path: Shared.fixture("gguf", "blocks.safetensors"))
        let stored = try file.required("\(type.rawValue).bytes")
        let expected = try file.floats("\(type.rawValue).values")
        #expect(stored.rowLength == type.blockByteCount)
        try file.withBytes(of: stored) { bytes in
            var got = [Float](repeating: 0, count: expected.count)
            got.withUnsafeMutableBufferPointer { convert(bytes, type, into: $0) }
            // -0 and 0 are told apart nowhere but here.
            #expect(zip(got, expected).allSatisfy { $0 == $1 }, "\(type)")
            // Elements from within a block to within another are those of the whole.
            let range = type.blockLength / 2 + 1..<3 * type.blockLength + 5
            var part = [Float](repeating: 0, count: range.count)
            part.withUnsafeMutableBufferPointer { convert(bytes, type, elements: range, into: $0) }
            #expect(part == Array(got[range]))
        }
    }

    @Test("every eight-bit float has its value")
    func eightBits() {
        for bits in UInt8.min...UInt8.max {
            let (exponent, fraction) = (Int(bits >> 3 & 15), Float(bits & 7))
            let sign: Float = bits & 0x80 == 0 ? 1 : -1
            let value = NumberFormats.float(e4m3: bits)
            if bits & 0x7F == 0x7F {
                #expect(value.isNaN)
            } else if exponent == 0 {
                #expect(value == sign * fraction / 512)
            } else {
                #expect(value == sign * Float(sign: .plus, exponent: exponent - 7, significand: 1 + fraction / 8))
            }
        }
        #expect(NumberFormats.float(e4m3: 0x7E) == 448)
        #expect(NumberFormats.float(e5m2: 0x7B) == 57_344)
        #expect(NumberFormats.float(e5m2: 0x7C) == .infinity)
        #expect(NumberFormats.float(e5m2: 0xBC) == -1)
    }

    @Test("a safetensors file may hold eight-bit floats, and no blocks")
    func safetensors() throws {
        try withTemporaryFolder { folder in
            let header =
                #"{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"F8_E5M2","shape":[1],"data_offsets":[2,3]}}"#
            let file = try open(encode(header: header, data: [0x38, 0xC0, 0x40]), in: folder)
            #expect(try file.floats("a") == [1, -2])
            #expect(try file.floats("b") == [2])
            let blocks = #"{"a":{"dtype":"Q8_0","shape":[32],"data_offsets":[0,34]}}"#
            let text = message {
                _ = try open(encode(header: blocks, data: [UInt8](repeating: 0, count: 34)), in: folder)
            }
            #expect(text.contains("Q8_0"))
        }
    }
}
