import HeedSupport

extension Filters {
    /// Filters of numbers.
    static let number: [String: Method] = [
        "abs": { renderer, value, arguments in
            _ = try arguments.bind("abs", [])
            switch value {
            case .float(let float): return .float(float.magnitude)
            case .undefined(let undefined): throw undefined.failure
            default:
                guard let integer = value.index else {
                    throw HeedError(.badInput, "abs takes a number", got: "a \(value.typeName)")
                }
                return integer < 0 ? try renderer.negated(value, isNegative: true) : .integer(integer)
            }
        },
        "int": { renderer, value, arguments in
            let given = try arguments.bind("int", ["default", "base"])
            let base = try given[1].map { try renderer.index($0, "the base") } ?? 10
            switch value {
            case .string(let text):
                if let number = try integer(text, base: base) { return .integer(number) }
                if let float = float(text), let whole = Int128(exactly: float.rounded(.towardZero)) {
                    return .integer(whole)
                }
                return given[0].or(.integer(0))
            case .float(let float):
                if float.isFinite, let whole = Int128(exactly: float.rounded(.towardZero)) { return .integer(whole) }
                if float.isInfinite { throw HeedError(.badInput, "infinity is no integer") }
                return given[0].or(.integer(0))
            case .undefined(let undefined): throw undefined.failure
            default: return value.index.map { .integer($0) } ?? given[0].or(.integer(0))
            }
        },
        "float": { _, value, arguments in
            let given = try arguments.bind("float", ["default"])
            switch value {
            case .string(let text): return float(text).map { .float($0) } ?? given[0].or(.float(0))
            case .float: return value
            case .undefined(let undefined): throw undefined.failure
            default: return value.index.map { .float(Double($0)) } ?? given[0].or(.float(0))
            }
        },
        "round": { renderer, value, arguments in
            let given = try arguments.bind("round", ["precision", "method"])
            let method = try given[1].map { try renderer.text($0, "the method").string } ?? "common"
            guard ["common", "ceil", "floor"].contains(method) else {
                throw HeedError(.badInput, "round goes to common, ceil or floor", got: quoted(method))
            }
            if case .undefined(let undefined) = value { throw undefined.failure }
            if method == "common" {
                if given[0].map(\.isNone) ?? false { return try rounded(value, to: nil) }
                return try rounded(value, to: try given[0].map { try renderer.index($0, "the precision") } ?? 0)
            }
            let scale = try renderer.apply(.power, .integer(10), given[0].or(.integer(0)))
            let scaled = try renderer.apply(.multiply, value, scale)
            let whole: Value
            if case .float(let float) = scaled {
                guard let integer = Int128(exactly: float.rounded(method == "ceil" ? .up : .down)) else {
                    throw HeedError(.badInput, "the number is too large to be rounded")
                }
                whole = .integer(integer)
            } else {
                guard let integer = scaled.index else { throw HeedError(.badInput, "round takes a number") }
                whole = .integer(integer)
            }
            return try renderer.apply(.divide, whole, scale)
        },
        "filesizeformat": { renderer, value, arguments in
            let isBinary = try isOn(try arguments.bind("filesizeformat", ["binary"])[0], renderer)
            let bytes: Double
            switch value {
            case .float(let float): bytes = float
            case .string(let text):
                guard let number = float(text) else { throw HeedError(.badInput, "filesizeformat takes a number") }
                bytes = number
            case .undefined(let undefined): throw undefined.failure
            default:
                guard let integer = value.index else { throw HeedError(.badInput, "filesizeformat takes a number") }
                bytes = Double(integer)
            }
            let base: Double = isBinary ? 1024 : 1000
            if bytes == 1 { return .string("1 Byte") }
            if bytes < base {
                guard let whole = Int128(exactly: bytes.rounded(.towardZero)) else {
                    throw HeedError(.badInput, "the number is no size")
                }
                return .string("\(integerText(whole)) Bytes")
            }
            var unit = base
            let prefixes = ["k", "M", "G", "T", "P", "E", "Z", "Y"]
            for (place, prefix) in prefixes.enumerated() {
                unit *= base
                if bytes < unit || place == prefixes.count - 1 {
                    let name = isBinary ? prefix.uppercased() + "iB" : prefix + "B"
                    let number = base * bytes / unit
                    let text = try renderer.formatted(.float(number), Array(".1f".utf8))
                    return .string("\(String(decoding: text, as: UTF8.self)) \(name)")
                }
            }
            return .none
        },
    ]

    /// Python's `int(text, base)`, or nil where the text is no integer.
    private static func integer(_ text: Text, base: Int) throws -> Int128? {
        guard base == 0 || (2...36).contains(base) else { return nil }
        guard var digits = numberText(text) else { return nil }
        var isNegative = false
        if let sign = digits.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            isNegative = sign == UInt8(ascii: "-")
            digits.removeFirst()
        }
        var radix = base
        if digits.count > 2, digits[0] == 0x30 {
            let prefixes: [UInt8: Int] = [UInt8(ascii: "x"): 16, UInt8(ascii: "o"): 8, UInt8(ascii: "b"): 2]
            if let named = prefixes[digits[1] | 0x20], base == 0 || base == named {
                radix = named
                digits.removeFirst(2)
                if digits.first == UInt8(ascii: "_") { digits.removeFirst() }
            }
        }
        if radix == 0 {
            if digits.first == 0x30, digits.contains(where: { $0 != 0x30 && $0 != UInt8(ascii: "_") }) { return nil }
            radix = 10
        }
        guard let plain = withoutUnderscores(digits) else { return nil }
        var result: Int128 = 0
        for byte in plain {
            let digit: Int
            switch byte {
            case 0x30...0x39: digit = Int(byte) - 0x30
            case 0x41...0x5A, 0x61...0x7A: digit = Int(byte | 0x20) - 0x57
            default: return nil
            }
            guard digit < radix else { return nil }
            let product = try exact(result.multipliedReportingOverflow(by: Int128(radix)))
            result = try exact(product.addingReportingOverflow(Int128(digit)))
        }
        return isNegative ? -result : result
    }

    /// Python's `float(text)`, or nil where the text is no number.
    static func float(_ text: Text) -> Double? {
        guard let bytes = numberText(text), let plain = withoutUnderscores(bytes, allowingSigns: true) else {
            return nil
        }
        let word = String(decoding: plain, as: UTF8.self).lowercased()
        switch word {
        case "inf", "+inf", "infinity", "+infinity": return .infinity
        case "-inf", "-infinity": return -.infinity
        case "nan", "+nan", "-nan": return .nan
        default: break
        }
        guard plain.allSatisfy({ $0 &- 0x30 < 10 || "+-.eE".utf8.contains($0) }),
            plain.contains(where: { $0 &- 0x30 < 10 })
        else { return nil }
        var normal = word
        // Swift wants digits on both sides of the point.
        if normal.hasSuffix(".") { normal += "0" }
        normal = normal.replacing(".e", with: ".0e")
        if normal.hasPrefix(".") { normal = "0" + normal }
        if normal.hasPrefix("-.") || normal.hasPrefix("+.") { normal = normal.prefix(1) + "0" + normal.dropFirst() }
        return Double(normal)
    }

    /// A number's text without the white space around it, its digits as ASCII; nil where other characters are in it.
    private static func numberText(_ text: Text) -> [UInt8]? {
        let bytes = text.bytes
        let start = endOfSpace(bytes, 0)
        let end = startOfSpace(bytes, from: start, to: bytes.count)
        guard end > start else { return nil }
        if text.isASCII { return Array(bytes[start..<end]) }
        var result: [UInt8] = []
        for scalar in decodeScalars(bytes[start..<end]) {
            if scalar.value < 0x80 {
                result.append(UInt8(scalar.value))
            } else if scalar.isDecimalDigit, let value = scalar.properties.numericValue {
                result.append(0x30 + UInt8(value))
            } else {
                return nil
            }
        }
        return result
    }

    /// Digits without the underscores between them, or nil where an underscore stands elsewhere.
    private static func withoutUnderscores(_ bytes: [UInt8], allowingSigns: Bool = false) -> [UInt8]? {
        guard !bytes.isEmpty else { return nil }
        func isDigit(_ place: Int) -> Bool {
            guard bytes.indices.contains(place) else { return false }
            let byte = bytes[place]
            return byte &- 0x30 < 10 || !allowingSigns && (byte | 0x20) &- 0x61 < 26
        }
        for (place, byte) in bytes.enumerated() where byte == UInt8(ascii: "_") {
            if !isDigit(place - 1) || !isDigit(place + 1) { return nil }
        }
        return bytes.filter { $0 != UInt8(ascii: "_") }
    }

    /// Python's `round(value, digits)`: to the nearest, exact halves to the even neighbour.
    private static func rounded(_ value: Value, to digits: Int?) throws -> Value {
        if case .float(let float) = value {
            guard let digits else {
                guard let whole = Int128(exactly: float.rounded(.toNearestOrEven)) else {
                    throw HeedError(.badInput, "the number is no integer")
                }
                return .integer(whole)
            }
            guard float.isFinite, float != 0, digits <= 350 else { return .float(float) }
            let decimal = ExactDecimal(float)
            let sign = float < 0 ? "-" : ""
            if digits >= 0 {
                let result = Double(sign + decimal.fixed(digits)) ?? float
                if !result.isFinite { throw HeedError(.badInput, "the rounded number is too large") }
                return .float(result)
            }
            if digits < -350 { return .float(float < 0 ? -0.0 : 0.0) }
            let number = decimal.rounded(to: decimal.exponent + digits)
            if number.digits.isEmpty { return .float(float < 0 ? -0.0 : 0.0) }
            let text = String(decoding: number.digits.map { $0 + 0x30 }, as: UTF8.self)
            let result = Double("\(sign)0.\(text)e\(number.exponent)") ?? float
            if !result.isFinite { throw HeedError(.badInput, "the rounded number is too large") }
            return .float(result)
        }
        guard let integer = value.index else {
            throw HeedError(.badInput, "round takes a number", got: "a \(value.typeName)")
        }
        guard let digits, digits < 0 else { return .integer(integer) }
        guard digits >= -38 else { return .integer(0) }
        var unit: Int128 = 1
        for _ in 0..<(-digits) { unit *= 10 }
        let (quotient, rest) = integer.quotientAndRemainder(dividingBy: unit)
        let twice = rest.magnitude * 2
        let step: Int128 =
            twice > unit.magnitude || twice == unit.magnitude && quotient & 1 != 0 ? (integer < 0 ? -1 : 1) : 0
        return .integer(try exact((quotient + step).multipliedReportingOverflow(by: unit)))
    }
}
