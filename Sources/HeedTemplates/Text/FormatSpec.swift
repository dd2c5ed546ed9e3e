import HeedSupport

/// Python's format specification: `[[fill]align][sign][z][#][0][width][grouping][.precision][type]`.
struct FormatSpec {
    var fill: Unicode.Scalar = " "
    var align: UInt8?
    var sign = UInt8(ascii: "-")
    var isAlternate = false
    var hidesNegativeZero = false
    var width = 0
    var grouping: UInt8?
    var precision: Int?
    var type: UInt8?

    /// A specification that changes nothing.
    init() {}

    /// Reads a specification.
    init(_ text: [UInt8]) throws {
        var reader = SpecReader(scalars: decodeScalars(text))
        if let mark = reader.byte(1), SpecReader.aligns.utf8.contains(mark) {
            fill = reader.scalars[0]
            align = mark
            reader.at = 2
        } else {
            align = reader.take(oneOf: SpecReader.aligns)
        }
        sign = reader.take(oneOf: "+- ") ?? sign
        hidesNegativeZero = reader.take(oneOf: "z") != nil
        isAlternate = reader.take(oneOf: "#") != nil
        if reader.take(oneOf: "0") != nil, align == nil {
            fill = "0"
            align = UInt8(ascii: "=")
        }
        width = try reader.number() ?? 0
        grouping = reader.take(oneOf: ",_")
        if reader.take(oneOf: ".") != nil {
            guard let digits = try reader.number() else {
                throw HeedError(.badInput, "a format specification has a point and no precision")
            }
            precision = digits
        }
        if reader.at < reader.scalars.count {
            guard reader.at + 1 == reader.scalars.count, let letter = reader.byte(reader.at) else {
                throw FormatSpec.invalid(text)
            }
            type = letter
        }
    }

    static func invalid(_ text: [UInt8]) -> HeedError {
        HeedError(
            .badInput, "the format specification is not valid", got: quoted(String(decoding: text, as: UTF8.self)))
    }

    /// The text filled up to the width.
    func fitted(_ text: [UInt8], standard: UInt8, _ meter: Meter) throws -> [UInt8] {
        let count = scalarCount(text)
        guard width > count else { return text }
        try meter.copy(width)
        let missing = width - count
        let before: Int
        switch align ?? standard {
        case UInt8(ascii: "<"): before = 0
        case UInt8(ascii: "^"): before = missing / 2
        default: before = missing
        }
        var result: [UInt8] = []
        for _ in 0..<before { append(fill, to: &result) }
        result += text
        for _ in 0..<missing - before { append(fill, to: &result) }
        return result
    }

    /// A number from its sign, prefix and digits: grouped, filled, aligned.
    func number(isNegative: Bool, prefix: String, whole: String, rest: String, groups: Int, _ meter: Meter) throws
        -> [UInt8]
    {
        let mark = isNegative ? "-" : sign == UInt8(ascii: "-") ? "" : sign == UInt8(ascii: "+") ? "+" : " "
        let head = Array((mark + prefix).utf8)
        var digits = Array(whole.utf8)
        let tail = Array(rest.utf8)
        let isInner = align == UInt8(ascii: "=")
        if isInner, fill == "0", width > 0 {
            try meter.copy(width)
            let room = width - head.count - tail.count
            func length(_ count: Int) -> Int { grouping == nil ? count : count + (count - 1) / groups }
            if digits.count < room {
                var count = digits.count
                while length(count) < room { count += 1 }
                digits = [UInt8](repeating: 0x30, count: count - digits.count) + digits
            }
        }
        if let grouping {
            var grouped: [UInt8] = []
            for (place, digit) in digits.enumerated() {
                if place > 0, (digits.count - place) % groups == 0 { grouped.append(grouping) }
                grouped.append(digit)
            }
            digits = grouped
        }
        if isInner, fill != "0" || width == 0 {
            let count = head.count + digits.count + tail.count
            guard width > count else { return head + digits + tail }
            try meter.copy(width)
            var filling: [UInt8] = []
            for _ in 0..<width - count { append(fill, to: &filling) }
            return head + filling + digits + tail
        }
        return try fitted(head + digits + tail, standard: UInt8(ascii: ">"), meter)
    }
}

/// Reads the parts of a format specification from left to right.
private struct SpecReader {
    static let aligns = "<>=^"

    let scalars: [Unicode.Scalar]
    var at = 0

    /// The ASCII character at a place, if there is one.
    func byte(_ place: Int) -> UInt8? {
        place < scalars.count && scalars[place].value < 0x80 ? UInt8(scalars[place].value) : nil
    }

    /// The next character if it is one of `marks`, stepping over it.
    mutating func take(oneOf marks: String) -> UInt8? {
        guard let mark = byte(at), marks.utf8.contains(mark) else { return nil }
        at += 1
        return mark
    }

    /// The digits that come next as a number, or nil where there are none.
    mutating func number() throws -> Int? {
        var result: Int?
        while let digit = byte(at), digit &- 0x30 < 10 {
            let value = (result ?? 0) * 10 + Int(digit - 0x30)
            guard value < 1 << 40 else { throw HeedError(.badInput, "a width or precision is too large") }
            result = value
            at += 1
        }
        return result
    }
}

extension Renderer {
    /// Python's `format(value, specification)`.
    func formatted(_ value: Value, _ specification: [UInt8]) throws -> [UInt8] {
        switch value {
        case .string(let text):
            if specification.isEmpty { return text.bytes }
            let spec = try FormatSpec(specification)
            guard spec.type == nil || spec.type == UInt8(ascii: "s"), spec.sign == UInt8(ascii: "-"),
                !spec.isAlternate, spec.grouping == nil, !spec.hidesNegativeZero,
                spec.align != UInt8(ascii: "=") || spec.fill == "0"
            else { throw FormatSpec.invalid(specification) }
            var bytes = text.bytes
            if let precision = spec.precision, precision < text.count {
                bytes = Array(bytes[..<text.offset(of: precision)])
            }
            var padded = spec
            if padded.align == UInt8(ascii: "=") { padded.align = UInt8(ascii: "<") }
            return try padded.fitted(bytes, standard: UInt8(ascii: "<"), meter)
        case .integer(let integer):
            return try formattedInteger(integer, try FormatSpec(specification), specification)
        case .bool(let bool):
            if specification.isEmpty { return Array((bool ? "True" : "False").utf8) }
            return try formattedInteger(bool ? 1 : 0, try FormatSpec(specification), specification)
        case .float(let float):
            return try formattedFloat(float, try FormatSpec(specification), specification)
        default:
            if specification.isEmpty { return try plainText(value).bytes }
            throw HeedError(.badInput, "a \(value.typeName) takes no format specification")
        }
    }

    private func formattedInteger(_ value: Int128, _ spec: FormatSpec, _ text: [UInt8]) throws -> [UInt8] {
        let type = spec.type ?? UInt8(ascii: "d")
        if "eEfFgG%".utf8.contains(type) { return try formattedFloat(Double(value), spec, text) }
        guard spec.precision == nil, !spec.hidesNegativeZero else { throw FormatSpec.invalid(text) }
        let radix: Int
        var prefix = ""
        switch type {
        case UInt8(ascii: "d"), UInt8(ascii: "n"): radix = 10
        case UInt8(ascii: "b"): (radix, prefix) = (2, "0b")
        case UInt8(ascii: "o"): (radix, prefix) = (8, "0o")
        case UInt8(ascii: "x"): (radix, prefix) = (16, "0x")
        case UInt8(ascii: "X"): (radix, prefix) = (16, "0X")
        case UInt8(ascii: "c"):
            guard let scalar = UInt32(exactly: value).flatMap(Unicode.Scalar.init), spec.grouping == nil,
                spec.sign == UInt8(ascii: "-"), !spec.isAlternate
            else { throw FormatSpec.invalid(text) }
            var character: [UInt8] = []
            append(scalar, to: &character)
            return try spec.fitted(character, standard: UInt8(ascii: ">"), meter)
        default: throw FormatSpec.invalid(text)
        }
        if spec.grouping == UInt8(ascii: ","), radix != 10 { throw FormatSpec.invalid(text) }
        if spec.grouping != nil, type == UInt8(ascii: "n") { throw FormatSpec.invalid(text) }
        let digits = String(value.magnitude, radix: radix, uppercase: type == UInt8(ascii: "X"))
        return try spec.number(
            isNegative: value < 0, prefix: spec.isAlternate ? prefix : "", whole: digits, rest: "",
            groups: radix == 10 ? 3 : 4, meter)
    }

    private func formattedFloat(_ value: Double, _ spec: FormatSpec, _ text: [UInt8]) throws -> [UInt8] {
        if let type = spec.type, !"eEfFgGn%".utf8.contains(type) { throw FormatSpec.invalid(text) }
        if spec.grouping != nil, spec.type == UInt8(ascii: "n") { throw FormatSpec.invalid(text) }
        let type = spec.type.map { $0 | 0x20 }
        let isUpper = spec.type.map { $0 & 0x20 == 0 && $0 != UInt8(ascii: "%") } ?? false
        var body: String
        if !value.isFinite {
            body = value.isNaN ? "nan" : "inf"
        } else {
            if let precision = spec.precision { try meter.copy(precision) }
            let precision = spec.precision ?? 6
            switch spec.type {
            case nil where spec.precision == nil:
                body = floatText(value.magnitude)
            case nil:
                body = generalText(value, precision, keepsZeros: spec.isAlternate)
                // Without a type a float shows that it is one.
                let power = ExactDecimal(value).rounded(to: max(precision, 1)).exponent - 1
                if power == max(precision, 1) - 1, value != 0, !body.utf8.contains(UInt8(ascii: "e")), !spec.isAlternate
                {
                    body = ExactDecimal(value).scientific(max(precision, 1) - 1)
                    let mark = body.utf8.firstIndex(of: UInt8(ascii: "e")) ?? body.endIndex
                    var head = String(body[..<mark])
                    if head.utf8.contains(UInt8(ascii: ".")) {
                        while head.utf8.last == 0x30 { head.removeLast() }
                        if head.utf8.last == UInt8(ascii: ".") { head.removeLast() }
                    }
                    body = head + body[mark...]
                } else if !body.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "e") }) {
                    body += ".0"
                }
            case UInt8(ascii: "%"): body = ExactDecimal(value * 100).fixed(precision) + "%"
            default:
                switch type {
                case UInt8(ascii: "e"): body = ExactDecimal(value).scientific(precision)
                case UInt8(ascii: "f"): body = ExactDecimal(value).fixed(precision)
                default: body = generalText(value, precision, keepsZeros: spec.isAlternate)
                }
            }
            if spec.isAlternate, !body.utf8.contains(UInt8(ascii: ".")) {
                let end = body.utf8.firstIndex { !(0x30...0x39).contains($0) } ?? body.endIndex
                body = body[..<end] + "." + body[end...]
            }
        }
        if spec.type == UInt8(ascii: "%"), !value.isFinite { body += "%" }
        if isUpper { body = body.uppercased() }
        var isNegative = value.sign == .minus && !value.isNaN
        if spec.hidesNegativeZero, isNegative, !body.utf8.contains(where: { (0x31...0x39).contains($0) }) {
            isNegative = false
        }
        let end = body.utf8.firstIndex { !(0x30...0x39).contains($0) } ?? body.endIndex
        return try spec.number(
            isNegative: isNegative, prefix: "", whole: String(body[..<end]), rest: String(body[end...]), groups: 3,
            meter)
    }
}
