import HeedSupport

/// Grammars in llama.cpp's notation (GBNF): `name ::= …`, texts `"…"`, classes `[a-z]` and `[^…]`, `.`, groups, `|`,
/// `* + ? {n} {n,} {n,m}`, comments from `#`. The rule `root` is the whole text.
struct GBNFParser {
    private let scalars: [Unicode.Scalar]
    private var place = 0
    private var depth = 0
    private var grammar = Grammar(.empty)
    private var numbers: [String: Int] = ["root": 0]
    private var isDefined: [Bool] = [false]
    /// Where a rule is first spoken of, for messages.
    private var firstUse: [Int: Int] = [:]

    private static let deepest = 256
    private static let mostRepetitions = 100_000

    /// The grammar of a text.
    static func grammar(_ text: String) throws -> Grammar {
        var parser = GBNFParser(text)
        try parser.parse()
        return parser.grammar
    }

    private init(_ text: String) { scalars = Array(text.unicodeScalars) }

    private mutating func parse() throws {
        skipSpace(lines: true)
        while place < scalars.count {
            let rule = try name()
            guard !isDefined[rule] else { throw wrong("the rule \(quoted(grammar.names[rule])) is said twice") }
            isDefined[rule] = true
            skipSpace(lines: false)
            for character in "::=".unicodeScalars {
                guard peek == character else { throw wrong("a rule has no ::= behind its name") }
                place += 1
            }
            skipSpace(lines: true)
            grammar.rules[rule] = try choice(nested: false)
            guard peek == nil || peek == "\n" || peek == "\r" else { throw wrong("a rule does not end with its line") }
            skipSpace(lines: true)
        }
        guard isDefined[0] else { throw wrong("there is no rule named root") }
        for rule in grammar.rules.indices where !isDefined[rule] {
            place = firstUse[rule] ?? place
            throw wrong("there is no rule \(quoted(grammar.names[rule]))")
        }
    }

    private var peek: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

    private func wrong(_ what: String, expected: String? = nil, kind: HeedError.Kind = .badInput) -> HeedError {
        let line = 1 + scalars[..<min(place, scalars.count)].count { $0 == "\n" }
        return HeedError(kind, what, in: "grammar, line \(line)", expected: expected)
    }

    private mutating func skipSpace(lines: Bool) {
        while let scalar = peek {
            if scalar == "#" {
                while let scalar = peek, scalar != "\n" { _ = (scalar, place += 1) }
            } else if scalar == " " || scalar == "\t" || (lines && (scalar == "\n" || scalar == "\r")) {
                place += 1
            } else {
                return
            }
        }
    }

    private static func isName(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "-", "_": true
        default: false
        }
    }

    /// The number of the rule whose name stands here.
    private mutating func name() throws -> Int {
        let start = place
        while let scalar = peek, GBNFParser.isName(scalar) { place += 1 }
        guard place > start else { throw wrong("a rule's name is expected") }
        let name = String(scalars[start..<place].map { Character($0) })
        if let there = numbers[name] { return there }
        let number = grammar.add(name)
        numbers[name] = number
        isDefined.append(false)
        firstUse[number] = start
        return number
    }

    private mutating func choice(nested: Bool) throws -> GrammarExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth < GBNFParser.deepest else { throw wrong("the groups are nested too deeply") }
        var parts = [try sequence(nested: nested)]
        while peek == "|" {
            place += 1
            skipSpace(lines: true)
            parts.append(try sequence(nested: nested))
        }
        return parts.count == 1 ? parts[0] : .choice(parts)
    }

    private mutating func sequence(nested: Bool) throws -> GrammarExpression {
        var parts: [GrammarExpression] = []
        while let scalar = peek {
            let part: GrammarExpression
            switch scalar {
            case "\"": part = .bytes(Array(try quotedText().utf8))
            case "[": part = .characters(try set())
            case ".":
                place += 1
                part = .characters(.all)
            case "(":
                place += 1
                skipSpace(lines: true)
                part = try choice(nested: true)
                guard peek == ")" else { throw wrong("a group is not closed") }
                place += 1
            case "<", "!": throw wrong("tokens by their ids are not supported", kind: .unsupported)
            default:
                guard GBNFParser.isName(scalar) else {
                    return parts.count == 1 ? parts[0] : .sequence(parts)
                }
                part = .rule(try name())
            }
            skipSpace(lines: nested)
            parts.append(try repeated(part, nested: nested))
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func repeated(_ part: GrammarExpression, nested: Bool) throws -> GrammarExpression {
        var result = part
        while let scalar = peek {
            switch scalar {
            case "*": result = .repeated(result, least: 0, most: nil)
            case "+": result = .repeated(result, least: 1, most: nil)
            case "?": result = .repeated(result, least: 0, most: 1)
            case "{":
                place += 1
                let least = try number() ?? 0
                var most: Int? = least
                if peek == "," {
                    place += 1
                    most = try number()
                }
                guard peek == "}", most ?? least >= least else {
                    throw wrong("the numbers of a repetition make no sense", expected: "{n}, {n,} or {n,m}")
                }
                result = .repeated(result, least: least, most: most)
            default: return result
            }
            place += 1
            skipSpace(lines: nested)
        }
        return result
    }

    private mutating func number() throws -> Int? {
        skipSpace(lines: false)
        let start = place
        while let scalar = peek, ("0"..."9").contains(scalar) { place += 1 }
        defer { skipSpace(lines: false) }
        if place == start { return nil }
        guard let number = Int(String(scalars[start..<place].map { Character($0) })),
            number <= GBNFParser.mostRepetitions
        else { throw wrong("a repetition is too long", expected: "at most \(GBNFParser.mostRepetitions)") }
        return number
    }

    private mutating func quotedText() throws -> String {
        place += 1
        var text = String.UnicodeScalarView()
        while let scalar = peek, scalar != "\"" { text.append(try character(scalar)) }
        guard peek == "\"" else { throw wrong("a text is not closed") }
        place += 1
        return String(text)
    }

    private mutating func set() throws -> CodePointSet {
        place += 1
        let isInverted = peek == "^"
        if isInverted { place += 1 }
        var ranges: [ClosedRange<UInt32>] = []
        while let scalar = peek, scalar != "]" {
            let low = try character(scalar).value
            var high = low
            if peek == "-", place + 1 < scalars.count, scalars[place + 1] != "]" {
                place += 1
                guard let scalar = peek else { break }
                high = try character(scalar).value
            }
            guard low <= high else { throw wrong("a range of characters runs backwards") }
            ranges.append(low...high)
        }
        guard peek == "]" else { throw wrong("a class of characters is not closed") }
        place += 1
        let set = CodePointSet(ranges)
        return isInverted ? set.inverted : set
    }

    /// The character that stands here, escaped or not.
    private mutating func character(_ scalar: Unicode.Scalar) throws -> Unicode.Scalar {
        place += 1
        guard scalar == "\\" else { return scalar }
        guard let kind = peek else { throw wrong("an escape is cut off") }
        place += 1
        switch kind {
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "\"", "\\", "[", "]", "-", "^": return kind
        case "x": return try hexadecimal(2)
        case "u": return try hexadecimal(4)
        case "U": return try hexadecimal(8)
        default: throw wrong("the escape \\\(kind) is not known")
        }
    }

    private mutating func hexadecimal(_ count: Int) throws -> Unicode.Scalar {
        guard place + count <= scalars.count else { throw wrong("an escape is cut off") }
        let text = String(scalars[place..<(place + count)].map { Character($0) })
        guard let value = UInt32(text, radix: 16), let scalar = Unicode.Scalar(value) else {
            throw wrong("an escape names no character", expected: "\(count) hexadecimal digits of a Unicode scalar")
        }
        place += count
        return scalar
    }
}
