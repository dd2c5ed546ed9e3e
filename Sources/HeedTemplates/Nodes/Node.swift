import HeedSupport

/// A part of a template's syntax tree.
class Node {
    let line: Int
    /// How many levels of nodes stand below, this one included.
    fileprivate(set) var height = 1

    init(line: Int) { self.line = line }

    /// The nodes directly below, in the order of the text.
    var children: [Node] { [] }

    /// Finds the variables of the names in this node and below; see `Scope`.
    func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        for child in children { try child.resolve(resolver, frame) }
    }

    /// Notes the names that this node reads and sets in the scope around it.
    func declare(_ symbols: inout Symbols) {
        for child in children { child.declare(&symbols) }
    }

    /// Sets `height` from the children and bounds it.
    func measured() throws -> Self {
        height = (children.map(\.height).max() ?? 0) + 1
        if height > TemplateLimits.syntaxDepth {
            throw HeedError(.badInput, "the template nests too deep", in: "line \(line)")
        }
        return self
    }
}

/// A node with a value.
class Expression: Node {
    /// Computes the value.
    func evaluate(_ renderer: Renderer) throws -> Value {
        throw HeedError(.unsupported, "an expression without a meaning")
    }
}

/// How a statement ended.
enum Flow {
    case onward, leaveLoop, nextTurn
}

/// A node that does something.
class Statement: Node {
    /// Runs it.
    func run(_ renderer: Renderer) throws -> Flow { .onward }
}

/// Runs statements in order until one of them leaves.
func run(_ statements: [Statement], _ renderer: Renderer) throws -> Flow {
    for statement in statements {
        try renderer.enter()
        let flow = try statement.run(renderer)
        renderer.leave()
        if flow != .onward { return flow }
    }
    return .onward
}
