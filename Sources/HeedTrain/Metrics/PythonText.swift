/// Text as the published scorers see it: an array of Unicode scalars, split as Python splits.
///
/// Swift's characters join scalars and compare canonically equivalent texts as equal; the scorers do neither.
enum PythonText {
    /// Whether Python's `str.isspace` holds for a scalar.
    static func isSpace(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// The scalars of a text without white space at its end.
    static func trimmingEnd(_ text: String) -> [UInt32] {
        var scalars = text.unicodeScalars.map(\.value)
        while let last = scalars.last, isSpace(last) { scalars.removeLast() }
        return scalars
    }

    /// The words between runs of white space.
    static func words(_ scalars: [UInt32]) -> [ArraySlice<UInt32>] {
        scalars.split(whereSeparator: isSpace)
    }

    /// The scalars of an ASCII text.
    static func scalars(_ text: StaticString) -> [UInt32] {
        text.withUTF8Buffer { $0.map { UInt32($0) } }
    }

    /// Every occurrence of `pattern`, from left to right, replaced.
    static func replacing(_ pattern: StaticString, with replacement: StaticString, in text: [UInt32]) -> [UInt32] {
        let (pattern, replacement) = (scalars(pattern), scalars(replacement))
        guard let first = pattern.first, text.contains(first) else { return text }
        var result: [UInt32] = []
        result.reserveCapacity(text.count)
        var at = 0
        while at < text.count {
            if text[at] == first, text[at...].starts(with: pattern) {
                result += replacement
                at += pattern.count
            } else {
                result.append(text[at])
                at += 1
            }
        }
        return result
    }
}
