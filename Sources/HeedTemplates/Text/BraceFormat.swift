import HeedSupport

extension Renderer {
    /// Python's `text.format(…)`, or `format_map` where `map` is given.
    func braceFormat(_ text: Text, _ arguments: Arguments, map: Value? = nil) throws -> Value {
        var format = BraceFormat(self, arguments, map, isMarkup: text.isMarkup)
        return try string(try format.run(text.bytes, depth: 2), like: text)
    }
}

/// One call of `format`.
private struct BraceFormat {
    private let renderer: Renderer
    private let arguments: Arguments
    private let map: Value?
    private let isMarkup: Bool
    /// The next place without a number; nil once places have numbers.
    private var automatic: Int? = 0

    init(_ renderer: Renderer, _ arguments: Arguments, _ map: Value?, isMarkup: Bool) {
        self.renderer = renderer
        self.arguments = arguments
        self.map = map
        self.isMarkup = isMarkup
    }

    mutating func run(_ text: [UInt8], depth: Int) throws -> [UInt8] {
        if depth < 0 { throw HeedError(.badInput, "format specifications nest too deep") }
        var result: [UInt8] = []
        func add(_ bytes: [UInt8]) throws {
            try renderer.meter.work()
            try renderer.meter.copy(bytes.count)
            try renderer.meter.allow(result.count + bytes.count)
            result += bytes
        }
        var at = 0
        while at < text.count {
            let byte = text[at]
            guard byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") else {
                let end = text[at...].firstIndex { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "}") } ?? text.count
                try add(Array(text[at..<end]))
                at = end
                continue
            }
            if at + 1 < text.count, text[at + 1] == byte {
                try add([byte])
                at += 2
                continue
            }
            guard byte == UInt8(ascii: "{"), at + 1 < text.count else {
                throw HeedError(.badInput, "a brace of a format stands alone", advice: "Double it to write it")
            }
            at += 1
            try add(try field(text, &at, depth))
        }
        return result
    }

    /// One `{name!conversion:specification}`; the opening brace is read already.
    private mutating func field(_ text: [UInt8], _ at: inout Int, _ depth: Int) throws -> [UInt8] {
        let start = at
        var isInBrackets = false
        scan: while at < text.count {
            switch text[at] {
            case UInt8(ascii: "{"): throw HeedError(.badInput, "a format has { inside of a name")
            case UInt8(ascii: "["): isInBrackets = true
            case UInt8(ascii: "]"): isInBrackets = false
            case UInt8(ascii: "}"), UInt8(ascii: ":"), UInt8(ascii: "!"): if !isInBrackets { break scan }
            default: break
            }
            at += 1
        }
        let unclosed = HeedError(.badInput, "a brace of a format is not closed")
        guard at < text.count else { throw unclosed }
        let name = Array(text[start..<at])
        var mark = text[at]
        at += 1
        var conversion: UInt8?
        if mark == UInt8(ascii: "!") {
            guard at + 1 < text.count else { throw unclosed }
            conversion = text[at]
            mark = text[at + 1]
            at += 2
            guard mark == UInt8(ascii: ":") || mark == UInt8(ascii: "}") else {
                throw HeedError(.badInput, "a format has more than one letter after !")
            }
        }
        var specification: [UInt8] = []
        if mark == UInt8(ascii: ":") {
            let start = at
            var open = 1
            while at < text.count {
                if text[at] == UInt8(ascii: "{") { open += 1 }
                if text[at] == UInt8(ascii: "}") { open -= 1 }
                if open == 0 { break }
                at += 1
            }
            guard at < text.count else { throw unclosed }
            specification = Array(text[start..<at])
            at += 1
        }
        var value = try lookUp(name)
        switch conversion {
        case nil: break
        case UInt8(ascii: "s")?: value = .string(try renderer.plainText(value))
        case UInt8(ascii: "r")?: value = .string(try renderer.representation(value))
        case UInt8(ascii: "a")?:
            value = .string(renderer.make(asciiOnly(try renderer.representation(value))))
        default: throw HeedError(.badInput, "a format has an unknown letter after !")
        }
        let expanded = try run(specification, depth: depth - 1)
        let bytes = try renderer.formatted(value, expanded)
        return isMarkup
            ? try renderer.escaped(renderer.make(bytes, isMarkup: value.text?.isMarkup ?? false)).bytes : bytes
    }

    private mutating func lookUp(_ name: [UInt8]) throws -> Value {
        var name = name
        if name.isEmpty {
            guard let place = automatic else { throw mixed() }
            name = Array(String(place).utf8)
            automatic = place + 1
        } else if name.allSatisfy({ $0 &- 0x30 < 10 }) {
            if let automatic, automatic > 0 { throw mixed() }
            automatic = nil
        }
        let end = name.firstIndex { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "[") } ?? name.count
        var value = try first(Array(name[..<end]))
        var at = end
        while at < name.count {
            if name[at] == UInt8(ascii: ".") {
                let stop =
                    name[(at + 1)...].firstIndex { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "[") } ?? name.count
                let member = Array(name[(at + 1)..<stop])
                if member.isEmpty { throw HeedError(.badInput, "a format has an empty attribute") }
                let key = renderer.make(member)
                value = try renderer.attribute(value, .string(key), key.string)
                at = stop
            } else if name[at] == UInt8(ascii: "[") {
                guard let close = name[at...].firstIndex(of: UInt8(ascii: "]")), close > at + 1 else {
                    throw HeedError(.badInput, "a format has a bracket that is empty or not closed")
                }
                let member = Array(name[(at + 1)..<close])
                let key: Value
                if member.allSatisfy({ $0 &- 0x30 < 10 }) {
                    guard let place = Int(String(decoding: member, as: UTF8.self)) else {
                        throw HeedError(.badInput, "a number of a format is too large")
                    }
                    key = .integer(place)
                } else {
                    key = .string(renderer.make(member))
                }
                value = try renderer.item(value, key)
                at = close + 1
            } else {
                throw HeedError(.badInput, "a format needs . or [ after ]")
            }
        }
        return value
    }

    private func first(_ name: [UInt8]) throws -> Value {
        let text = String(decoding: name, as: UTF8.self)
        if !name.isEmpty, name.allSatisfy({ $0 &- 0x30 < 10 }) {
            guard let place = Int(text), place < arguments.positional.count, map == nil else {
                throw HeedError(.badInput, "a format has no value for place \(text)")
            }
            return arguments.positional[place]
        }
        if let map {
            if case .dictionary(let dictionary) = map, let value = try dictionary.value(named: text, renderer.meter) {
                return value
            }
        } else if let value = arguments.keywords.first(where: { $0.name == text })?.value {
            return value
        }
        throw HeedError(.badInput, "a format has no value for \(quoted(text))")
    }

    private func mixed() -> HeedError {
        HeedError(.badInput, "a format has places with and without numbers")
    }
}
