/// Reads a text byte by byte by a grammar, and knows which tokens may come next.
///
/// A thread is a state of the grammar and a frame: where its rule returns to, and the frame of the caller. All threads
/// that are possible at once are a configuration; configurations are numbered, and where bytes lead from them is
/// remembered, so that what has been seen costs a look-up a byte.
///
/// The tokens that may follow a thread depend on its frame only where they go on behind the end of its rule. So for
/// each state the tokens that stay within the rule are found once, by walking the tree of all tokens, together with the
/// nodes of the tree at which the rule may end; below those the walk goes on for each frame. A mask is then a union of
/// sets, mostly.
struct ConstraintMachine {
    /// Threads at one place of a text.
    struct Configuration: Sendable {
        /// State in the high half, frame in the low; ascending.
        fileprivate(set) var threads: [UInt64] = []
        /// Whether the text may end here.
        fileprivate(set) var isEnd = false
        /// Whether the rule of the first state may end here (only where the caller is not known).
        fileprivate var leaves = false
    }

    /// Tokens that may follow, by the bits of words of 64.
    typealias Mask = [UInt64]

    private struct StateTokens {
        var mask: Mask = []
        /// Where mask has only a few bits: the ids.
        var few: [Int32]?
        /// Nodes of the tree at which the rule may end while tokens go on.
        var leaving: [Int32] = []
    }

    private let automaton: GrammarAutomaton
    private let trie: TokenTrie
    private let words: Int
    /// Returning there is returning.
    private let isReturn: [Bool]

    /// Frame 0 is the end of the text, frame 1 an unknown caller.
    private var frames: [(back: Int32, parent: Int32)] = [(-1, -1), (-1, -1)]
    private var frameNumbers: [UInt64: Int32] = [:]

    private var configurations: [Configuration] = []
    /// By configuration: whether something can be read (1), whether the text may end (2), whether the rule may (4).
    private var flags: [UInt8] = []
    private var numbers: [[UInt64]: Int32] = [:]
    /// 256 places for each configuration from which something was read: −1 unknown, else the configuration.
    private var steps: [Int32] = []
    private var stepsOf: [Int32] = []
    private var masks: [Int32: Mask] = [:]
    private var stateTokens: [Int32: StateTokens] = [:]
    private var path: [Int32] = []

    private static let unknownCaller: Int32 = 1
    /// Above these numbers everything is forgotten and found again.
    private static let configurationLimit = 20_000
    private static let maskLimit = 1_024
    private static let fewTokens = 256

    init(_ automaton: GrammarAutomaton, _ trie: TokenTrie) {
        self.automaton = automaton
        self.trie = trie
        words = (trie.vocabulary + 63) / 64
        isReturn = ConstraintMachine.returns(of: automaton)
        path = Array(repeating: 0, count: trie.deepest + 1)
    }

    // MARK: - Reading

    /// Where a text begins.
    mutating func start() -> Configuration {
        configurations[Int(number(of: closure([thread(automaton.starts[0], 0)])))]
    }

    /// Where bytes lead; nil where they cannot come.
    mutating func read(_ bytes: [UInt8], from configuration: Configuration) -> Configuration? {
        tidy()
        var here = number(of: configuration)
        for byte in bytes {
            here = step(here, byte)
            if flags[Int(here)] == 0 { return nil }
        }
        return configurations[Int(here)]
    }

    private mutating func step(_ here: Int32, _ byte: UInt8) -> Int32 {
        if stepsOf[Int(here)] < 0 {
            stepsOf[Int(here)] = Int32(steps.count / 256)
            steps.append(contentsOf: repeatElement(-1, count: 256))
        }
        let place = Int(stepsOf[Int(here)]) * 256 + Int(byte)
        if steps[place] >= 0 { return steps[place] }
        var next: [UInt64] = []
        for thread in configurations[Int(here)].threads {
            for (range, to) in automaton.states[state(thread)].ranges where range.contains(byte) {
                next.append(self.thread(to, frame(thread)))
            }
        }
        let number = number(of: closure(next))
        steps[place] = number
        return number
    }

    /// The threads that read something, from threads that may first move freely, call rules and return.
    private mutating func closure(_ from: [UInt64]) -> Configuration {
        var result = Configuration()
        var work = from
        var seen = Set<UInt64>()
        while let next = work.popLast() {
            guard seen.insert(next).inserted else { continue }
            let state = automaton.states[state(next)]
            let frame = frame(next)
            if !state.ranges.isEmpty { result.threads.append(next) }
            for free in state.free { work.append(thread(free, frame)) }
            if let call = state.call {
                let inner = isReturn[Int(call.back)] ? frame : self.frame(returningTo: call.back, in: frame)
                work.append(thread(call.start, inner))
            }
            guard state.isEnd else { continue }
            switch frame {
            case 0: result.isEnd = true
            case ConstraintMachine.unknownCaller: result.leaves = true
            default: work.append(thread(frames[Int(frame)].back, frames[Int(frame)].parent))
            }
        }
        result.threads.sort()
        return result
    }

    private mutating func number(of configuration: Configuration) -> Int32 {
        // The flags are part of what a configuration is.
        let flag =
            (configuration.threads.isEmpty ? 0 : 1) | (configuration.isEnd ? 2 : 0) | (configuration.leaves ? 4 : 0)
        let key = configuration.threads + [UInt64(flag)]
        if let there = numbers[key] { return there }
        let number = Int32(configurations.count)
        configurations.append(configuration)
        flags.append(UInt8(flag))
        stepsOf.append(-1)
        numbers[key] = number
        return number
    }

    private mutating func frame(returningTo back: Int32, in parent: Int32) -> Int32 {
        let key = thread(back, parent)
        if let there = frameNumbers[key] { return there }
        let number = Int32(frames.count)
        frames.append((back, parent))
        frameNumbers[key] = number
        return number
    }

    private func thread(_ state: Int32, _ frame: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: state)) << 32 | UInt64(UInt32(bitPattern: frame))
    }

    private func state(_ thread: UInt64) -> Int { Int(thread >> 32) }

    private func frame(_ thread: UInt64) -> Int32 { Int32(truncatingIfNeeded: thread) }

    /// Forgets what can be found again where it has become much.
    private mutating func tidy() {
        guard configurations.count > ConstraintMachine.configurationLimit else { return }
        configurations.removeAll()
        flags.removeAll()
        numbers.removeAll()
        steps.removeAll()
        stepsOf.removeAll()
        masks.removeAll()
    }

    // MARK: - Tokens

    /// The tokens all of whose bytes may follow a configuration.
    mutating func mask(after configuration: Configuration) -> Mask {
        tidy()
        let key = number(of: configuration)
        if let there = masks[key] { return there }
        if masks.count >= ConstraintMachine.maskLimit { masks.removeAll(keepingCapacity: true) }
        var mask = Mask(repeating: 0, count: words)
        for thread in configuration.threads {
            let tokens = tokens(of: Int32(state(thread)))
            if let few = tokens.few {
                for id in few { mask[Int(id) >> 6] |= 1 << UInt64(id & 63) }
            } else {
                for word in 0..<words { mask[word] |= tokens.mask[word] }
            }
            let frame = frame(thread)
            // Behind the end of the text nothing comes.
            guard frame != 0, !tokens.leaving.isEmpty else { continue }
            let outside = number(
                of: closure([self.thread(frames[Int(frame)].back, frames[Int(frame)].parent)]))
            for node in tokens.leaving {
                walk(below: Int(node), from: outside) { id in
                    mask[Int(id) >> 6] |= 1 << UInt64(id & 63)
                } leaving: { _ in
                }
            }
        }
        masks[key] = mask
        return mask
    }

    /// The tokens that may follow a state within its rule, and where they may leave it.
    private mutating func tokens(of state: Int32) -> StateTokens {
        if let there = stateTokens[state] { return there }
        var found = StateTokens(mask: Mask(repeating: 0, count: words))
        var few: [Int32] = []
        var only = Configuration()
        only.threads = [thread(state, ConstraintMachine.unknownCaller)]
        walk(below: 0, from: number(of: only)) { id in
            found.mask[Int(id) >> 6] |= 1 << UInt64(id & 63)
            if few.count <= ConstraintMachine.fewTokens { few.append(id) }
        } leaving: { node in
            found.leaving.append(Int32(node))
        }
        if few.count <= ConstraintMachine.fewTokens {
            found.few = few
            found.mask = []
        }
        stateTokens[state] = found
        return found
    }

    /// Visits the tokens below a node whose bytes can be read from a configuration, and the nodes that have more below
    /// them at which the first rule may end.
    private mutating func walk(
        below start: Int, from configuration: Int32, token: (Int32) -> Void, leaving: (Int) -> Void
    ) {
        let base = Int(trie.depths[start])
        path[0] = configuration
        var node = start + 1
        let end = Int(trie.ends[start])
        while node < end {
            let depth = Int(trie.depths[node]) - base
            let here = step(path[depth - 1], trie.bytes[node])
            let flag = flags[Int(here)]
            if flag == 0 {
                node = Int(trie.ends[node])
                continue
            }
            for place in trie.tokens(at: node) { token(trie.ids[place]) }
            if flag & 4 != 0, Int(trie.ends[node]) > node + 1 { leaving(node) }
            if flag & 1 == 0 {
                node = Int(trie.ends[node])
                continue
            }
            path[depth] = here
            node += 1
        }
    }

    /// The states from which nothing can come but the end of the rule.
    private static func returns(of automaton: GrammarAutomaton) -> [Bool] {
        let states = automaton.states
        var isReturn = states.map { $0.isEnd && $0.ranges.isEmpty && $0.free.isEmpty && $0.call == nil }
        var changes = true
        while changes {
            changes = false
            for (number, state) in states.enumerated() where !isReturn[number] && !state.isEnd {
                guard state.ranges.isEmpty, state.call == nil, state.free.count == 1,
                    isReturn[Int(state.free[0])]
                else { continue }
                isReturn[number] = true
                changes = true
            }
        }
        return isReturn
    }
}
