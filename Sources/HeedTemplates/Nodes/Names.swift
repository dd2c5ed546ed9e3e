import HeedSupport

/// A name that is read.
final class NameExpression: Expression {
    let name: String
    private var hops = 0
    private var place = 0

    init(_ name: String, line: Int) {
        self.name = name
        super.init(line: line)
    }

    override func declare(_ symbols: inout Symbols) { symbols.load(name) }

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        guard let variable = frame.symbols.find(name) else {
            // Jinja looks for names in a few places (the filter of a block `set`) only after it has fixed its scopes.
            throw syntaxFailure("the name \(quoted(name)) is not known here", line: line)
        }
        hops = frame.routine.hops(to: variable)
        place = variable.place
    }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.meter.work()
        return renderer.value(hops, place) ?? renderer.undefined(name)
    }
}

/// Something that takes a value: the left side of `set`, the variables of `for`.
class Target: Node {
    /// Whether a loop or call sets it, not a statement.
    var isParameter = false

    func assign(_ value: Value, _ renderer: Renderer) throws {}
    /// Fails where the target cannot take a value, whatever it is.
    func check(_ renderer: Renderer) throws {}
    /// The same target, to be resolved in another scope.
    func copy() -> Target { Target(line: line) }
    func markParameter() { isParameter = true }
}

/// A name that is set.
final class NameTarget: Target {
    let name: String
    private var hops = 0
    private var place = 0
    private var isExported = false

    init(_ name: String, line: Int) {
        self.name = name
        super.init(line: line)
    }

    override func declare(_ symbols: inout Symbols) {
        if isParameter { symbols.parameter(name) } else { symbols.store(name) }
    }

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        guard let variable = frame.symbols.find(name) else { return }
        hops = frame.routine.hops(to: variable)
        place = variable.place
        isExported = frame.isTop && resolver.hasBlocks && !isParameter
    }

    override func assign(_ value: Value, _ renderer: Renderer) throws {
        renderer.set(hops, place, to: value)
        if isExported { renderer.exports[name] = value }
    }

    /// Takes the value away.
    func clear(_ renderer: Renderer) { renderer.set(hops, place, to: nil) }

    override func copy() -> Target {
        let copy = NameTarget(name, line: line)
        copy.isParameter = isParameter
        return copy
    }
}

/// Names between commas that take the elements of a value.
final class TupleTarget: Target {
    let items: [Target]

    init(_ items: [Target], line: Int) {
        self.items = items
        super.init(line: line)
    }

    override var children: [Node] { items }

    override func assign(_ value: Value, _ renderer: Renderer) throws {
        let elements: [Value]
        if case .undefined(let undefined) = value, !items.isEmpty { throw undefined.failure }
        switch value {
        case .list(let list), .tuple(let list): elements = list.elements
        default:
            let iterator = try renderer.iterate(value)
            var taken: [Value] = []
            while taken.count <= items.count, let element = try iterator.next(renderer) { taken.append(element) }
            elements = taken
        }
        guard elements.count == items.count else {
            throw HeedError(
                .badInput, "a value does not unpack into the names", expected: "\(items.count) elements",
                got: elements.count > items.count ? "more" : "\(elements.count)")
        }
        for (item, element) in zip(items, elements) { try item.assign(element, renderer) }
    }

    override func check(_ renderer: Renderer) throws { for item in items { try item.check(renderer) } }

    override func copy() -> Target { TupleTarget(items.map { $0.copy() }, line: line) }

    override func markParameter() { for item in items { item.markParameter() } }
}

/// `namespace.name` on the left side of `set`.
final class NamespaceTarget: Target {
    private let name: NameExpression
    private let member: Text

    init(_ name: String, _ member: String, line: Int) {
        self.name = NameExpression(name, line: line)
        self.member = Text(member)
        super.init(line: line)
    }

    override func declare(_ symbols: inout Symbols) { name.declare(&symbols) }
    override func resolve(_ resolver: Resolver, _ frame: Frame) throws { try name.resolve(resolver, frame) }

    override func check(_ renderer: Renderer) throws { _ = try namespace(renderer) }

    private func namespace(_ renderer: Renderer) throws -> NamespaceObject {
        guard case .object(let object) = try name.evaluate(renderer), let namespace = object as? NamespaceObject else {
            throw HeedError(
                .badInput, "only a namespace takes members, and \(quoted(name.name)) is none",
                advice: "Make it with namespace() first")
        }
        return namespace
    }

    override func assign(_ value: Value, _ renderer: Renderer) throws {
        try namespace(renderer).set(member, to: value, renderer)
    }

    override func copy() -> Target {
        NamespaceTarget(name.name, member.string, line: line)
    }
}
