extension JSON {
    /// The value as JSON text in UTF-8.
    ///
    /// Numbers are printed with the fewest digits that read back to the same `Double`; a number that is not finite
    /// has no JSON form and becomes null.
    /// - Parameter pretty: line ends and two spaces of indentation.
    public func serialised(pretty: Bool = false) -> String {
        String(decoding: serialisedBytes(pretty: pretty), as: UTF8.self)
    }

    /// The value as the bytes of JSON text.
    public func serialisedBytes(pretty: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = []
        write(to: &bytes, indentation: pretty ? 0 : nil)
        return bytes
    }

    /// Appends the value to `bytes`; `indentation` is the current depth, or nil for compact text.
    public func write(to bytes: inout [UInt8], indentation: Int? = nil) {
        switch self {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): bytes.append(contentsOf: String(value).utf8)
        case .number(let value): bytes.append(contentsOf: (value.isFinite ? value.description : "null").utf8)
        case .string(let value): JSON.write(string: value, to: &bytes)
        case .array(let elements):
            JSON.write(elements.indices, "[", "]", to: &bytes, indentation) { index, bytes, inner in
                elements[index].write(to: &bytes, indentation: inner)
            }
        case .object(let members):
            JSON.write(members.keys.indices, "{", "}", to: &bytes, indentation) { index, bytes, inner in
                JSON.write(string: members.keys[index], to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                if inner != nil { bytes.append(0x20) }
                members.values[index].write(to: &bytes, indentation: inner)
            }
        }
    }

    private static func write(
        _ range: Range<Int>, _ open: Unicode.Scalar, _ close: Unicode.Scalar, to bytes: inout [UInt8],
        _ indentation: Int?, _ element: (Int, inout [UInt8], Int?) -> Void
    ) {
        bytes.append(UInt8(ascii: open))
        let inner = indentation.map { $0 + 1 }
        for index in range {
            if index > range.lowerBound { bytes.append(UInt8(ascii: ",")) }
            if let inner {
                bytes.append(0x0A)
                bytes.append(contentsOf: repeatElement(0x20, count: 2 * inner))
            }
            element(index, &bytes, inner)
        }
        if let indentation, !range.isEmpty {
            bytes.append(0x0A)
            bytes.append(contentsOf: repeatElement(0x20, count: 2 * indentation))
        }
        bytes.append(UInt8(ascii: close))
    }

    /// Appends a string in quotes, with the escapes that RFC 8259 asks for.
    ///
    /// U+0085, U+2028 and U+2029 are escaped too: many readers of one value per line take them for line ends.
    public static func write(string: String, to bytes: inout [UInt8]) {
        let hex = Array("0123456789abcdef".utf8)
        bytes.append(UInt8(ascii: "\""))
        var before: UInt8 = 0
        var second: UInt8 = 0
        for byte in string.utf8 {
            defer {
                second = before
                before = byte
            }
            switch byte {
            case 0x85 where before == 0xC2:
                bytes.removeLast()
                bytes.append(contentsOf: "\\u0085".utf8)
            case 0xA8 where second == 0xE2 && before == 0x80:
                bytes.removeLast(2)
                bytes.append(contentsOf: "\\u2028".utf8)
            case 0xA9 where second == 0xE2 && before == 0x80:
                bytes.removeLast(2)
                bytes.append(contentsOf: "\\u2029".utf8)
            case UInt8(ascii: "\""): bytes.append(contentsOf: "\\\"".utf8)
            case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
            case 0x0A: bytes.append(contentsOf: "\\n".utf8)
            case 0x0D: bytes.append(contentsOf: "\\r".utf8)
            case 0x09: bytes.append(contentsOf: "\\t".utf8)
            case 0x00..<0x20:
                bytes.append(contentsOf: "\\u00".utf8)
                bytes.append(hex[Int(byte >> 4)])
                bytes.append(hex[Int(byte & 15)])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
