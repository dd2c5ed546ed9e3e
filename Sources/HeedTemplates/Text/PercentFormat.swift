import HeedSupport

extension Renderer {
    /// Python's `text % values`.
    func percentFormat(_ text: Text, _ values: Value) throws -> Value {
        var parser = PercentFormat(text, values, self)
        let bytes = try parser.run()
        return try string(bytes, like: text)
    }
}

/// One `%` between a text and its values.
private struct PercentFormat {
    private let text: Text
    private let renderer: Renderer
    private let values: Value
    /// The values in order, where the right side is a tuple, or the one value.
    private let list: [Value]
    private var used = 0
    private var usedKey = false
    private var result: [UInt8] = []

    init(_ text: Text, _ values: Value, _ renderer: Renderer) {
        self.text = text
        self.values = values
        self.renderer = renderer
        if case .tuple(let tuple) = values { list = tuple.elements } else { list = [values] }
    }

    /// Whether the right side counts as a mapping, of which parts may stay unused.
    private var isMapping: Bool {
        switch values {
        case .dictionary, .list, .undefined: true
        case .object(let object): object.isSequence
        default: false
        }
    }

    private mutating func nextValue() throws -> Value {
        guard used < list.count else { throw HeedError(.badInput, "a format has more places than values") }
        defer { used += 1 }
        return list[used]
    }

    mutating func run() throws -> [UInt8] {
        let bytes = text.bytes
        var at = 0
        while at < bytes.count {
            let next = bytes[at...].firstIndex(of: UInt8(ascii: "%")) ?? bytes.count
            try add(Array(bytes[at..<next]))
            at = next + 1
            if next == bytes.count { break }
            try place(bytes, &at)
        }
        if used < list.count, !isMapping {
            if case .tuple(let tuple) = values, tuple.elements.isEmpty { return result }
            throw HeedError(.badInput, "a format has fewer places than values")
        }
        return result
    }

    private mutating func add(_ bytes: [UInt8]) throws {
        try renderer.meter.work()
        try renderer.meter.copy(bytes.count)
        try renderer.meter.allow(result.count + bytes.count)
        result += bytes
    }

    /// One place: `%` is read already.
    private mutating func place(_ bytes: [UInt8], _ at: inout Int) throws {
        func byte(_ at: Int) throws -> UInt8 {
            guard at < bytes.count else { throw HeedError(.badInput, "a format ends in the middle of a place") }
            return bytes[at]
        }
        var keyed: Value?
        if try byte(at) == UInt8(ascii: "(") {
            var depth = 1
            let start = at + 1
            at = start
            while depth > 0 {
                switch try byte(at) {
                case UInt8(ascii: "("): depth += 1
                case UInt8(ascii: ")"): depth -= 1
                default: break
                }
                at += 1
            }
            keyed = try member(Array(bytes[start..<at - 1]))
        }
        var spec = FormatSpec()
        var fillsZero = false
        var isLeft = false
        flags: while true {
            switch try byte(at) {
            case UInt8(ascii: "-"): isLeft = true
            case UInt8(ascii: "+"): spec.sign = UInt8(ascii: "+")
            case UInt8(ascii: " "): if spec.sign == UInt8(ascii: "-") { spec.sign = UInt8(ascii: " ") }
            case UInt8(ascii: "#"): spec.isAlternate = true
            case UInt8(ascii: "0"): fillsZero = true
            default: break flags
            }
            at += 1
        }
        if let width = try count(bytes, &at, byte) {
            spec.width = abs(width)
            if width < 0 { isLeft = true }
        }
        if try byte(at) == UInt8(ascii: ".") {
            at += 1
            spec.precision = max(try count(bytes, &at, byte) ?? 0, 0)
        }
        while try "hlL".utf8.contains(byte(at)) { at += 1 }
        let type = try byte(at)
        at += scalarLength(type)
        if type == UInt8(ascii: "%") { return try add([type]) }
        let value = try keyed ?? nextValue()
        spec.align = isLeft ? UInt8(ascii: "<") : nil
        try add(try converted(value, type, &spec, fillsZero: fillsZero && !isLeft))
    }

    private func member(_ name: [UInt8]) throws -> Value {
        guard case .dictionary(let dictionary) = values else {
            throw HeedError(.badInput, "a format with names needs a dictionary", got: "a \(values.typeName)")
        }
        guard let value = try dictionary.value(of: .string(renderer.make(name)), renderer.meter) else {
            throw HeedError(
                .badInput, "the values of a format have no \(quoted(String(decoding: name, as: UTF8.self)))")
        }
        return value
    }

    private mutating func count(
        _ bytes: [UInt8], _ at: inout Int, _ byte: (Int) throws -> UInt8
    ) throws -> Int? {
        if try byte(at) == UInt8(ascii: "*") {
            at += 1
            let value = try renderer.index(try nextValue(), "a width given by *")
            guard value.magnitude < 1 << 31 else { throw HeedError(.badInput, "a width is too large") }
            return value
        }
        var result: Int?
        while try byte(at) &- 0x30 < 10 {
            result = (result ?? 0) * 10 + Int(bytes[at] - 0x30)
            if let result, result >= 1 << 31 { throw HeedError(.badInput, "a width is too large") }
            at += 1
        }
        return result
    }

    private func converted(
        _ value: Value, _ type: UInt8, _ spec: inout FormatSpec, fillsZero: Bool
    ) throws -> [UInt8] {
        let meter = renderer.meter
        let right = UInt8(ascii: ">")
        switch type {
        case UInt8(ascii: "s"), UInt8(ascii: "r"), UInt8(ascii: "a"):
            var part =
                type == UInt8(ascii: "s") ? try renderer.softText(value) : try renderer.representation(value)
            if type == UInt8(ascii: "a") { part = renderer.make(asciiOnly(part)) }
            if text.isMarkup { part = try renderer.escaped(part) }
            var bytes = part.bytes
            if let precision = spec.precision, precision < part.count {
                bytes = Array(bytes[..<part.offset(of: precision)])
            }
            return try spec.fitted(bytes, standard: right, meter)
        case UInt8(ascii: "c"):
            if case .string(let character) = value, character.count == 1 {
                return try spec.fitted(character.bytes, standard: right, meter)
            }
            guard let index = value.index, let scalar = UInt32(exactly: index).flatMap(Unicode.Scalar.init) else {
                throw HeedError(.badInput, "%c takes one character", got: "a \(value.typeName)")
            }
            return try spec.fitted(encodeScalars([scalar]), standard: right, meter)
        case UInt8(ascii: "d"), UInt8(ascii: "i"), UInt8(ascii: "u"), UInt8(ascii: "x"), UInt8(ascii: "X"),
            UInt8(ascii: "o"):
            return try integer(value, type, &spec, fillsZero: fillsZero)
        case UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "f"), UInt8(ascii: "F"), UInt8(ascii: "g"),
            UInt8(ascii: "G"):
            let number: Double
            switch value {
            case .float(let float): number = float
            case .undefined(let undefined): throw undefined.failure
            default:
                guard let integer = value.index else { throw wrong(type, value) }
                number = Double(integer)
            }
            return try float(number, type, &spec, fillsZero: fillsZero)
        default:
            throw HeedError(
                .badInput, "a format has an unknown letter after %",
                got: quoted(String(decoding: [type], as: UTF8.self)))
        }
    }

    private func wrong(_ type: UInt8, _ value: Value) -> HeedError {
        HeedError(
            .badInput, "%\(Character(Unicode.Scalar(type))) takes a number", got: "a \(value.typeName)")
    }

    private func integer(
        _ value: Value, _ type: UInt8, _ spec: inout FormatSpec, fillsZero: Bool
    ) throws -> [UInt8] {
        let isDecimal = "diu".utf8.contains(type)
        let number: Int128
        switch value {
        case .undefined(let undefined): throw undefined.failure
        case .float(let float) where isDecimal:
            guard let whole = Int128(exactly: float.rounded(.towardZero)) else { throw wrong(type, value) }
            number = whole
        default:
            guard let index = value.index else { throw wrong(type, value) }
            number = index
        }
        let radix = isDecimal ? 10 : type == UInt8(ascii: "o") ? 8 : 16
        var digits = String(number.magnitude, radix: radix, uppercase: type == UInt8(ascii: "X"))
        if let precision = spec.precision, digits.utf8.count < precision {
            try renderer.meter.copy(precision)
            digits = String(repeating: "0", count: precision - digits.utf8.count) + digits
        }
        let prefix =
            !spec.isAlternate || isDecimal ? "" : "0" + String(Character(Unicode.Scalar(type)))
        if fillsZero {
            spec.fill = "0"
            spec.align = UInt8(ascii: "=")
        }
        return try spec.number(
            isNegative: number < 0, prefix: prefix, whole: digits, rest: "", groups: 3, renderer.meter)
    }

    private func float(
        _ value: Double, _ type: UInt8, _ spec: inout FormatSpec, fillsZero: Bool
    ) throws -> [UInt8] {
        let precision = spec.precision ?? 6
        try renderer.meter.copy(precision)
        var body: String
        if !value.isFinite {
            body = value.isNaN ? "nan" : "inf"
        } else {
            switch type | 0x20 {
            case UInt8(ascii: "e"): body = ExactDecimal(value).scientific(precision)
            case UInt8(ascii: "f"): body = ExactDecimal(value).fixed(precision)
            default: body = generalText(value, precision, keepsZeros: spec.isAlternate)
            }
            if spec.isAlternate, !body.utf8.contains(UInt8(ascii: ".")) {
                let end = body.utf8.firstIndex { !(0x30...0x39).contains($0) } ?? body.endIndex
                body = body[..<end] + "." + body[end...]
            }
        }
        if type & 0x20 == 0 { body = body.uppercased() }
        if fillsZero {
            spec.fill = "0"
            spec.align = UInt8(ascii: "=")
        }
        let end = body.utf8.firstIndex { !(0x30...0x39).contains($0) } ?? body.endIndex
        return try spec.number(
            isNegative: value.sign == .minus && !value.isNaN, prefix: "", whole: String(body[..<end]),
            rest: String(body[end...]), groups: 3, renderer.meter)
    }
}

/// A text with every character beyond ASCII as an escape.
func asciiOnly(_ text: Text) -> [UInt8] {
    var result: [UInt8] = []
    for scalar in text.scalars {
        if scalar.value < 0x80 { result.append(UInt8(scalar.value)) } else { result += hexEscape(scalar) }
    }
    return result
}
