/// HTML as plain text.
enum HTMLText {
    /// The text without tags and comments, white space collapsed, the common entities read.
    static func plain(_ text: [UInt8]) -> [UInt8] {
        var parts: [UInt8] = []
        var at = 0
        while let start = text[at...].firstIndex(of: UInt8(ascii: "<")) {
            let isComment = hasPart(Array("<!--".utf8), in: text, at: start)
            let end =
                isComment
                ? find(Array("-->".utf8), in: text, from: start + 4).map { $0 + 3 }
                : text[start...].firstIndex(of: UInt8(ascii: ">")).map { $0 + 1 }
            guard let end else { break }
            parts += text[at..<start]
            at = end
        }
        parts += text[at...]
        var result: [UInt8] = []
        var start = endOfSpace(parts, 0)
        while start < parts.count {
            var end = start
            while end < parts.count, endOfSpace(parts, end) == end { end += scalarLength(parts[end]) }
            if !result.isEmpty { result.append(0x20) }
            result += parts[start..<end]
            start = endOfSpace(parts, end)
        }
        return unescaped(result)
    }

    private static let entities: [String: String] = [
        "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": "\u{A0}", "copy": "©", "reg": "®",
        "laquo": "«", "raquo": "»", "hellip": "…", "ndash": "–", "mdash": "—", "lsquo": "‘", "rsquo": "’",
        "ldquo": "“", "rdquo": "”", "euro": "€", "deg": "°", "times": "×", "middot": "·", "bull": "•", "trade": "™",
    ]

    private static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var at = 0
        while at < text.count {
            guard text[at] == UInt8(ascii: "&"),
                let end = text[at..<min(at + 12, text.count)].firstIndex(of: UInt8(ascii: ";")),
                let meaning = entity(String(decoding: text[(at + 1)..<end], as: UTF8.self))
            else {
                result.append(text[at])
                at += 1
                continue
            }
            result += Array(meaning.utf8)
            at = end + 1
        }
        return result
    }

    private static func entity(_ name: String) -> String? {
        if let known = entities[name] { return known }
        guard name.hasPrefix("#") else { return nil }
        let isHexadecimal = name.dropFirst().first == "x" || name.dropFirst().first == "X"
        let number = isHexadecimal ? UInt32(name.dropFirst(2), radix: 16) : UInt32(name.dropFirst())
        return number.flatMap(Unicode.Scalar.init).map { String(Character($0)) }
    }
}
