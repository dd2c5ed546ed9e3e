import HeedSupport

/// A regular expression as a tree.
indirect enum RegexNode: Sendable {
    enum Mode: Sendable { case greedy, lazy, possessive }

    case empty
    case set(ScalarSet)
    case sequence([RegexNode])
    case choice([RegexNode])
    case repeated(RegexNode, Int, Int, Mode)
    case atomic(RegexNode)
    case look(RegexNode, behind: Bool, negated: Bool)
    case textStart, textEnd, lineStart, lineEnd, wordBoundary, notWordBoundary
}

/// Reads the syntax that published tokenizers use, a common subset of Oniguruma, PCRE and Rust's `regex`.
struct RegexParser {
    private let scalars: [Unicode.Scalar]
    private var at = 0
    private var depth = 0
    private var ignoresCase = false
    private var dotTakesLineEnds = false
    private let place: String?
    private let source: String

    init(_ pattern: String, in place: String?) {
        scalars = Array(pattern.unicodeScalars)
        source = pattern
        self.place = place
    }

    /// The tree of the whole pattern.
    ///
    /// - Throws: `HeedError` that says what is wrong at which character.
    static func parse(_ pattern: String, in place: String?) throws -> RegexNode {
        var parser = RegexParser(pattern, in: place)
        let node = try parser.choice()
        if parser.at < parser.scalars.count { throw parser.failure("a ) without its (") }
        return node
    }

    private func failure(_ what: String, _ kind: HeedError.Kind = .badInput) -> HeedError {
        HeedError(
            kind, "the pattern \(quoted(source)) cannot be used: \(what) at character \(at + 1)", in: place)
    }

    private var next: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

    private mutating func take(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard at + wanted.count <= scalars.count, Array(scalars[at..<at + wanted.count]) == wanted else { return false }
        at += wanted.count
        return true
    }

    private mutating func choice() throws -> RegexNode {
        depth += 1
        defer { depth -= 1 }
        if depth > 100 { throw failure("groups nest deeper than 100") }
        // A flag such as (?i) holds to the end of its group, over the bars too.
        let outerCase = ignoresCase
        let outerDot = dotTakesLineEnds
        defer {
            ignoresCase = outerCase
            dotTakesLineEnds = outerDot
        }
        var branches = [try sequence()]
        while take("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence() throws -> RegexNode {
        var parts: [RegexNode] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            let atom = try atom()
            parts.append(try quantified(atom))
        }
        return parts.count == 1 ? parts[0] : parts.isEmpty ? .empty : .sequence(parts)
    }

    private mutating func quantified(_ atom: RegexNode) throws -> RegexNode {
        var node = atom
        while let scalar = next {
            var low = 0
            var high = Int.max
            switch scalar {
            case "*": at += 1
            case "+":
                at += 1
                low = 1
            case "?":
                at += 1
                high = 1
            case "{":
                guard let bounds = try bounds() else { return node }
                (low, high) = bounds
            default: return node
            }
            var mode = RegexNode.Mode.greedy
            if take("?") { mode = .lazy } else if take("+") { mode = .possessive }
            node = .repeated(node, low, high, mode)
        }
        return node
    }

    /// `{n}`, `{n,}`, `{,m}` or `{n,m}`; nil where the brace is only a character.
    private mutating func bounds() throws -> (Int, Int)? {
        let start = at
        at += 1
        let low = number()
        var high = low
        if take(",") { high = number() ?? .max } else if low == nil { high = nil }
        guard take("}"), low != nil || high != nil else {
            at = start
            return nil
        }
        let bounds = (low ?? 0, high ?? .max)
        guard bounds.0 <= bounds.1, bounds.0 <= 1000, bounds.1 == .max || bounds.1 <= 1000 else {
            throw failure("a repetition has impossible bounds")
        }
        return bounds
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let scalar = next, scalar.value >= 0x30, scalar.value <= 0x39, value ?? 0 < 100_000 {
            value = (value ?? 0) * 10 + Int(scalar.value - 0x30)
            at += 1
        }
        return value
    }

    private func single(_ scalar: Unicode.Scalar) -> RegexNode {
        .set(ScalarSet([.range(scalar.value, scalar.value)], ignoresCase: ignoresCase))
    }

    private mutating func atom() throws -> RegexNode {
        guard let scalar = next else { return .empty }
        switch scalar {
        case "(": return try group()
        case "[":
            at += 1
            return .set(try bracket())
        case "\\": return try escape()
        case ".":
            at += 1
            if dotTakesLineEnds { return .set(ScalarSet([.all])) }
            var set = ScalarSet([.range(0x0A, 0x0A)])
            set.isNegated = true
            return .set(set)
        case "^":
            at += 1
            return .lineStart
        case "$":
            at += 1
            return .lineEnd
        case "*", "+", "?": throw failure("nothing to repeat")
        case "{":
            // A brace that opens no bounds is a character; one that does has nothing before it to repeat.
            if try bounds() != nil { throw failure("nothing to repeat") }
            at += 1
            return single(scalar)
        default:
            at += 1
            return single(scalar)
        }
    }

    private mutating func group() throws -> RegexNode {
        let start = at
        at += 1
        var wrap: (RegexNode) -> RegexNode = { $0 }
        let outerCase = ignoresCase
        let outerDot = dotTakesLineEnds
        if take("?") {
            if take(":") {
            } else if take("=") {
                wrap = { .look($0, behind: false, negated: false) }
            } else if take("!") {
                wrap = { .look($0, behind: false, negated: true) }
            } else if take("<=") {
                wrap = { .look($0, behind: true, negated: false) }
            } else if take("<!") {
                wrap = { .look($0, behind: true, negated: true) }
            } else if take(">") {
                wrap = { .atomic($0) }
            } else {
                try flags()
                if take(")") { return .empty }
                guard take(":") else { throw failure("a group of an unknown kind", .unsupported) }
            }
        }
        let node = try choice()
        ignoresCase = outerCase
        dotTakesLineEnds = outerDot
        guard take(")") else {
            at = start
            throw failure("a ( without its )")
        }
        return wrap(node)
    }

    private mutating func flags() throws {
        var value = true
        while let scalar = next, scalar != ":", scalar != ")" {
            switch scalar {
            case "-": value = false
            case "i": ignoresCase = value
            case "s": dotTakesLineEnds = value
            case "m", "u", "x": if scalar != "u" { throw failure("the flag \(scalar) is not known", .unsupported) }
            default: throw failure("the flag \(scalar) is not known", .unsupported)
            }
            at += 1
        }
    }

    private mutating func escape() throws -> RegexNode {
        if at + 1 < scalars.count {
            switch scalars[at + 1] {
            case "A":
                at += 2
                return .textStart
            case "z", "Z":
                at += 2
                return .textEnd
            case "b":
                at += 2
                return .wordBoundary
            case "B":
                at += 2
                return .notWordBoundary
            default: break
            }
        }
        switch try escapedItem() {
        case .range(let low, let high):
            return .set(ScalarSet([.range(low, high)], ignoresCase: ignoresCase))
        case let item: return .set(ScalarSet([item]))
        }
    }

    /// What an escape stands for, inside brackets or not.
    private mutating func escapedItem() throws -> ScalarSet.Item {
        at += 1
        guard let scalar = next else { throw failure("a \\ at the end") }
        at += 1
        func one(_ value: UInt32) -> ScalarSet.Item { .range(value, value) }
        switch scalar {
        case "n": return one(0x0A)
        case "r": return one(0x0D)
        case "t": return one(0x09)
        case "f": return one(0x0C)
        case "v": return one(0x0B)
        case "a": return one(0x07)
        case "e": return one(0x1B)
        case "0": return one(0)
        case "s": return .whiteSpace(negated: false)
        case "S": return .whiteSpace(negated: true)
        case "w": return .word(negated: false)
        case "W": return .word(negated: true)
        case "d": return .categories(CategorySet(bits: GeneralCategory.decimalNumber.bit), negated: false)
        case "D": return .categories(CategorySet(bits: GeneralCategory.decimalNumber.bit), negated: true)
        case "p", "P": return try property(negated: scalar == "P")
        case "x": return one(try hexadecimal(digits: 2))
        case "u": return one(try hexadecimal(digits: 4))
        case "U": return one(try hexadecimal(digits: 8))
        default:
            if scalar.value < 0x80, scalar.isLetter || scalar.isNumber {
                at -= 1
                throw failure("the escape \\\(scalar) is not known", .unsupported)
            }
            return one(scalar.value)
        }
    }

    private mutating func hexadecimal(digits: Int) throws -> UInt32 {
        let braced = take("{")
        var value: UInt32 = 0
        var count = 0
        while let scalar = next, let digit = UInt32(String(scalar), radix: 16), count < (braced ? 6 : digits) {
            value = value << 4 | digit
            count += 1
            at += 1
        }
        if count == 0 || (!braced && count < digits) || (braced && !take("}")) {
            throw failure("an escape with too few hexadecimal digits")
        }
        return value
    }

    private mutating func property(negated: Bool) throws -> ScalarSet.Item {
        var name = ""
        var negated = negated
        if take("{") {
            if take("^") { negated.toggle() }
            while let scalar = next, scalar != "}" {
                name.unicodeScalars.append(scalar)
                at += 1
            }
            guard take("}") else { throw failure("a \\p{ without its }") }
        } else if let scalar = next {
            name = String(scalar)
            at += 1
        }
        guard let item = ScalarSet.Item(property: name, negated: negated) else {
            throw failure("the property \(quoted(name)) is not known", .unsupported)
        }
        return item
    }

    /// The set after a `[`.
    private mutating func bracket() throws -> ScalarSet {
        let start = at - 1
        depth += 1
        defer { depth -= 1 }
        if depth > 100 { throw failure("brackets nest deeper than 100") }
        var set = ScalarSet(ignoresCase: ignoresCase)
        set.isNegated = take("^")
        var isFirst = true
        while true {
            guard let scalar = next else {
                at = start
                throw failure("a [ without its ]")
            }
            if scalar == "]", !isFirst {
                at += 1
                return set
            }
            isFirst = false
            if take("[:") {
                set.add(try posixClass())
                continue
            }
            if scalar == "[" {
                at += 1
                set.add(.set(try bracket()))
                continue
            }
            if take("&&") {
                // The rest up to the bracket's end is a set of its own.
                set.intersections.append(try bracketRest())
                return set
            }
            let item = scalar == "\\" ? try escapedItem() : literalItem(scalar)
            guard case .range(let low, _) = item, next == "-", at + 1 < scalars.count, scalars[at + 1] != "]" else {
                set.add(item)
                continue
            }
            at += 1
            guard let last = next else { continue }
            let end = last == "\\" ? try escapedItem() : literalItem(last)
            guard case .range(let high, _) = end, low <= high else { throw failure("a range that runs backwards") }
            set.add(.range(low, high))
        }
    }

    private mutating func bracketRest() throws -> ScalarSet {
        var rest = ScalarSet(ignoresCase: ignoresCase)
        while let scalar = next, scalar != "]" {
            if scalar == "[" {
                at += 1
                rest.add(.set(try bracket()))
            } else {
                rest.add(scalar == "\\" ? try escapedItem() : literalItem(scalar))
            }
        }
        guard take("]") else { throw failure("a [ without its ]") }
        return rest
    }

    private mutating func literalItem(_ scalar: Unicode.Scalar) -> ScalarSet.Item {
        at += 1
        return .range(scalar.value, scalar.value)
    }

    /// The class after a `[:` inside brackets.
    private mutating func posixClass() throws -> ScalarSet.Item {
        let negated = take("^")
        var name = ""
        while let scalar = next, scalar != ":" {
            name.unicodeScalars.append(scalar)
            at += 1
        }
        guard take(":]") else { throw failure("a [: without its :]") }
        guard let item = ScalarSet.Item(posixClass: name, negated: negated) else {
            throw failure("the class \(quoted(name)) is not known", .unsupported)
        }
        return item
    }
}
