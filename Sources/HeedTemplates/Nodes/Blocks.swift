import HeedSupport

/// The top of a template, or a block: statements with variables of their own.
final class RoutineBody {
    private let body: [Statement]
    private let specials: [NameTarget]
    private var present: [Bool] = []
    private var entries: [ScopeEntry] = []
    private var routine: Routine?

    /// How many variables one run needs.
    var slots: Int { routine?.count ?? 0 }

    init(_ body: [Statement]) {
        self.body = body
        specials = ["self", "super"].map { name in
            let target = NameTarget(name, line: 1)
            target.isParameter = true
            return target
        }
    }

    func resolve(_ resolver: Resolver, isTop: Bool) throws {
        let routine = resolver.newRoutine(inside: nil)
        self.routine = routine
        var symbols = Symbols(routine)
        let names: Set<String> = isTop ? ["self"] : ["self", "super"]
        let found = undeclared(names, in: body)
        present = specials.map { found.contains($0.name) }
        for (special, isPresent) in zip(specials, present) where isPresent { special.declare(&symbols) }
        for statement in body { statement.declare(&symbols) }
        entries = resolver.entries(symbols, routine)
        let frame = Frame(symbols: symbols, routine: routine, isTop: isTop)
        for (special, isPresent) in zip(specials, present) where isPresent { try special.resolve(resolver, frame) }
        for statement in body { try statement.resolve(resolver, frame) }
    }

    func run(_ renderer: Renderer) throws -> Flow {
        if present.first == true { try specials[0].assign(.object(SelfObject()), renderer) }
        if present.last == true {
            try specials[1].assign(.undefined(Undefined(hint: "there is no block above this one")), renderer)
        }
        renderer.begin(entries)
        return try HeedTemplates.run(body, renderer)
    }
}

/// `{% block name %} … {% endblock %}`: without templates that extend this one, text in its place.
final class BlockStatement: Statement {
    let name: String
    let isScoped: Bool
    private let isRequired: Bool
    private let body: [Statement]
    private let routine: RoutineBody
    private var around: [(name: String, hops: Int, place: Int)] = []

    init(_ name: String, isScoped: Bool, isRequired: Bool, _ body: [Statement], line: Int) {
        self.name = name
        self.isScoped = isScoped
        self.isRequired = isRequired
        self.body = body
        routine = RoutineBody(body)
        super.init(line: line)
    }

    override var children: [Node] { body }
    override func declare(_ symbols: inout Symbols) {}

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        guard isScoped else { return }
        around = frame.symbols.allStores.map { ($0.key, frame.routine.hops(to: $0.value), $0.value.place) }
    }

    /// Finds the names of the body.
    func resolveBody(_ resolver: Resolver) throws { try routine.resolve(resolver, isTop: false) }

    override func run(_ renderer: Renderer) throws -> Flow {
        renderer.line = line
        if isRequired { throw HeedError(.badInput, "the required block \(quoted(name)) is not filled") }
        guard isScoped else {
            try runBody(renderer)
            return .onward
        }
        let before = renderer.exports
        for (name, hops, place) in around {
            if let value = renderer.value(hops, place) { renderer.exports[name] = value }
        }
        defer { renderer.exports = before }
        try runBody(renderer)
        return .onward
    }

    func runBody(_ renderer: Renderer) throws {
        try renderer.deeper {
            var activation = Activation(slots: routine.slots, parent: nil)
            defer { renderer.finish(&activation) }
            _ = try renderer.with(activation) { try routine.run(renderer) }
        }
    }
}

/// `self`: the blocks of the template, to be called.
private final class SelfObject: TemplateObject {
    override var typeName: String { "TemplateReference" }
    override func item(_ key: Value, _ renderer: Renderer) throws -> Value? {
        guard case .string(let name) = key, let block = renderer.program.blocks[name.string] else { return nil }
        return .object(
            FunctionObject(name.string) { renderer, arguments in
                _ = try arguments.bind("block", [])
                let bytes = try renderer.capture { try block.runBody(renderer) }
                return .string(renderer.make(bytes, isMarkup: renderer.escapes))
            })
    }
}
