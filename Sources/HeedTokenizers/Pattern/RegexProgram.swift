import HeedSupport

/// A compiled regular expression: backtracking over UTF-8 with bounded work.
///
/// Matches as Oniguruma and PCRE do: leftmost, alternatives in order. A text gets a number of steps that grows with its
/// length; where a pattern runs out of them, the rest of the text has no match, so that none can hold up the tokenizer.
struct RegexProgram: Sendable {
    private enum Instruction: Sendable {
        case set(Int)
        /// A repeated set: consumed in one go and given back scalar by scalar.
        case run(Int, low: Int, high: Int, RegexNode.Mode)
        /// Goes on here, and there if that fails.
        case split(Int, orElse: Int)
        case jump(Int)
        case look(Int, behind: Bool, negated: Bool)
        case atomic(Int)
        case mark(Int)
        case progress(Int)
        case textStart, textEnd, lineStart, lineEnd, wordBoundary, notWordBoundary
        case match
    }

    private var code: [Instruction] = []
    private var sets: [ScalarSet] = []
    private var slotCount = 0
    private static let codeLimit = 20_000
    private static let baseSteps = 1_000_000
    private static let stepsPerByte = 1000

    /// Compiles a pattern.
    ///
    /// - Throws: `HeedError` for broken syntax and for syntax that is not known.
    init(_ pattern: String, in place: String? = nil) throws {
        let tree = try RegexParser.parse(pattern, in: place)
        guard emit(tree), append(.match) else {
            throw HeedError(.unsupported, "the pattern \(quoted(pattern)) is too large", in: place)
        }
    }

    /// Adds an instruction; false where the program is too large.
    private mutating func append(_ instruction: Instruction) -> Bool {
        code.append(instruction)
        return code.count < RegexProgram.codeLimit
    }

    private mutating func emit(_ node: RegexNode) -> Bool {
        switch node {
        case .empty: return true
        case .set(let set): return append(.set(index(of: set)))
        case .sequence(let parts): return parts.allSatisfy { emit($0) }
        case .choice(let branches):
            var ends: [Int] = []
            for (position, branch) in branches.enumerated() {
                if position == branches.count - 1 {
                    if !emit(branch) { return false }
                    break
                }
                let split = code.count
                guard append(.split(0, orElse: 0)), emit(branch) else { return false }
                ends.append(code.count)
                guard append(.jump(0)) else { return false }
                code[split] = .split(split + 1, orElse: code.count)
            }
            for end in ends { code[end] = .jump(code.count) }
            return true
        case .repeated(.set(let set), let low, let high, let mode):
            return append(.run(index(of: set), low: low, high: high, mode))
        case .repeated(let inner, let low, let high, .possessive):
            return emit(.atomic(.repeated(inner, low, high, .greedy)))
        case .repeated(let inner, let low, let high, let mode): return emitRepeated(inner, low, high, mode)
        case .atomic(let inner):
            let place = code.count
            guard append(.atomic(0)), emit(inner), append(.match) else { return false }
            code[place] = .atomic(code.count)
            return true
        case .look(let inner, let behind, let negated):
            let place = code.count
            guard append(.look(0, behind: behind, negated: negated)), emit(inner), append(.match) else { return false }
            code[place] = .look(code.count, behind: behind, negated: negated)
            return true
        case .textStart: return append(.textStart)
        case .textEnd: return append(.textEnd)
        case .lineStart: return append(.lineStart)
        case .lineEnd: return append(.lineEnd)
        case .wordBoundary: return append(.wordBoundary)
        case .notWordBoundary: return append(.notWordBoundary)
        }
    }

    private mutating func emitRepeated(_ inner: RegexNode, _ low: Int, _ high: Int, _ mode: RegexNode.Mode) -> Bool {
        for _ in 0..<low where !emit(inner) { return false }
        if high == .max {
            let slot = slotCount
            slotCount += 1
            let start = code.count
            guard append(.split(0, orElse: 0)), append(.mark(slot)), emit(inner), append(.progress(slot)),
                append(.jump(start))
            else { return false }
            code[start] =
                mode == .lazy
                ? .split(code.count, orElse: start + 1) : .split(start + 1, orElse: code.count)
            return true
        }
        var splits: [Int] = []
        for _ in low..<max(high, low) {
            splits.append(code.count)
            guard append(.split(0, orElse: 0)), emit(inner) else { return false }
        }
        for split in splits {
            code[split] =
                mode == .lazy ? .split(code.count, orElse: split + 1) : .split(split + 1, orElse: code.count)
        }
        return true
    }

    private mutating func index(of set: ScalarSet) -> Int {
        var sealed = set
        sealed.seal()
        sets.append(sealed)
        return sets.count - 1
    }

    /// All matches from left to right without overlap; after an empty one the search goes on one scalar later.
    func matches(in text: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var machine = Machine(program: self, text: text)
        var at = 0
        while at <= text.count {
            if machine.steps >= machine.limit { break }
            if let end = machine.run(from: 0, at: at) {
                if end > at {
                    result.append(at..<end)
                    at = end
                    continue
                }
                result.append(at..<at)
            }
            if at == text.count { break }
            at += scalarLength(text, at)
        }
        return result
    }

    /// One run of the program over a text.
    private struct Machine {
        let program: RegexProgram
        let text: UnsafeBufferPointer<UInt8>
        var steps = 0
        let limit: Int
        var slots: [Int]
        var stack: [Frame] = []

        /// Where to go on when the way taken fails.
        struct Frame {
            var address: Int
            var at: Int
            /// For runs: the least place that may be given back to, or −1; for slots: the slot.
            var lowest: Int
            var kind: Kind
        }

        enum Kind { case retry, giveBack, takeMore, restore }

        init(program: RegexProgram, text: UnsafeBufferPointer<UInt8>) {
            self.program = program
            self.text = text
            limit = RegexProgram.baseSteps + RegexProgram.stepsPerByte * text.count
            slots = [Int](repeating: -1, count: program.slotCount)
        }

        /// The end of the match that starts at `start`, or nil.
        mutating func run(from address: Int, at start: Int, mustEndAt end: Int? = nil) -> Int? {
            let base = stack.count
            defer { stack.removeLast(stack.count - base) }
            var address = address
            var at = start
            while true {
                steps += 1
                if steps > limit { return nil }
                var isAlive = true
                let instruction = program.code[address]
                address += 1
                switch instruction {
                case .set(let index):
                    if at < text.count {
                        let (scalar, length) = decodeScalar(text, at)
                        isAlive = program.sets[index].contains(scalar)
                        at += length
                    } else {
                        isAlive = false
                    }
                case .run(let index, let low, let high, let mode):
                    isAlive = runSet(index, low, high, mode, address, &at)
                case .split(let first, let second):
                    stack.append(Frame(address: second, at: at, lowest: -1, kind: .retry))
                    address = first
                case .jump(let target): address = target
                case .look(let target, let behind, let negated):
                    let found = behind ? lookBehind(address, at) : run(from: address, at: at) != nil
                    isAlive = found != negated
                    address = target
                case .atomic(let target):
                    if let end = run(from: address, at: at) { at = end } else { isAlive = false }
                    address = target
                case .mark(let slot):
                    stack.append(Frame(address: slots[slot], at: 0, lowest: slot, kind: .restore))
                    slots[slot] = at
                case .progress(let slot): isAlive = slots[slot] != at
                case .textStart: isAlive = at == 0
                case .textEnd: isAlive = at == text.count
                case .lineStart: isAlive = at == 0 || text[at - 1] == 0x0A
                case .lineEnd: isAlive = at == text.count || text[at] == 0x0A
                case .wordBoundary: isAlive = isWordBoundary(at)
                case .notWordBoundary: isAlive = !isWordBoundary(at)
                case .match:
                    if end == nil || end == at { return at }
                    isAlive = false
                }
                if isAlive { continue }
                guard backtrack(base, &address, &at) else { return nil }
            }
        }

        /// Takes the last other way; false where there is none.
        private mutating func backtrack(_ base: Int, _ address: inout Int, _ at: inout Int) -> Bool {
            while stack.count > base, var frame = stack.popLast() {
                switch frame.kind {
                case .retry:
                    address = frame.address
                    at = frame.at
                    return true
                case .restore: slots[frame.lowest] = frame.address
                case .giveBack:
                    guard frame.at > frame.lowest else { continue }
                    var place = frame.at - 1
                    while place > frame.lowest, text[place] & 0xC0 == 0x80 { place -= 1 }
                    frame.at = place
                    stack.append(frame)
                    address = frame.address
                    at = place
                    return true
                case .takeMore:
                    guard case .run(let index, _, let high, _) = program.code[frame.address - 1],
                        frame.lowest < high, frame.at < text.count
                    else { continue }
                    let (scalar, length) = decodeScalar(text, frame.at)
                    guard program.sets[index].contains(scalar) else { continue }
                    frame.at += length
                    frame.lowest += 1
                    stack.append(frame)
                    address = frame.address
                    at = frame.at
                    return true
                }
            }
            return false
        }

        /// Consumes a repeated set; the way goes on at `address`.
        private mutating func runSet(
            _ index: Int, _ low: Int, _ high: Int, _ mode: RegexNode.Mode, _ address: Int, _ at: inout Int
        ) -> Bool {
            let set = program.sets[index]
            let most = mode == .lazy ? low : high
            var taken = 0
            var least = at
            while taken < most, at < text.count {
                let (scalar, length) = decodeScalar(text, at)
                if !set.contains(scalar) { break }
                at += length
                taken += 1
                if taken == low { least = at }
            }
            steps += taken / 16
            if taken < low { return false }
            switch mode {
            case .greedy:
                if at > least { stack.append(Frame(address: address, at: at, lowest: least, kind: .giveBack)) }
            case .lazy: stack.append(Frame(address: address, at: at, lowest: taken, kind: .takeMore))
            case .possessive: break
            }
            return true
        }

        private mutating func lookBehind(_ address: Int, _ at: Int) -> Bool {
            var start = at
            // The published patterns look back over a few characters; a limit keeps the work bounded.
            for _ in 0...64 {
                if run(from: address, at: start, mustEndAt: at) != nil { return true }
                if start == 0 { return false }
                start -= 1
                while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
            }
            return false
        }

        private func isWordBoundary(_ at: Int) -> Bool {
            let after = at < text.count && decodeScalar(text, at).0.isWord
            var before = false
            if at > 0 {
                var place = at - 1
                while place > 0, text[place] & 0xC0 == 0x80 { place -= 1 }
                before = decodeScalar(text, place).0.isWord
            }
            return before != after
        }
    }
}
