import HeedSupport

/// Writes values as Python's `str` and `repr` do.
struct Representation {
    private(set) var bytes: [UInt8] = []
    let meter: Meter
    /// The namespaces that are being written: one inside itself is written as `{...}`.
    private var open: [ObjectIdentifier] = []
    private var level = 0

    init(_ meter: Meter) { self.meter = meter }

    mutating func write(_ text: String) throws { try write(Array(text.utf8)) }

    mutating func write(_ more: [UInt8]) throws {
        try meter.work()
        try meter.copy(more.count)
        try meter.allow(bytes.count + more.count)
        bytes.append(contentsOf: more)
    }

    /// `str(value)`
    mutating func text(_ value: Value) throws {
        switch value {
        case .string(let text): try write(text.bytes)
        case .undefined: break
        default: try represent(value)
        }
    }

    /// `repr(value)`
    mutating func represent(_ value: Value) throws {
        guard level <= TemplateLimits.valueDepth else { throw nestedTooDeep() }
        level += 1
        defer { level -= 1 }
        switch value {
        case .none: try write("None")
        case .bool(let value): try write(value ? "True" : "False")
        case .integer(let value): try write(integerText(value))
        case .float(let value): try write(floatText(value))
        case .string(let text):
            if text.isMarkup { try write("Markup(") }
            try write(quotedText(text))
            if text.isMarkup { try write(")") }
        case .list(let list): try elements(list.elements, "[", "]")
        case .tuple(let tuple): try elements(tuple.elements, "(", tuple.elements.count == 1 ? ",)" : ")")
        case .dictionary(let dictionary): try members(dictionary)
        case .undefined: try write("Undefined")
        case .object(let object): try object.represent(&self)
        }
    }

    /// Elements between brackets.
    mutating func elements(_ elements: [Value], _ open: String, _ close: String) throws {
        try write(open)
        for (index, element) in elements.enumerated() {
            if index > 0 { try write(", ") }
            try represent(element)
        }
        try write(close)
    }

    /// Members between braces.
    mutating func members(_ dictionary: DictionaryObject) throws {
        let identity = ObjectIdentifier(dictionary)
        if open.contains(identity) { return try write("{...}") }
        open.append(identity)
        defer { open.removeLast() }
        try write("{")
        for index in 0..<dictionary.count {
            if index > 0 { try write(", ") }
            try represent(dictionary.keys[index])
            try write(": ")
            try represent(dictionary.values[index])
        }
        try write("}")
    }
}

/// An integer in decimal.
func integerText(_ value: Int128) -> String {
    if let small = Int(exactly: value) { return String(small) }
    return String(value)
}

/// A string between quotes as Python's `repr` writes it: single quotes unless only double ones avoid escapes.
private func quotedText(_ text: Text) -> [UInt8] {
    let single = UInt8(ascii: "'")
    let double = UInt8(ascii: "\"")
    let quote = text.bytes.contains(single) && !text.bytes.contains(double) ? double : single
    var result: [UInt8] = [quote]
    result.reserveCapacity(text.bytes.count + 2)
    for scalar in text.scalars {
        switch scalar.value {
        case UInt32(quote), 0x5C:
            result.append(0x5C)
            result.append(UInt8(scalar.value))
        case 0x0A: result += [0x5C, UInt8(ascii: "n")]
        case 0x0D: result += [0x5C, UInt8(ascii: "r")]
        case 0x09: result += [0x5C, UInt8(ascii: "t")]
        case 0x20..<0x7F: result.append(UInt8(scalar.value))
        default:
            if scalar.isPrintable {
                append(scalar, to: &result)
            } else {
                result += hexEscape(scalar)
            }
        }
    }
    result.append(quote)
    return result
}

/// `\x85`, `\u2028` or `\U0001f600`.
func hexEscape(_ scalar: Unicode.Scalar) -> [UInt8] {
    let (mark, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
    let digits = String(scalar.value, radix: 16)
    return Array(("\\" + mark + String(repeating: "0", count: width - digits.count) + digits).utf8)
}
