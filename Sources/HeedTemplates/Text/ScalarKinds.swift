extension Unicode.Scalar {
    /// Python's `str.isspace` and what `strip` removes.
    var isSpace: Bool {
        switch value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// Python's `str.isprintable`: what `repr` does not escape.
    var isPrintable: Bool {
        if value < 0x7F { return value >= 0x20 }
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return false
        default: return true
        }
    }

    /// Python's `str.isalpha`: a letter.
    var isLetter: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    var isDecimalDigit: Bool { properties.numericType == .decimal }
    var isDigit: Bool { properties.numericType == .decimal || properties.numericType == .digit }
    var isNumeric: Bool { properties.numericType != nil }

    /// Python's `str.isalnum`, and `\w` of a regular expression, the underscore excluded.
    var isAlphanumeric: Bool {
        if value < 0x80 {
            return (0x30...0x39).contains(value) || (0x41...0x5A).contains(value) || (0x61...0x7A).contains(value)
        }
        return isLetter || isNumeric
    }

    /// Whether an identifier may hold it.
    var continuesName: Bool { value == 0x5F || (value < 0x80 ? isAlphanumeric : properties.isXIDContinue) }
    /// Whether an identifier may start with it.
    var startsName: Bool {
        value == 0x5F || (value < 0x80 ? isAlphanumeric && value >= 0x41 : properties.isXIDStart)
    }
}

/// Whether an ASCII byte is white space for Python.
@inline(__always)
func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) || (0x1C...0x1F).contains(byte) }

/// The end of the white space that starts at `start`.
func endOfSpace(_ bytes: [UInt8], _ start: Int) -> Int {
    var at = start
    while at < bytes.count {
        let length = scalarLength(bytes[at])
        if length == 1 {
            guard isSpace(bytes[at]) else { return at }
        } else {
            guard at + length <= bytes.count,
                decodeScalars(bytes[at..<at + length]).first?.isSpace ?? false
            else { return at }
        }
        at += length
    }
    return at
}

/// The start of the white space that ends at `end`, not before `limit`.
func startOfSpace(_ bytes: [UInt8], from limit: Int, to end: Int) -> Int {
    var at = end
    while at > limit {
        var start = at - 1
        while start > limit, bytes[start] & 0xC0 == 0x80 { start -= 1 }
        if at - start == 1 {
            guard isSpace(bytes[start]) else { return at }
        } else {
            guard decodeScalars(bytes[start..<at]).first?.isSpace ?? false else { return at }
        }
        at = start
    }
    return at
}
