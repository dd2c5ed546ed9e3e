import HeedSupport

/// What a text may look like.
indirect enum GrammarExpression: Sendable {
    /// The empty text.
    case empty
    /// One character of a set.
    case characters(CodePointSet)
    /// These bytes.
    case bytes([UInt8])
    /// One after the other.
    case sequence([GrammarExpression])
    /// One of them.
    case choice([GrammarExpression])
    /// So often, or as often as wanted where there is no upper bound.
    case repeated(GrammarExpression, least: Int, most: Int?)
    /// What a rule says, by number.
    case rule(Int)

    static func text(_ text: String) -> GrammarExpression { .bytes(Array(text.utf8)) }

    static func optional(_ expression: GrammarExpression) -> GrammarExpression {
        .repeated(expression, least: 0, most: 1)
    }
}

/// Rules that may call each other, the first of which is the whole text.
struct Grammar: Sendable {
    var rules: [GrammarExpression]
    /// For messages.
    var names: [String]

    init(_ root: GrammarExpression) {
        rules = [root]
        names = ["root"]
    }

    /// Adds a rule, to be said later. Returns its number.
    mutating func add(_ name: String) -> Int {
        rules.append(.empty)
        names.append(name)
        return rules.count - 1
    }
}

/// The states of a grammar: in each, bytes lead on, rules are called, or the rule ends.
///
/// A rule may call itself, but not before it has read something. Size is bounded.
struct GrammarAutomaton {
    struct State {
        /// Where bytes lead.
        var ranges: [(bytes: ClosedRange<UInt8>, to: Int32)] = []
        /// Where nothing leads.
        var free: [Int32] = []
        /// The rule that is called, by its first state, and where it returns to.
        var call: (start: Int32, back: Int32)?
        /// Whether the rule ends here.
        var isEnd = false
    }

    private(set) var states: [State] = []
    /// The first state of every rule; that of the first is where a text begins.
    private(set) var starts: [Int32] = []
    private let grammar: Grammar

    /// The most states that a grammar may have.
    static let limit = 500_000

    /// - Throws: `HeedError` (`badInput`) for a grammar that is too large or calls itself before it reads something.
    init(_ grammar: Grammar) throws {
        self.grammar = grammar
        try checkRecursion()
        for _ in grammar.rules { starts.append(try state()) }
        for (rule, expression) in grammar.rules.enumerated() {
            let end = try add(expression, from: starts[rule])
            states[Int(end)].isEnd = true
        }
    }

    private mutating func state() throws -> Int32 {
        guard states.count < GrammarAutomaton.limit else {
            throw HeedError(
                .badInput, "the grammar is too large", expected: "at most \(GrammarAutomaton.limit) states",
                advice: "Use smaller numbers of repetitions")
        }
        states.append(State())
        return Int32(states.count - 1)
    }

    /// Adds what reads `expression` behind a state. Returns the state behind it.
    private mutating func add(_ expression: GrammarExpression, from start: Int32) throws -> Int32 {
        switch expression {
        case .empty: return start
        case .bytes(let bytes): return try add(bytes.map { $0...$0 }, from: start)
        case .characters(let set):
            let end = try state()
            for sequence in set.byteSequences {
                let last = try add(sequence.dropLast(), from: start)
                if let range = sequence.last { states[Int(last)].ranges.append((range, end)) }
            }
            return end
        case .sequence(let parts):
            var here = start
            for part in parts { here = try add(part, from: here) }
            return here
        case .choice(let parts):
            let end = try state()
            for part in parts {
                let first = try state()
                states[Int(start)].free.append(first)
                states[Int(try add(part, from: first))].free.append(end)
            }
            return end
        case .repeated(let part, let least, let most):
            var here = start
            for _ in 0..<least { here = try add(part, from: here) }
            let end = try state()
            guard let most else {
                let first = try state()
                states[Int(here)].free.append(first)
                states[Int(try add(part, from: first))].free.append(first)
                states[Int(first)].free.append(end)
                return end
            }
            for _ in least..<max(least, most) {
                states[Int(here)].free.append(end)
                here = try add(part, from: here)
            }
            states[Int(here)].free.append(end)
            return end
        case .rule(let rule):
            let (call, end) = (try state(), try state())
            states[Int(start)].free.append(call)
            states[Int(call)].call = (starts[rule], end)
            return end
        }
    }

    private mutating func add(_ sequence: some Sequence<ClosedRange<UInt8>>, from start: Int32) throws -> Int32 {
        var here = start
        for range in sequence {
            let next = try state()
            states[Int(here)].ranges.append((range, next))
            here = next
        }
        return here
    }

    // MARK: - Recursion

    /// Refuses a rule that can call itself before anything is read: it would never begin.
    private func checkRecursion() throws {
        var canBeEmpty = [Bool](repeating: false, count: grammar.rules.count)
        var changes = true
        while changes {
            changes = false
            for (rule, expression) in grammar.rules.enumerated()
            where !canBeEmpty[rule] && isEmpty(expression, canBeEmpty) {
                canBeEmpty[rule] = true
                changes = true
            }
        }
        // 0: not looked at, 1: being looked at, 2: fine.
        var marks = [Int](repeating: 0, count: grammar.rules.count)
        var work: [(rule: Int, calls: [Int])] = []
        for start in grammar.rules.indices where marks[start] == 0 {
            marks[start] = 1
            work.append((start, firstCalls(grammar.rules[start], canBeEmpty)))
            while let last = work.indices.last {
                guard let next = work[last].calls.popLast() else {
                    marks[work.removeLast().rule] = 2
                    continue
                }
                if marks[next] == 1 {
                    throw HeedError(
                        .badInput, "the rule \(quoted(grammar.names[next])) calls itself before it has read anything",
                        expected: "left recursion to be written as a repetition")
                }
                if marks[next] == 0 {
                    marks[next] = 1
                    work.append((next, firstCalls(grammar.rules[next], canBeEmpty)))
                }
            }
        }
    }

    private func isEmpty(_ expression: GrammarExpression, _ rules: [Bool]) -> Bool {
        switch expression {
        case .empty: true
        case .bytes(let bytes): bytes.isEmpty
        case .characters: false
        case .sequence(let parts): parts.allSatisfy { isEmpty($0, rules) }
        case .choice(let parts): parts.contains { isEmpty($0, rules) }
        case .repeated(let part, let least, _): least == 0 || isEmpty(part, rules)
        case .rule(let rule): rules[rule]
        }
    }

    /// The rules that may be called before anything is read.
    private func firstCalls(_ expression: GrammarExpression, _ canBeEmpty: [Bool]) -> [Int] {
        switch expression {
        case .empty, .bytes, .characters: return []
        case .sequence(let parts):
            var calls: [Int] = []
            for part in parts {
                calls += firstCalls(part, canBeEmpty)
                if !isEmpty(part, canBeEmpty) { break }
            }
            return calls
        case .choice(let parts): return parts.flatMap { firstCalls($0, canBeEmpty) }
        case .repeated(let part, _, let most): return most == 0 ? [] : firstCalls(part, canBeEmpty)
        case .rule(let rule): return [rule]
        }
    }
}
