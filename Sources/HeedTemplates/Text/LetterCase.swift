/// Upper and lower case as Python has them: full mappings of Unicode, the final sigma included.
enum LetterCase {
    static func upper(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        scalars.flatMap { $0.value < 0x80 ? [asciiUpper($0)] : Array($0.properties.uppercaseMapping.unicodeScalars) }
    }

    static func lower(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(scalars.count)
        for (place, scalar) in scalars.enumerated() { appendLower(scalar, scalars, place, &result) }
        return result
    }

    static func title(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        var followsCased = false
        for (place, scalar) in scalars.enumerated() {
            if followsCased {
                appendLower(scalar, scalars, place, &result)
            } else {
                result += titled(scalar)
            }
            followsCased = isCased(scalar)
        }
        return result
    }

    static func capitalised(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        guard let first = scalars.first else { return [] }
        var result = titled(first)
        for place in scalars.indices.dropFirst() { appendLower(scalars[place], scalars, place, &result) }
        return result
    }

    static func swapped(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        for (place, scalar) in scalars.enumerated() {
            if scalar.properties.isUppercase {
                appendLower(scalar, scalars, place, &result)
            } else if scalar.properties.isLowercase {
                result += upper([scalar])
            } else {
                result.append(scalar)
            }
        }
        return result
    }

    /// The folding of Unicode for comparing without case (status C and F): lower case of the upper case, but for the
    /// letters listed.
    static func folded(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        for scalar in scalars {
            switch scalar.value {
            case 0..<0x80: result.append(asciiLower(scalar))
            case 0x131, 0x13A0...0x13F5: result.append(scalar)
            case 0x130: result += ["i", "\u{307}"]
            case 0x1E9E: result += ["s", "s"]
            case 0x13F8...0x13FD, 0xAB70...0xABBF: result += Array(scalar.properties.uppercaseMapping.unicodeScalars)
            default:
                for upper in scalar.properties.uppercaseMapping.unicodeScalars {
                    result += Array(upper.properties.lowercaseMapping.unicodeScalars)
                }
            }
        }
        return result
    }

    /// Whether a letter has a case, in any of the three forms.
    static func isCased(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x80 { return (0x41...0x5A).contains(scalar.value & ~0x20) }
        return scalar.properties.isLowercase || scalar.properties.isUppercase || isTitle(scalar)
    }

    static func isTitle(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .titlecaseLetter }

    private static func titled(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        scalar.value < 0x80 ? [asciiUpper(scalar)] : Array(scalar.properties.titlecaseMapping.unicodeScalars)
    }

    private static func appendLower(
        _ scalar: Unicode.Scalar, _ scalars: [Unicode.Scalar], _ place: Int, _ result: inout [Unicode.Scalar]
    ) {
        if scalar.value < 0x80 {
            result.append(asciiLower(scalar))
        } else if scalar.value == 0x3A3 {
            result.append(isFinalSigma(scalars, place) ? "\u{3C2}" : "\u{3C3}")
        } else {
            result += Array(scalar.properties.lowercaseMapping.unicodeScalars)
        }
    }

    /// A sigma that ends its word: a cased letter before it and none after it, letters that case ignores left out.
    private static func isFinalSigma(_ scalars: [Unicode.Scalar], _ place: Int) -> Bool {
        let before = scalars[..<place].last { !$0.properties.isCaseIgnorable }
        guard let before, before.properties.isCased else { return false }
        let after = scalars[(place + 1)...].first { !$0.properties.isCaseIgnorable }
        return !(after?.properties.isCased ?? false)
    }

    private static func asciiUpper(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        (0x61...0x7A).contains(scalar.value) ? Unicode.Scalar(UInt8(scalar.value) - 0x20) : scalar
    }

    private static func asciiLower(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        (0x41...0x5A).contains(scalar.value) ? Unicode.Scalar(UInt8(scalar.value) + 0x20) : scalar
    }
}

/// Python's `islower` and `isupper`: at least one letter of that case, and none of another.
func isCased(_ scalars: [Unicode.Scalar], isUpper: Bool) -> Bool {
    var found = false
    for scalar in scalars {
        let properties = scalar.properties
        if isUpper ? properties.isLowercase : properties.isUppercase { return false }
        if LetterCase.isTitle(scalar) { return false }
        if isUpper ? properties.isUppercase : properties.isLowercase { found = true }
    }
    return found
}
