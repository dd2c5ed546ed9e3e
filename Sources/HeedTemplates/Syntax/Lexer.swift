import HeedSupport

/// Cuts a template into tokens, with Jinja's rules of white space: `trim_blocks` (the line end after a block goes) and
/// `lstrip_blocks` (white space before a block that begins its line goes), as transformers sets them.
struct Lexer {
    private let source: [UInt8]
    private var at = 0
    private var line = 1
    private var tokens: [Token] = []
    /// Whether the last piece ended with a line end, or nothing came yet.
    private var startsLine = true

    /// Takes a template's text: line ends become `\n`, and one at the very end goes.
    init(_ text: [UInt8]) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        for (index, byte) in text.enumerated() {
            if byte == 0x0D {
                bytes.append(0x0A)
            } else if byte != 0x0A || index == 0 || text[index - 1] != 0x0D {
                bytes.append(byte)
            }
        }
        if bytes.last == 0x0A { bytes.removeLast() }
        source = bytes
    }

    /// All tokens, the last of which is the end.
    mutating func run() throws -> [Token] {
        while at < source.count { try root() }
        tokens.append(Token(kind: .end, line: line))
        return tokens
    }

    private func byte(_ place: Int) -> UInt8 { place < source.count ? source[place] : 0 }

    private func has(_ text: StaticString, _ place: Int) -> Bool {
        guard place + text.utf8CodeUnitCount <= source.count else { return false }
        for offset in 0..<text.utf8CodeUnitCount where source[place + offset] != text.utf8Start[offset] { return false }
        return true
    }

    private mutating func append(_ kind: Token.Kind) { tokens.append(Token(kind: kind, line: line)) }

    /// Steps on, counting lines.
    private mutating func move(to end: Int) {
        for place in at..<max(end, at) where source[place] == 0x0A { line += 1 }
        if end > at { startsLine = source[end - 1] == 0x0A }
        at = end
    }

    /// Text up to the next tag, and the tag.
    private mutating func root() throws {
        var open = at
        while open < source.count {
            if source[open] == UInt8(ascii: "{") {
                let next = byte(open + 1)
                if next == UInt8(ascii: "%") || next == UInt8(ascii: "{") || next == UInt8(ascii: "#") { break }
            }
            open += 1
        }
        guard open < source.count else {
            data(from: at, to: source.count)
            move(to: source.count)
            return
        }
        let kind = source[open + 1]
        let sign = byte(open + 2)
        let hasSign = sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+")
        let textEnd = strip(
            from: at, to: open, sign: hasSign ? sign : 0, isVariable: kind == UInt8(ascii: "{"))
        data(from: at, to: textEnd)
        move(to: open)
        let inside = open + (hasSign ? 3 : 2)
        switch kind {
        case UInt8(ascii: "#"): try comment(inside)
        case UInt8(ascii: "{"):
            append(.variableBegin)
            move(to: inside)
            try tag(isBlock: false)
        default:
            if let rawStart = rawBegin(inside) {
                try raw(rawStart)
            } else {
                append(.blockBegin)
                move(to: inside)
                try tag(isBlock: true)
            }
        }
    }

    private mutating func data(from start: Int, to end: Int) {
        if end > start { append(.data(Array(source[start..<end]))) }
    }

    /// Where text before a tag ends, once white space is taken away.
    private func strip(from start: Int, to end: Int, sign: UInt8, isVariable: Bool) -> Int {
        if sign == UInt8(ascii: "-") { return startOfSpace(source, from: start, to: end) }
        if sign == UInt8(ascii: "+") || isVariable { return end }
        let lineStart = source[start..<end].lastIndex(of: 0x0A).map { $0 + 1 } ?? start
        guard lineStart > start || startsLine, startOfSpace(source, from: lineStart, to: end) == lineStart else {
            return end
        }
        return lineStart
    }

    /// The place after `{% raw %}`, or nil where the block is another one.
    private func rawBegin(_ inside: Int) -> Int? {
        var place = endOfSpace(source, inside)
        guard has("raw", place) else { return nil }
        place = endOfSpace(source, place + 3)
        if has("-%}", place) { return endOfSpace(source, place + 3) }
        return has("%}", place) ? place + 2 : nil
    }

    /// Text between `{% raw %}` and `{% endraw %}`.
    private mutating func raw(_ start: Int) throws {
        move(to: start)
        var open = start
        while open < source.count {
            if has("{%", open) {
                let sign = byte(open + 2)
                let hasSign = sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+")
                var place = endOfSpace(source, open + (hasSign ? 3 : 2))
                if has("endraw", place) {
                    place = endOfSpace(source, place + 6)
                    if let end = blockEnd(place) {
                        data(from: start, to: strip(from: start, to: open, sign: hasSign ? sign : 0, isVariable: false))
                        move(to: end)
                        return
                    }
                }
            }
            open += 1
        }
        // Jinja does not mind one that begins where the template ends.
        if start == source.count { return }
        throw syntaxFailure("the raw block is not closed", line: line, expected: "{% endraw %}")
    }

    private mutating func comment(_ start: Int) throws {
        var place = start
        while place < source.count {
            if has("#}", place) {
                let sign = place > start ? source[place - 1] : 0
                var end = place + 2
                if sign == UInt8(ascii: "-") {
                    end = endOfSpace(source, end)
                } else if sign != UInt8(ascii: "+"), byte(end) == 0x0A, end < source.count {
                    end += 1
                }
                move(to: end)
                return
            }
            place += 1
        }
        if start == source.count { return move(to: start) }
        throw syntaxFailure("a comment is not closed", line: line, expected: "#}")
    }

    /// The place after `%}` with its marks and what they strip, or nil.
    private func blockEnd(_ place: Int) -> Int? {
        if has("+%}", place) { return place + 3 }
        if has("-%}", place) { return endOfSpace(source, place + 3) }
        if has("%}", place) { return place + 2 + (place + 2 < source.count && source[place + 2] == 0x0A ? 1 : 0) }
        return nil
    }

    private func variableEnd(_ place: Int) -> Int? {
        if has("-}}", place) { return endOfSpace(source, place + 3) }
        return has("}}", place) ? place + 2 : nil
    }

    /// The tokens inside of `{% %}` or `{{ }}`.
    private mutating func tag(isBlock: Bool) throws {
        var brackets: [String] = []
        while at < source.count {
            if brackets.isEmpty, let end = isBlock ? blockEnd(at) : variableEnd(at) {
                append(isBlock ? .blockEnd : .variableEnd)
                move(to: end)
                return
            }
            let space = endOfSpace(source, at)
            if space > at {
                move(to: space)
                continue
            }
            let byte = source[at]
            if byte &- 0x30 < 10 {
                try number()
            } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                try string(quote: byte)
            } else if let end = nameEnd() {
                append(.name(String(decoding: source[at..<end], as: UTF8.self)))
                move(to: end)
            } else {
                try sign(&brackets)
            }
        }
        // The parser says what is missing.
    }

    private func nameEnd() -> Int? {
        var place = at
        while place < source.count {
            let length = scalarLength(source[place])
            guard place + length <= source.count,
                let scalar = decodeScalars(source[place..<place + length]).first,
                place == at ? scalar.startsName : scalar.continuesName
            else { break }
            place += length
        }
        return place > at ? place : nil
    }

    private mutating func sign(_ brackets: inout [String]) throws {
        let two = ["**", "//", "==", "!=", ">=", "<="].first { hasPart(Array($0.utf8), in: source, at: at) }
        let one = "+-/*%~[](){}><=.:|,;".utf8.contains(source[at]) ? String(Unicode.Scalar(source[at])) : nil
        guard let sign = two ?? one else {
            let character = decodeScalars(source[at..<min(at + scalarLength(source[at]), source.count)]).first ?? "?"
            throw syntaxFailure("the character \(quoted(String(character))) has no meaning here", line: line)
        }
        switch sign {
        case "{": brackets.append("}")
        case "(": brackets.append(")")
        case "[": brackets.append("]")
        case "}", ")", "]":
            guard let expected = brackets.popLast(), expected == sign else {
                throw syntaxFailure("\(sign) closes nothing that is open", line: line)
            }
        default: break
        }
        append(.sign(sign))
        move(to: at + sign.utf8.count)
    }

    private mutating func string(quote: UInt8) throws {
        var place = at + 1
        while place < source.count, source[place] != quote { place += source[place] == UInt8(ascii: "\\") ? 2 : 1 }
        guard place < source.count else { throw syntaxFailure("a string is not closed", line: line) }
        append(.string(try unescape(Array(source[at + 1..<place]), line: line)))
        move(to: place + 1)
    }
}

extension Lexer {
    fileprivate mutating func number() throws {
        let (kind, end) = try Lexer.number(source, at, line: line)
        append(kind)
        move(to: end)
    }
}
