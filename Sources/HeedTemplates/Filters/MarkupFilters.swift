import HeedSupport

extension Filters {
    /// Filters of HTML and addresses.
    static let markup: [String: Method] = [
        "escape": escape, "e": escape,
        "forceescape": { renderer, value, arguments in
            _ = try arguments.bind("forceescape", [])
            return .string(try renderer.escaped(try renderer.plainText(value)))
        },
        "safe": { renderer, value, arguments in
            _ = try arguments.bind("safe", [])
            return .string(renderer.markup(try renderer.softText(value).bytes))
        },
        "striptags": { renderer, value, arguments in
            _ = try arguments.bind("striptags", [])
            return .string(renderer.make(HTMLText.plain(try renderer.softText(value).bytes)))
        },
        "urlencode": { renderer, value, arguments in
            _ = try arguments.bind("urlencode", [])
            switch value {
            case .string, .none, .bool, .integer, .float:
                return .string(renderer.make(try percentEncoded(value, isQuery: false, renderer)))
            case .object(let object) where !object.isIterable:
                return .string(renderer.make(try percentEncoded(value, isQuery: false, renderer)))
            default: break
            }
            var pairs = value
            if case .dictionary(let dictionary) = value { pairs = .object(DictionaryView(dictionary, .items)) }
            var result: [UInt8] = []
            for pair in try renderer.elements(pairs) {
                let parts = try renderer.elements(pair)
                guard parts.count == 2 else { throw HeedError(.badInput, "urlencode takes pairs") }
                if !result.isEmpty { result.append(UInt8(ascii: "&")) }
                result += try percentEncoded(parts[0], isQuery: true, renderer) + [UInt8(ascii: "=")]
                result += try percentEncoded(parts[1], isQuery: true, renderer)
                try renderer.meter.allow(result.count)
            }
            return .string(renderer.make(result))
        },
        "xmlattr": { renderer, value, arguments in
            let autospace = try arguments.bind("xmlattr", ["autospace"])[0].map { try renderer.isTrue($0) } ?? true
            guard case .dictionary(let dictionary) = value else {
                if case .undefined(let undefined) = value { throw undefined.failure }
                throw HeedError(.badInput, "xmlattr takes a dictionary", got: "a \(value.typeName)")
            }
            var result: [UInt8] = []
            for (key, value) in zip(dictionary.keys, dictionary.values) where !value.isNone && !value.isUndefined {
                let name = try renderer.text(key, "the name of an attribute")
                if name.bytes.contains(where: { (0x09...0x0D).contains($0) || " />=".utf8.contains($0) }) {
                    throw HeedError(
                        .badInput, "an attribute's name has a character that ends it", got: quoted(name.string))
                }
                if !result.isEmpty { result.append(0x20) }
                let quote = [UInt8(ascii: "\"")]
                result += try renderer.escaped(name).bytes + [UInt8(ascii: "=")] + quote
                result += try renderer.escaped(value).bytes + quote
                try renderer.meter.allow(result.count)
            }
            if autospace, !result.isEmpty { result.insert(0x20, at: 0) }
            return .string(renderer.make(result, isMarkup: renderer.escapes))
        },
        "urlize": { _, _, _ in
            throw HeedError(.unsupported, "urlize makes links of a web page, which no model's template needs")
        },
    ]

    private static let escape: Method = { renderer, value, arguments in
        _ = try arguments.bind("escape", [])
        return .string(try renderer.escaped(value))
    }

    /// Bytes that are no letters, digits or `_.-~` (and `/`, outside of a query) as `%XX`.
    private static func percentEncoded(_ value: Value, isQuery: Bool, _ renderer: Renderer) throws -> [UInt8] {
        let text = try renderer.softText(value)
        try renderer.meter.copy(3 * text.bytes.count)
        let hexadecimal = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in text.bytes {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: result.append(byte)
            case UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "~"): result.append(byte)
            case UInt8(ascii: "/") where !isQuery: result.append(byte)
            case 0x20 where isQuery: result.append(UInt8(ascii: "+"))
            default: result += [UInt8(ascii: "%"), hexadecimal[Int(byte >> 4)], hexadecimal[Int(byte & 15)]]
            }
        }
        return result
    }
}
