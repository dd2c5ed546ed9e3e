/// A set of Unicode scalars, as ranges in ascending order that do not touch.
struct CodePointSet: Equatable {
    private(set) var ranges: [ClosedRange<UInt32>] = []

    /// Every scalar.
    static let all = CodePointSet([0...0x10FFFF])

    init(_ ranges: [ClosedRange<UInt32>] = []) {
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = self.ranges.last, range.lowerBound <= last.upperBound &+ 1 {
                let upper = max(last.upperBound, range.upperBound)
                self.ranges[self.ranges.count - 1] = last.lowerBound...upper
            } else {
                self.ranges.append(range)
            }
        }
    }

    /// The set of the characters of a text.
    init(_ text: String) { self.init(text.unicodeScalars.map { $0.value...$0.value }) }

    func union(_ other: CodePointSet) -> CodePointSet { CodePointSet(ranges + other.ranges) }

    /// Every scalar that is not in the set.
    var inverted: CodePointSet {
        var rest: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { rest.append(next...(range.lowerBound - 1)) }
            next = range.upperBound + 1
        }
        if next <= 0x10FFFF { rest.append(next...0x10FFFF) }
        return CodePointSet(rest)
    }

    /// The UTF-8 forms of the set: sequences of byte ranges, each of which takes one to four bytes. Surrogates have none.
    var byteSequences: [[ClosedRange<UInt8>]] {
        var sequences: [[ClosedRange<UInt8>]] = []
        for range in ranges {
            // Borders of length, and the gap of the surrogates.
            for part: ClosedRange<UInt32> in [
                0...0x7F, 0x80...0x7FF, 0x800...0xD7FF, 0xE000...0xFFFF, 0x10000...0x10FFFF,
            ] {
                let low = max(range.lowerBound, part.lowerBound)
                let high = min(range.upperBound, part.upperBound)
                if low <= high { CodePointSet.split(low, high, &sequences) }
            }
        }
        return sequences
    }

    /// Splits a range of scalars of one length where the last bytes do not run through all their values.
    private static func split(_ low: UInt32, _ high: UInt32, _ sequences: inout [[ClosedRange<UInt8>]]) {
        if high > 0x7F {
            for bits in [6, 12, 18] {
                let mask = UInt32(1) << UInt32(bits) - 1
                guard low & ~mask != high & ~mask else { continue }
                if low & mask != 0 {
                    split(low, low | mask, &sequences)
                    split((low | mask) + 1, high, &sequences)
                    return
                }
                if high & mask != mask {
                    split(low, (high & ~mask) - 1, &sequences)
                    split(high & ~mask, high, &sequences)
                    return
                }
            }
        }
        sequences.append(zip(encoded(low), encoded(high)).map { $0...$1 })
    }

    private static func encoded(_ scalar: UInt32) -> [UInt8] {
        Unicode.Scalar(scalar).map { Array(String($0).utf8) } ?? []
    }
}
