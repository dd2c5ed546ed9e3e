import HeedSupport

extension Lexer {
    /// The end of digits with single underscores between them, or `start` where none is.
    static func digitsEnd(_ source: [UInt8], _ start: Int, _ isDigit: (UInt8) -> Bool = { $0 &- 0x30 < 10 }) -> Int {
        var place = start
        while place < source.count {
            if isDigit(source[place]) {
                place += 1
            } else if source[place] == UInt8(ascii: "_"), place > start, place + 1 < source.count,
                isDigit(source[place + 1])
            {
                place += 2
            } else {
                break
            }
        }
        return place
    }

    /// The number that starts at `start`, and where it ends.
    static func number(
        _ source: [UInt8], _ start: Int, line: Int
    ) throws -> (kind: Token.Kind, end: Int) {
        if let end = floatEnd(source, start) {
            let text = String(decoding: source[start..<end].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
            return (.float(Double(text) ?? .infinity), end)
        }
        var radix: Int128 = 10
        var first = start
        if source[start] == 0x30, start + 1 < source.count {
            switch source[start + 1] | 0x20 {
            case UInt8(ascii: "x"): radix = 16
            case UInt8(ascii: "o"): radix = 8
            case UInt8(ascii: "b"): radix = 2
            default: break
            }
            if radix != 10 { first = start + 2 }
        }
        func value(_ byte: UInt8) -> Int128? {
            let digit: Int128
            switch byte {
            case 0x30...0x39: digit = Int128(byte) - 0x30
            case 0x41...0x46, 0x61...0x66: digit = Int128(byte | 0x20) - 0x57
            default: return nil
            }
            return digit < radix ? digit : nil
        }
        var end = first
        if radix != 10 {
            // An underscore may also follow the prefix.
            if end < source.count, source[end] == UInt8(ascii: "_") { end += 1 }
            end = digitsEnd(source, end) { value($0) != nil }
            if end == first || source[end - 1] == UInt8(ascii: "_") {
                radix = 10
                first = start
                end = start
            }
        }
        if radix == 10 {
            // Zeros in front of other digits are a number of their own, as in Python 2 and in Jinja.
            end =
                source[start] == 0x30
                ? digitsEnd(source, start) { $0 == 0x30 } : digitsEnd(source, start)
        }
        var result: Int128 = 0
        for byte in source[first..<end] {
            guard let digit = value(byte) else { continue }
            let (product, overflow) = result.multipliedReportingOverflow(by: radix)
            let (sum, overflowed) = product.addingReportingOverflow(digit)
            if overflow || overflowed {
                throw syntaxFailure("an integer is too large", line: line, expected: "at most 128 bits")
            }
            result = sum
        }
        return (.integer(result), end)
    }

    /// The end of a number with a fraction or an exponent, or nil where it has neither.
    private static func floatEnd(_ source: [UInt8], _ start: Int) -> Int? {
        if start > 0, source[start - 1] == UInt8(ascii: ".") { return nil }
        var end = digitsEnd(source, start)
        var isFloat = false
        if end < source.count, source[end] == UInt8(ascii: ".") {
            let fraction = digitsEnd(source, end + 1)
            if fraction > end + 1 {
                end = fraction
                isFloat = true
            }
        }
        if end < source.count, source[end] | 0x20 == UInt8(ascii: "e") {
            var exponent = end + 1
            if exponent < source.count, source[exponent] == UInt8(ascii: "+") || source[exponent] == UInt8(ascii: "-") {
                exponent += 1
            }
            let digits = digitsEnd(source, exponent)
            if digits > exponent {
                end = digits
                isFloat = true
            }
        }
        return isFloat ? end : nil
    }
}

/// The meaning of a string literal: Python's escapes.
///
/// A backslash before a character beyond ASCII gives that character's escape as text, as in Jinja.
func unescape(_ text: [UInt8], line: Int) throws -> [UInt8] {
    guard text.contains(UInt8(ascii: "\\")) else { return text }
    var reader = EscapeReader(text: text, line: line)
    return try reader.readAll()
}

/// Reads a string literal with escapes from left to right.
private struct EscapeReader {
    let text: [UInt8]
    let line: Int
    var at = 0
    var result: [UInt8] = []

    mutating func readAll() throws -> [UInt8] {
        result.reserveCapacity(text.count)
        while at < text.count {
            if text[at] == UInt8(ascii: "\\"), at + 1 < text.count {
                try readEscape()
            } else {
                result.append(text[at])
                at += 1
            }
        }
        return result
    }

    /// Reads the escape whose backslash is at `at`.
    private mutating func readEscape() throws {
        let mark = text[at + 1]
        at += 2
        switch mark {
        case 0x0A: break
        case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): result.append(mark)
        case UInt8(ascii: "n"): result.append(0x0A)
        case UInt8(ascii: "t"): result.append(0x09)
        case UInt8(ascii: "r"): result.append(0x0D)
        case UInt8(ascii: "a"): result.append(0x07)
        case UInt8(ascii: "b"): result.append(0x08)
        case UInt8(ascii: "f"): result.append(0x0C)
        case UInt8(ascii: "v"): result.append(0x0B)
        case UInt8(ascii: "0")...UInt8(ascii: "7"): readOctal(mark)
        case UInt8(ascii: "x"): try readHexadecimal(2)
        case UInt8(ascii: "u"): try readHexadecimal(4)
        case UInt8(ascii: "U"): try readHexadecimal(8)
        case UInt8(ascii: "N"):
            throw HeedError(
                .unsupported, "a string names a character by \\N", in: "line \(line)",
                advice: "Write the character itself")
        default: keep(mark)
        }
    }

    /// Reads up to two more octal digits after `mark`.
    private mutating func readOctal(_ mark: UInt8) {
        var value = UInt32(mark - 0x30)
        var count = 1
        while count < 3, at < text.count, (0x30...0x37).contains(text[at]) {
            value = value * 8 + UInt32(text[at] - 0x30)
            at += 1
            count += 1
        }
        append(Unicode.Scalar(value) ?? "\u{FFFD}", to: &result)
    }

    private mutating func readHexadecimal(_ count: Int) throws {
        let digits = text[min(at, text.count)..<min(at + count, text.count)]
        guard digits.count == count, let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16),
            digits.first != UInt8(ascii: "+"), digits.first != UInt8(ascii: "-"), value <= 0x10FFFF
        else {
            throw syntaxFailure("a string has a broken escape", line: line, expected: "\(count) hexadecimal digits")
        }
        append(Unicode.Scalar(value) ?? "\u{FFFD}", to: &result)
        at += count
    }

    /// Leaves a backslash before a character that needs none.
    private mutating func keep(_ mark: UInt8) {
        result.append(UInt8(ascii: "\\"))
        guard mark >= 0x80 else { return result.append(mark) }
        let length = scalarLength(mark)
        let scalar = decodeScalars(text[at - 1..<min(at - 1 + length, text.count)]).first ?? "?"
        result += hexEscape(scalar).dropFirst()
        at += length - 1
    }
}
