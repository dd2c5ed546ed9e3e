/// Builds the node list of a `JSONDocument`: one pass, an explicit stack, no recursion.
struct JSONParser {
    let place: String?
    let maximumDepth: Int
    var nodes: [JSONDocument.Node] = []
    var unescaped: [UInt8] = []

    init(place: String?, maximumDepth: Int) {
        self.place = place
        self.maximumDepth = maximumDepth
    }

    /// What the parser looks for next.
    private enum State { case value, valueOrEnd, key, keyOrEnd, afterValue }

    mutating func parse(_ bytes: UnsafeBufferPointer<UInt8>) throws {
        nodes.reserveCapacity(bytes.count / 8 + 16)
        var stack: [Int] = []
        var state = State.value
        // A byte-order mark is no JSON, but editors leave it; Python's utf-8-sig readers skip it as well.
        var at = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        while true {
            while at < bytes.count, JSONParser.isSpace(bytes[at]) { at += 1 }
            if stack.isEmpty, state == .afterValue {
                if at < bytes.count { throw failure("text after the end of the JSON value", bytes, at) }
                return
            }
            guard at < bytes.count else { throw failure("the JSON text is cut short", bytes, at) }
            let byte = bytes[at]
            switch state {
            case .afterValue: state = try continued(byte, bytes, &at, &stack)
            case .key, .keyOrEnd:
                if byte == UInt8(ascii: "}"), state == .keyOrEnd {
                    state = close(&at, &stack)
                } else {
                    at = try name(bytes, at, of: stack[stack.count - 1])
                    state = .value
                }
            case .value, .valueOrEnd:
                if byte == UInt8(ascii: "]"), state == .valueOrEnd {
                    state = close(&at, &stack)
                } else {
                    if let top = stack.last, nodes[top].kind == .array { nodes[top].length += 1 }
                    state = try value(byte, bytes, &at, &stack)
                }
            }
        }
    }

    /// Steps over the bracket that ends the innermost array or object.
    @inline(__always)
    private mutating func close(_ at: inout Int, _ stack: inout [Int]) -> State {
        at += 1
        nodes[stack.removeLast()].end = UInt32(nodes.count)
        return .afterValue
    }

    /// Reads what follows a value inside an array or object.
    @inline(__always)
    private mutating func continued(
        _ byte: UInt8, _ bytes: UnsafeBufferPointer<UInt8>, _ at: inout Int, _ stack: inout [Int]
    ) throws -> State {
        let isObject = nodes[stack[stack.count - 1]].kind == .object
        if byte == UInt8(ascii: ",") {
            at += 1
            return isObject ? .key : .value
        }
        if byte == UInt8(ascii: isObject ? "}" : "]") { return close(&at, &stack) }
        throw failure(isObject ? "expected , or } in an object" : "expected , or ] in an array", bytes, at)
    }

    /// Reads a name and its colon in the object at a node; returns the place after them.
    @inline(__always)
    private mutating func name(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, of object: Int) throws -> Int {
        guard bytes[start] == UInt8(ascii: "\"") else { throw failure("expected a name in quotes", bytes, start) }
        nodes[object].length += 1
        var at = try string(bytes, start)
        while at < bytes.count, JSONParser.isSpace(bytes[at]) { at += 1 }
        guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else {
            throw failure("expected : after a name", bytes, at)
        }
        return at + 1
    }

    /// Reads a scalar, or steps into an array or object.
    @inline(__always)
    private mutating func value(
        _ byte: UInt8, _ bytes: UnsafeBufferPointer<UInt8>, _ at: inout Int, _ stack: inout [Int]
    ) throws -> State {
        switch byte {
        case UInt8(ascii: "\""): at = try string(bytes, at)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard stack.count < maximumDepth else {
                throw failure("arrays and objects nest deeper than \(maximumDepth)", bytes, at)
            }
            let isObject = byte == UInt8(ascii: "{")
            stack.append(nodes.count)
            append(isObject ? .object : .array, offset: at, length: 0)
            at += 1
            return isObject ? .keyOrEnd : .valueOrEnd
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): at = try number(bytes, at)
        case UInt8(ascii: "t"): at = try word("true", .yes, bytes, at)
        case UInt8(ascii: "f"): at = try word("false", .no, bytes, at)
        case UInt8(ascii: "n"): at = try word("null", .null, bytes, at)
        default: throw failure("expected a JSON value", bytes, at)
        }
        return .afterValue
    }

    @inline(__always)
    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    @inline(__always)
    private mutating func append(_ kind: JSONDocument.Node.Kind, offset: Int, length: Int) {
        nodes.append(
            JSONDocument.Node(
                kind: kind, length: UInt32(truncatingIfNeeded: length), offset: UInt32(truncatingIfNeeded: offset),
                end: UInt32(truncatingIfNeeded: nodes.count + 1)))
    }

    private mutating func word(
        _ word: StaticString, _ kind: JSONDocument.Node.Kind, _ bytes: UnsafeBufferPointer<UInt8>, _ at: Int
    ) throws -> Int {
        let length = word.utf8CodeUnitCount
        guard at + length <= bytes.count else { throw failure("the JSON text is cut short", bytes, bytes.count) }
        for offset in 0..<length where bytes[at + offset] != word.utf8Start[offset] {
            throw failure("expected a JSON value", bytes, at)
        }
        append(kind, offset: at, length: 0)
        return at + length
    }

    private mutating func number(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) throws -> Int {
        var at = start
        var kind = JSONDocument.Node.Kind.integer
        func digits() -> Int {
            let first = at
            while at < bytes.count, bytes[at] &- 0x30 < 10 { at += 1 }
            return at - first
        }
        if bytes[at] == UInt8(ascii: "-") { at += 1 }
        let whole = at
        let count = digits()
        if count == 0 || (count > 1 && bytes[whole] == 0x30) { throw failure("a number is malformed", bytes, start) }
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            kind = .number
            if digits() == 0 { throw failure("a number has no digit after its point", bytes, start) }
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            kind = .number
            if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
            if digits() == 0 { throw failure("a number has an empty exponent", bytes, start) }
        }
        // A long number could be infinite as a Double; short ones without exponent never are.
        if kind == .number || at - start > 300 {
            let text = UnsafeBufferPointer(rebasing: bytes[start..<at])
            guard NumberText.isSurelyFinite(text) || NumberText.double(text).isFinite else {
                throw failure("a number is too large", bytes, start)
            }
        }
        append(kind, offset: start, length: at - start)
        return at
    }

    /// Scans a string that starts with its quote at `start`; returns the place after the closing quote.
    private mutating func string(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) throws -> Int {
        var at = start + 1
        while at < bytes.count {
            at = JSONParser.plainEnd(bytes, at)
            if at == bytes.count { break }
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") {
                append(.string, offset: start + 1, length: at - start - 1)
                return at + 1
            }
            if byte == UInt8(ascii: "\\") { return try escapedString(bytes, start + 1, at) }
            if byte < 0x20 { throw failure("a string holds a control character that is not escaped", bytes, at) }
            if byte < 0x80 {
                at += 1
            } else {
                at += try scalarLength(bytes, at)
            }
        }
        throw failure("a string is not closed", bytes, bytes.count)
    }

    /// The first place from `start` that is not plain ASCII inside a string, or one up to 7 bytes before it: eight
    /// bytes at a time while all of them are neither quote nor backslash nor control nor beyond ASCII.
    @inline(__always)
    private static func plainEnd(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        guard let base = UnsafeRawPointer(bytes.baseAddress) else { return start }
        var at = start
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        while at + 8 <= bytes.count {
            let word = base.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            let quote = word ^ (ones &* 0x22)
            let backslash = word ^ (ones &* 0x5C)
            // Each term has the high bit of a byte set where the byte is zero, or below 0x20; the lowest such is right.
            let found =
                ((quote &- ones) & ~quote | (backslash &- ones) & ~backslash | (word &- ones &* 0x20) & ~word | word)
                & highs
            if found != 0 { return at + found.trailingZeroBitCount / 8 }
            at += 8
        }
        return at
    }

    /// Continues a string whose first escape is at `escape`, writing its bytes to `unescaped`.
    private mutating func escapedString(_ bytes: UnsafeBufferPointer<UInt8>, _ first: Int, _ escape: Int) throws -> Int
    {
        let offset = unescaped.count
        unescaped.append(contentsOf: bytes[first..<escape])
        var at = escape
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") {
                append(.escapedString, offset: offset, length: unescaped.count - offset)
                return at + 1
            }
            if byte == UInt8(ascii: "\\") {
                guard at + 1 < bytes.count else { break }
                switch bytes[at + 1] {
                case UInt8(ascii: "n"): unescaped.append(0x0A)
                case UInt8(ascii: "t"): unescaped.append(0x09)
                case UInt8(ascii: "r"): unescaped.append(0x0D)
                case UInt8(ascii: "b"): unescaped.append(0x08)
                case UInt8(ascii: "f"): unescaped.append(0x0C)
                case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): unescaped.append(bytes[at + 1])
                case UInt8(ascii: "u"):
                    at = try unicodeEscape(bytes, at)
                    continue
                default: throw failure("a string holds an unknown escape", bytes, at)
                }
                at += 2
            } else if byte < 0x20 {
                throw failure("a string holds a control character that is not escaped", bytes, at)
            } else if byte < 0x80 {
                unescaped.append(byte)
                at += 1
            } else {
                let length = try scalarLength(bytes, at)
                unescaped.append(contentsOf: bytes[at..<at + length])
                at += length
            }
        }
        throw failure("a string is not closed", bytes, bytes.count)
    }

    /// Reads `\uXXXX` (or a pair of them) at `start`; returns the place after it.
    private mutating func unicodeEscape(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) throws -> Int {
        func unit(_ at: Int) -> UInt32? {
            guard at + 6 <= bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") else {
                return nil
            }
            var value: UInt32 = 0
            for byte in bytes[at + 2..<at + 6] {
                switch byte {
                case 0x30...0x39: value = value << 4 | UInt32(byte - 0x30)
                case 0x41...0x46: value = value << 4 | UInt32(byte - 0x37)
                case 0x61...0x66: value = value << 4 | UInt32(byte - 0x57)
                default: return nil
                }
            }
            return value
        }
        guard let high = unit(start) else { throw failure("a \\u escape needs four hexadecimal digits", bytes, start) }
        var value = high
        var next = start + 6
        if high & 0xFC00 == 0xD800, let low = unit(next), low & 0xFC00 == 0xDC00 {
            value = 0x10000 + (high & 0x3FF) << 10 + (low & 0x3FF)
            next += 6
        }
        let scalar = Unicode.Scalar(value) ?? "\u{FFFD}"
        unescaped.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        return next
    }

    /// The length of the well-formed UTF-8 sequence at `at`.
    private func scalarLength(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int) throws -> Int {
        let length = utf8SequenceLength(bytes, at)
        if length == 0 { throw failure("the text is not UTF-8", bytes, at) }
        return length
    }

    private func failure(_ what: String, _ bytes: UnsafeBufferPointer<UInt8>, _ at: Int) -> HeedError {
        var line = 1
        var column = 1
        for byte in bytes[0..<min(at, bytes.count)] {
            if byte == 0x0A {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return HeedError(.badInput, "\(what), at line \(line), column \(column) of the JSON text", in: place)
    }
}

/// The length of the well-formed UTF-8 sequence that starts at `at` (1 to 4), or 0 where there is none.
///
/// Follows table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF.
@inline(__always)
package func utf8SequenceLength(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int {
    let first = bytes[at]
    if first < 0x80 { return 1 }
    let left = bytes.count - at
    if first < 0xC2 || first > 0xF4 || left < 2 { return 0 }
    let second = bytes[at + 1]
    if second & 0xC0 != 0x80 { return 0 }
    if first < 0xE0 { return 2 }
    if left < 3 || bytes[at + 2] & 0xC0 != 0x80 { return 0 }
    if first < 0xF0 {
        if first == 0xE0, second < 0xA0 { return 0 }
        if first == 0xED, second > 0x9F { return 0 }
        return 3
    }
    if left < 4 || bytes[at + 3] & 0xC0 != 0x80 { return 0 }
    if first == 0xF0, second < 0x90 { return 0 }
    if first == 0xF4, second > 0x8F { return 0 }
    return 4
}
