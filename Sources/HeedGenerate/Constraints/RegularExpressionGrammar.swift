import HeedSupport

/// Regular expressions as grammars: the whole text matches.
///
/// Known are characters, `.` (all but the line feed), classes `[a-z]`, `[^…]` with escapes in them, `\d \w \s` and their
/// capitals (ASCII), `\t \n \r \f \v \0 \xHH \uHHHH \u{…}`, groups `(…)` and `(?:…)`, `|`, `* + ? {n} {n,} {n,m}` (also
/// with a `?` behind, which changes no whole match), `^` at the beginning and `$` at the end. Anything that is no
/// regular language (back references, looking around) is refused.
struct RegularExpressionGrammar {
    private let scalars: [Unicode.Scalar]
    private var place = 0
    private var depth = 0

    private static let deepest = 256
    private static let mostRepetitions = 100_000
    static let digits = CodePointSet([0x30...0x39])
    static let wordCharacters = CodePointSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
    static let spaces = CodePointSet([0x09...0x0D, 0x20...0x20])

    /// The grammar of an expression.
    static func grammar(_ text: String) throws -> Grammar { Grammar(try expression(text)) }

    /// An expression as part of a grammar.
    static func expression(_ text: String) throws -> GrammarExpression {
        var parser = RegularExpressionGrammar(text)
        if parser.peek == "^" { parser.place += 1 }
        let expression = try parser.choice()
        guard parser.place == parser.scalars.count else {
            throw parser.wrong("a closing parenthesis has no opening one")
        }
        return expression
    }

    private init(_ text: String) { scalars = Array(text.unicodeScalars) }

    private var peek: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

    private mutating func next() throws -> Unicode.Scalar {
        guard let scalar = peek else { throw wrong("the expression ends too early") }
        place += 1
        return scalar
    }

    private func wrong(_ what: String, expected: String? = nil, kind: HeedError.Kind = .badInput) -> HeedError {
        HeedError(kind, what, in: "regular expression, character \(place + 1)", expected: expected)
    }

    private mutating func choice() throws -> GrammarExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth < RegularExpressionGrammar.deepest else { throw wrong("the groups are nested too deeply") }
        var parts = [try sequence()]
        while peek == "|" {
            place += 1
            parts.append(try sequence())
        }
        return parts.count == 1 ? parts[0] : .choice(parts)
    }

    private mutating func sequence() throws -> GrammarExpression {
        var parts: [GrammarExpression] = []
        while let scalar = peek, scalar != "|", scalar != ")" {
            if scalar == "$", place + 1 == scalars.count || scalars[place + 1] == "|" {
                place += 1
                continue
            }
            parts.append(try repeated(try atom()))
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func repeated(_ atom: GrammarExpression) throws -> GrammarExpression {
        var result = atom
        while let scalar = peek {
            var least = 0
            var most: Int?
            switch scalar {
            case "*": break
            case "+": least = 1
            case "?": most = 1
            case "{":
                guard let bounds = try bounds() else { return result }
                (least, most) = bounds
            default: return result
            }
            if scalar != "{" { place += 1 }
            result = .repeated(result, least: least, most: most)
            if peek == "?" { place += 1 }
            if peek == "+" { throw wrong("possessive repetitions are not regular", kind: .unsupported) }
        }
        return result
    }

    /// `{n}`, `{n,}` or `{n,m}`, behind which it moves; nil where a brace stands for itself.
    private mutating func bounds() throws -> (Int, Int?)? {
        guard let end = scalars[place...].firstIndex(of: "}") else { return nil }
        let text = scalars[(place + 1)..<end].map { Character($0) }
        let parts = String(text).split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), let least = Int(parts[0]), least >= 0 else { return nil }
        var most: Int? = least
        if parts.count == 2 {
            most = Int(parts[1])
            guard most != nil || parts[1].isEmpty else { return nil }
        }
        guard least <= RegularExpressionGrammar.mostRepetitions, most ?? 0 <= RegularExpressionGrammar.mostRepetitions,
            most ?? least >= least
        else { throw wrong("the numbers of a repetition make no sense", expected: "{least,most} up to 100,000") }
        place = end + 1
        return (least, most)
    }

    private mutating func atom() throws -> GrammarExpression {
        let scalar = try next()
        switch scalar {
        case ".": return .characters(CodePointSet("\n").inverted)
        case "[": return .characters(try set())
        case "(":
            if peek == "?" {
                place += 1
                guard try next() == ":" else {
                    throw wrong(
                        "the group is of a kind that is not regular", expected: "( or (?:", kind: .unsupported)
                }
            }
            let inner = try choice()
            guard try next() == ")" else { throw wrong("a group is not closed") }
            return inner
        case "\\": return .characters(try escape(inSet: false))
        case "*", "+", "?": throw wrong("a repetition has nothing to repeat")
        case "^", "$":
            throw wrong("the text is matched as a whole", expected: "^ and $ at its ends only", kind: .unsupported)
        default: return .characters(CodePointSet(String(Character(scalar))))
        }
    }

    private mutating func set() throws -> CodePointSet {
        var set = CodePointSet()
        let isInverted = peek == "^"
        if isInverted { place += 1 }
        var isFirst = true
        while true {
            let scalar = try next()
            if scalar == "]", !isFirst { break }
            isFirst = false
            var low = CodePointSet(String(Character(scalar)))
            if scalar == "\\" { low = try escape(inSet: true) }
            guard peek == "-", place + 1 < scalars.count, scalars[place + 1] != "]" else {
                set = set.union(low)
                continue
            }
            place += 1
            let other = try next()
            let high = other == "\\" ? try escape(inSet: true) : CodePointSet(String(Character(other)))
            guard let from = low.ranges.first, let to = high.ranges.first, low.ranges.count == 1,
                from.count == 1, to.count == 1, high.ranges.count == 1, from.lowerBound <= to.lowerBound
            else { throw wrong("a range of characters makes no sense") }
            set = set.union(CodePointSet([from.lowerBound...to.lowerBound]))
        }
        return isInverted ? set.inverted : set
    }

    private mutating func escape(inSet: Bool) throws -> CodePointSet {
        let scalar = try next()
        func one(_ value: UInt32) -> CodePointSet { CodePointSet([value...value]) }
        switch scalar {
        case "d": return RegularExpressionGrammar.digits
        case "D": return RegularExpressionGrammar.digits.inverted
        case "w": return RegularExpressionGrammar.wordCharacters
        case "W": return RegularExpressionGrammar.wordCharacters.inverted
        case "s": return RegularExpressionGrammar.spaces
        case "S": return RegularExpressionGrammar.spaces.inverted
        case "t": return one(0x09)
        case "n": return one(0x0A)
        case "v": return one(0x0B)
        case "f": return one(0x0C)
        case "r": return one(0x0D)
        case "0": return one(0)
        case "b" where inSet: return one(0x08)
        case "x": return one(try hexadecimal(2))
        case "u":
            if peek == "{" {
                place += 1
                guard let end = scalars[place...].firstIndex(of: "}") else { throw wrong("\\u{ is not closed") }
                let value = try hexadecimal(end - place)
                place += 1
                return one(value)
            }
            return one(try hexadecimal(4))
        case "a"..."z", "A"..."Z", "1"..."9":
            throw wrong("\\\(scalar) is not known or not regular", kind: .unsupported)
        default: return CodePointSet(String(Character(scalar)))
        }
    }

    private mutating func hexadecimal(_ count: Int) throws -> UInt32 {
        guard (1...6).contains(count), place + count <= scalars.count else { throw wrong("an escape is cut off") }
        let text = String(scalars[place..<(place + count)].map { Character($0) })
        guard let value = UInt32(text, radix: 16), Unicode.Scalar(value) != nil else {
            throw wrong("an escape names no character", expected: "hexadecimal digits of a Unicode scalar")
        }
        place += count
        return value
    }
}
