import HeedSupport

/// Writes values as Python's `json.dumps` does, with the options of transformers' filter `tojson`.
struct JSONText {
    private let renderer: Renderer
    private let escapesAll: Bool
    private let sortsKeys: Bool
    private let indentation: [UInt8]?
    private let itemSeparator: [UInt8]
    private let keySeparator: [UInt8]
    private var bytes: [UInt8] = []
    private var level = 0

    /// - Parameters:
    ///   - escapesAll: escapes characters beyond ASCII.
    ///   - indentation: what each level is indented by; nil for one line.
    ///   - separators: between items, and after keys.
    init(
        _ renderer: Renderer, escapesAll: Bool, indentation: [UInt8]?, separators: ([UInt8], [UInt8])?, sortsKeys: Bool
    ) {
        self.renderer = renderer
        self.escapesAll = escapesAll
        self.indentation = indentation
        self.sortsKeys = sortsKeys
        itemSeparator = separators?.0 ?? Array((indentation == nil ? ", " : ",").utf8)
        keySeparator = separators?.1 ?? Array(": ".utf8)
    }

    /// The text of a value.
    mutating func run(_ value: Value) throws -> [UInt8] {
        try write(value)
        return bytes
    }

    private mutating func add(_ more: [UInt8]) throws {
        try renderer.meter.work()
        try renderer.meter.copy(more.count)
        try renderer.meter.allow(bytes.count + more.count)
        bytes += more
    }

    private mutating func write(_ value: Value) throws {
        switch value {
        case .none: try add(Array("null".utf8))
        case .bool(let value): try add(Array((value ? "true" : "false").utf8))
        case .integer(let value): try add(Array(integerText(value).utf8))
        case .float(let value): try add(Array(JSONText.number(value).utf8))
        case .string(let text): try add(quoted(text))
        case .list(let list), .tuple(let list):
            try items(list.elements.count, "[", "]") { writer, place in try writer.write(list.elements[place]) }
        case .dictionary(let dictionary): try write(dictionary)
        case .undefined, .object:
            throw HeedError(.badInput, "a \(value.typeName) cannot be written as JSON")
        }
    }

    private mutating func write(_ dictionary: DictionaryObject) throws {
        var order = Array(0..<dictionary.count)
        if sortsKeys {
            let meter = renderer.meter
            order = try sorted(order) {
                try HeedTemplates.order(dictionary.keys[$0], dictionary.keys[$1], "<", meter) == .before
            }
        }
        let separator = keySeparator
        try items(dictionary.count, "{", "}") { writer, place in
            let key: Text
            switch dictionary.keys[order[place]] {
            case .string(let text): key = text
            case .bool(let value): key = Text(value ? "true" : "false")
            case .none: key = Text("null")
            case .integer(let value): key = Text(integerText(value))
            case .float(let value): key = Text(JSONText.number(value))
            case let other: throw HeedError(.badInput, "a \(other.typeName) cannot be a key of JSON")
            }
            try writer.add(writer.quoted(key))
            try writer.add(separator)
            try writer.write(dictionary.values[order[place]])
        }
    }

    private mutating func items(
        _ count: Int, _ open: String, _ close: String, _ item: (inout JSONText, Int) throws -> Void
    ) throws {
        try add(Array(open.utf8))
        if count > 0 {
            level += 1
            for place in 0..<count {
                if place > 0 { try add(itemSeparator) }
                try breakLine()
                try item(&self, place)
            }
            level -= 1
            try breakLine()
        }
        try add(Array(close.utf8))
    }

    private mutating func breakLine() throws {
        guard let indentation else { return }
        try renderer.meter.allow(indentation.count * level)
        var line: [UInt8] = [0x0A]
        for _ in 0..<level { line += indentation }
        try add(line)
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return floatText(value)
    }

    private func quoted(_ text: Text) -> [UInt8] {
        var result: [UInt8] = [UInt8(ascii: "\"")]
        result.reserveCapacity(text.bytes.count + 2)
        func escape(_ unit: UInt16) {
            let digits = String(unit, radix: 16)
            result += Array(("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits).utf8)
        }
        func add(_ byte: UInt8) {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                result.append(UInt8(ascii: "\\"))
                result.append(byte)
            case 0x0A: result += [0x5C, UInt8(ascii: "n")]
            case 0x0D: result += [0x5C, UInt8(ascii: "r")]
            case 0x09: result += [0x5C, UInt8(ascii: "t")]
            case 0x0C: result += [0x5C, UInt8(ascii: "f")]
            case 0x08: result += [0x5C, UInt8(ascii: "b")]
            case 0x00..<0x20: escape(UInt16(byte))
            default: result.append(byte)
            }
        }
        if escapesAll, !text.isASCII || text.bytes.contains(0x7F) {
            for scalar in text.scalars {
                if scalar.value < 0x7F {
                    add(UInt8(scalar.value))
                } else {
                    for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter { escape(unit) }
                }
            }
        } else {
            for byte in text.bytes { add(byte) }
        }
        result.append(UInt8(ascii: "\""))
        return result
    }
}

extension Renderer {
    /// transformers' filter `tojson`.
    func json(_ value: Value, _ arguments: Arguments) throws -> Value {
        let given = try arguments.bind("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])
        var indentation: [UInt8]?
        switch given[1] {
        case nil, .none?: break
        case .string(let text)?: indentation = text.bytes
        case let width?:
            let count = max(try index(width, "the indentation of tojson"), 0)
            try meter.copy(count)
            indentation = [UInt8](repeating: 0x20, count: count)
        }
        var separators: ([UInt8], [UInt8])?
        if let pair = given[2], !pair.isNone {
            let parts = try elements(pair)
            guard parts.count == 2 else {
                throw HeedError(.badInput, "the separators of tojson are two texts", got: "\(parts.count)")
            }
            separators = (
                try text(parts[0], "a separator of tojson").bytes, try text(parts[1], "a separator of tojson").bytes
            )
        }
        var writer = JSONText(
            self, escapesAll: try given[0].map { try isTrue($0) } ?? false, indentation: indentation,
            separators: separators, sortsKeys: try given[3].map { try isTrue($0) } ?? false)
        return .string(make(try writer.run(value)))
    }
}
