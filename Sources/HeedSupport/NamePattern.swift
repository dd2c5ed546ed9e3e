/// A regular expression that a whole name must match, run in time linear in the name whatever the expression.
///
/// Knows literals, `.`, classes `[a-z]`, `\d \w \s` and their opposites, groups, `|`, `* + ? {m,n}` and the anchors that
/// a whole match makes idle; groups are not captured, and what is lazy matches the same names. Source: Thompson 1968,
/// "Regular Expression Search Algorithm".
public struct NamePattern: Sendable {
    private enum Instruction: Sendable {
        case scalar(Set)
        case split(Int, Int)
        case jump(Int)
        case match
    }
    /// Some scalars, or all others.
    struct Set: Sendable {
        var ranges: [ClosedRange<UInt32>]
        var inverted = false

        func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } != inverted }
    }

    /// The expression as written.
    public let source: String
    private var code: [Instruction] = []
    private static let codeLimit = 20_000

    /// Compiles an expression; `place` is named in messages.
    ///
    /// - Throws: `HeedError` for broken syntax, or for syntax that is not known here: back references, looking around.
    public init(_ source: String, in place: String? = nil) throws {
        self.source = source
        var parser = Parser(source, place)
        let tree = try parser.parse()
        guard emit(tree) else {
            throw HeedError(.unsupported, "the expression \(quoted(source)) is too large", in: place)
        }
        code.append(.match)
    }

    /// Whether all of `name` matches. Cost: name × expression.
    public func matches(_ name: String) -> Bool {
        var current: [Int] = []
        var seen = [Int](repeating: -1, count: code.count)
        func add(_ start: Int, _ step: Int, to list: inout [Int]) {
            var open = [start]
            while let at = open.popLast() {
                guard seen[at] != step else { continue }
                seen[at] = step
                switch code[at] {
                case .jump(let next): open.append(next)
                case .split(let a, let b): open += [b, a]
                case .scalar, .match: list.append(at)
                }
            }
        }
        add(0, 0, to: &current)
        for (step, scalar) in name.unicodeScalars.enumerated() {
            var next: [Int] = []
            for at in current {
                if case .scalar(let set) = code[at], set.contains(scalar.value) { add(at + 1, step + 1, to: &next) }
            }
            current = next
        }
        return current.contains { if case .match = code[$0] { true } else { false } }
    }

    /// Appends the code of `node`; false where it becomes too large.
    private mutating func emit(_ node: Node) -> Bool {
        guard code.count < NamePattern.codeLimit else { return false }
        switch node {
        case .set(let set): code.append(.scalar(set))
        case .sequence(let parts): return parts.allSatisfy { emit($0) }
        case .choice(let branches):
            var ends: [Int] = []
            for branch in branches.dropLast() {
                let split = code.count
                code.append(.jump(0))
                guard emit(branch) else { return false }
                ends.append(code.count)
                code.append(.jump(0))
                code[split] = .split(split + 1, code.count)
            }
            guard let last = branches.last, emit(last) else { return branches.isEmpty }
            for end in ends { code[end] = .jump(code.count) }
        case .repeated(let inner, let low, let high):
            for _ in 0..<low { guard emit(inner) else { return false } }
            guard let high else {
                let split = code.count
                code.append(.jump(0))
                guard emit(inner) else { return false }
                code.append(.jump(split))
                code[split] = .split(split + 1, code.count)
                return true
            }
            var splits: [Int] = []
            for _ in low..<max(high, low) {
                splits.append(code.count)
                code.append(.jump(0))
                guard emit(inner) else { return false }
            }
            for split in splits { code[split] = .split(split + 1, code.count) }
        }
        return true
    }

    indirect enum Node {
        case set(Set)
        case sequence([Node])
        case choice([Node])
        case repeated(Node, Int, Int?)
    }
}

extension NamePattern {
    /// Reads an expression.
    struct Parser {
        private let scalars: [Unicode.Scalar]
        private let source: String
        private let place: String?
        private var at = 0
        private var depth = 0

        init(_ source: String, _ place: String?) {
            self.source = source
            self.place = place
            scalars = Array(source.unicodeScalars)
        }

        mutating func parse() throws -> Node {
            let tree = try choice()
            guard at == scalars.count else { throw broken("a closing parenthesis without its opening one") }
            return tree
        }

        private func broken(_ what: String, _ kind: HeedError.Kind = .badInput) -> HeedError {
            HeedError(kind, "the expression \(quoted(source)) has \(what), at character \(at + 1)", in: place)
        }

        private var next: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

        private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
            guard next == scalar else { return false }
            at += 1
            return true
        }

        private mutating func choice() throws -> Node {
            var branches = [try sequence()]
            while take("|") { branches.append(try sequence()) }
            return branches.count == 1 ? branches[0] : .choice(branches)
        }

        private mutating func sequence() throws -> Node {
            var parts: [Node] = []
            while let scalar = next, scalar != "|", scalar != ")" {
                // A whole match begins and ends where these say.
                if scalar == "^", at == 0 || scalars[at - 1] == "(" || scalars[at - 1] == "|" || scalars[at - 1] == ":"
                {
                    at += 1
                    continue
                }
                if scalar == "$", at + 1 == scalars.count || scalars[at + 1] == ")" || scalars[at + 1] == "|" {
                    at += 1
                    continue
                }
                parts.append(try repeated(atom()))
            }
            return parts.count == 1 ? parts[0] : .sequence(parts)
        }

        private mutating func repeated(_ atom: Node) throws -> Node {
            var node = atom
            while let scalar = next {
                switch scalar {
                case "*": node = .repeated(node, 0, nil)
                case "+": node = .repeated(node, 1, nil)
                case "?": node = .repeated(node, 0, 1)
                case "{":
                    guard let (low, high, end) = bounds() else { return node }
                    guard (high ?? low) <= 1000, low <= high ?? low else { throw broken("a count that is too large") }
                    node = .repeated(node, low, high)
                    at = end
                default: return node
                }
                at += 1
                if next == "?" { at += 1 }  // lazy: the same names match
            }
            return node
        }

        /// The counts of `{m}`, `{m,}` or `{m,n}` at this place, and the place of the closing brace.
        private func bounds() -> (low: Int, high: Int?, end: Int)? {
            guard let end = scalars[at...].firstIndex(of: "}") else { return nil }
            let text = String(String.UnicodeScalarView(scalars[(at + 1)..<end]))
            let parts = text.split(separator: ",", omittingEmptySubsequences: false)
            guard let low = Int(parts[0]), low >= 0, parts.count <= 2 else { return nil }
            guard parts.count == 2 else { return (low, low, end) }
            if parts[1].isEmpty { return (low, nil, end) }
            guard let high = Int(parts[1]), high >= 0 else { return nil }
            return (low, high, end)
        }

        private mutating func atom() throws -> Node {
            guard let scalar = next else { throw broken("an end where something should follow") }
            at += 1
            switch scalar {
            case ".": return .set(Set(ranges: [10...10], inverted: true))
            case "[": return .set(try characterClass())
            case "\\": return .set(try escape())
            case "(":
                depth += 1
                guard depth < 100 else { throw broken("groups nested too deeply") }
                if take("?") {
                    guard take(":") else { throw broken("a group of a kind that is not known here", .unsupported) }
                }
                let inner = try choice()
                guard take(")") else { throw broken("an opening parenthesis without its closing one") }
                depth -= 1
                return inner
            case "*", "+", "?": throw broken("a repetition of nothing")
            case "^", "$": throw broken("an anchor in its middle", .unsupported)
            default: return .set(Set(ranges: [scalar.value...scalar.value]))
            }
        }

        private mutating func escape() throws -> Set {
            guard let scalar = next else { throw broken("an end behind a backslash") }
            at += 1
            let (digits, lower, upper): (ClosedRange<UInt32>, ClosedRange<UInt32>, ClosedRange<UInt32>) =
                (48...57, 97...122, 65...90)
            let spaces: [ClosedRange<UInt32>] = [9...13, 32...32]
            switch scalar {
            case "d": return Set(ranges: [digits])
            case "D": return Set(ranges: [digits], inverted: true)
            case "w": return Set(ranges: [digits, lower, upper, 95...95])
            case "W": return Set(ranges: [digits, lower, upper, 95...95], inverted: true)
            case "s": return Set(ranges: spaces)
            case "S": return Set(ranges: spaces, inverted: true)
            case "n": return Set(ranges: [10...10])
            case "t": return Set(ranges: [9...9])
            default:
                let isLetter = lower.contains(scalar.value) || upper.contains(scalar.value)
                guard !isLetter, !digits.contains(scalar.value) else {
                    throw broken("\\\(scalar), which is not known here", .unsupported)
                }
                return Set(ranges: [scalar.value...scalar.value])
            }
        }

        private mutating func characterClass() throws -> Set {
            var set = Set(ranges: [], inverted: take("^"))
            var isFirst = true
            while let scalar = next, scalar != "]" || isFirst {
                isFirst = false
                at += 1
                var low = scalar.value
                if scalar == "\\" {
                    let escaped = try escape()
                    guard !escaped.inverted else { throw broken("an opposite within a class", .unsupported) }
                    guard escaped.ranges.count == 1, escaped.ranges[0].count == 1 else {
                        set.ranges += escaped.ranges
                        continue
                    }
                    low = escaped.ranges[0].lowerBound
                }
                if next == "-", at + 1 < scalars.count, scalars[at + 1] != "]" {
                    at += 1
                    guard let high = next, high.value >= low, high != "\\" else { throw broken("a range that is none") }
                    at += 1
                    set.ranges.append(low...high.value)
                } else {
                    set.ranges.append(low...low)
                }
            }
            guard take("]") else { throw broken("a class that does not end") }
            return set
        }
    }
}
