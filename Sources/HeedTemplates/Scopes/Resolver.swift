import HeedSupport

/// Where in the template a node stands, while its names are being resolved.
struct Frame {
    var symbols: Symbols
    let routine: Routine
    /// At the top of the template, `if` included.
    var isTop = false
    /// Directly in a branch of an `if`: what is unknown there fails only when it runs.
    var isSoft = false
    /// In a loop that `break` may leave.
    var isInLoop = false

    /// The frame for the branches of an `if`.
    var soft: Frame {
        var frame = self
        frame.isSoft = true
        return frame
    }

    /// The frame of a scope inside, in the same routine.
    func inner(_ symbols: Symbols) -> Frame { Frame(symbols: symbols, routine: routine, isInLoop: isInLoop) }
}

/// Finds the variable of every name, and what cannot be before the template runs.
final class Resolver {
    private var routines = 0
    /// The blocks by name.
    private(set) var blocks: [String: BlockStatement] = [:]
    /// Whether blocks may look up what the top of the template sets.
    var hasBlocks: Bool { !blocks.isEmpty }

    func newRoutine(inside parent: Routine?) -> Routine {
        defer { routines += 1 }
        return Routine(number: routines, parent: parent)
    }

    func register(_ block: BlockStatement) throws {
        guard blocks[block.name] == nil else {
            throw syntaxFailure("the block \(quoted(block.name)) is there twice", line: block.line)
        }
        blocks[block.name] = block
    }

    /// The first actions of a scope with these names.
    func entries(_ symbols: Symbols, _ routine: Routine) -> [ScopeEntry] {
        symbols.variables.compactMap { name, variable in
            guard variable.owner == routine.number else { return nil }
            switch symbols.origins[variable] {
            case .parameter, nil: return nil
            case .context: return ScopeEntry(place: variable.place, action: .resolve(name))
            case .nothing: return ScopeEntry(place: variable.place, action: .clear)
            case .outer(let outer):
                return ScopeEntry(
                    place: variable.place, action: .copy(hops: routine.hops(to: outer), place: outer.place))
            }
        }
    }
}

/// What happens to one variable when its scope begins.
struct ScopeEntry {
    enum Action {
        case clear
        case resolve(String)
        case copy(hops: Int, place: Int)
    }
    let place: Int
    let action: Action
}

extension Renderer {
    /// Begins a scope of the running routine.
    func begin(_ entries: [ScopeEntry]) {
        for entry in entries {
            switch entry.action {
            case .clear: activation.slots[entry.place] = nil
            case .resolve(let name): activation.slots[entry.place] = resolve(name)
            case .copy(let hops, let place): activation.slots[entry.place] = value(hops, place)
            }
        }
    }

    /// The value of a variable of a routine around, or nil.
    @inline(__always)
    func value(_ hops: Int, _ place: Int) -> Value? {
        var activation = activation
        for _ in 0..<hops { if let parent = activation.parent { activation = parent } }
        return place < activation.slots.count ? activation.slots[place] : nil
    }

    /// Sets a variable.
    func set(_ hops: Int, _ place: Int, to value: Value?) {
        var activation = activation
        for _ in 0..<hops { if let parent = activation.parent { activation = parent } }
        if place < activation.slots.count { activation.slots[place] = value }
    }

    /// Runs `body` with the variables of another routine.
    func with<Result>(_ other: Activation, _ body: () throws -> Result) rethrows -> Result {
        let before = activation
        activation = other
        defer { activation = before }
        return try body()
    }
}

/// Which of `names` are read in the nodes before anything sets them; blocks are not looked into.
func undeclared(_ names: Set<String>, in nodes: [Node]) -> Set<String> {
    var wanted = names
    var found: Set<String> = []
    func visit(_ node: Node) {
        if found == wanted { return }
        switch node {
        case let name as NameExpression:
            if wanted.contains(name.name) { found.insert(name.name) }
        case let name as NameTarget: wanted.remove(name.name)
        case is BlockStatement: break
        default: for child in node.children { visit(child) }
        }
    }
    for node in nodes { visit(node) }
    return found
}

/// An error of a template's text.
func syntaxFailure(_ what: String, line: Int, expected: String? = nil, got: String? = nil) -> HeedError {
    HeedError(.badInput, what, in: "line \(line)", expected: expected, got: got)
}
