import HeedSupport

/// A statement whose body has names of its own.
class ScopedStatement: Statement {
    let body: [Statement]
    private var entries: [ScopeEntry] = []

    init(_ body: [Statement], line: Int) {
        self.body = body
        super.init(line: line)
    }

    override var children: [Node] { body }

    /// Notes what stands in the head and belongs to the scope around.
    override func declare(_ symbols: inout Symbols) {}

    /// Notes what stands in the head and belongs to the scope of the body.
    func declareHead(_ symbols: inout Symbols) {}

    /// Finds the names of the head.
    func resolveHead(_ resolver: Resolver, _ outer: Frame, _ inner: Frame) throws {}

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        var symbols = Symbols(frame.routine, inside: frame.symbols)
        declareHead(&symbols)
        for statement in body { statement.declare(&symbols) }
        entries = resolver.entries(symbols, frame.routine)
        let inner = frame.inner(symbols)
        try resolveHead(resolver, frame, inner)
        for statement in body { try statement.resolve(resolver, inner) }
    }

    func begin(_ renderer: Renderer) { renderer.begin(entries) }
}

/// `{% with a = 1, b = 2 %} … {% endwith %}`
final class WithStatement: ScopedStatement {
    private let targets: [Target]
    private let values: [Expression]

    init(_ targets: [Target], _ values: [Expression], _ body: [Statement], line: Int) {
        self.targets = targets
        self.values = values
        super.init(body, line: line)
    }

    override var children: [Node] { targets + values + body }

    override func declare(_ symbols: inout Symbols) { for value in values { value.declare(&symbols) } }
    override func declareHead(_ symbols: inout Symbols) { for target in targets { target.declare(&symbols) } }

    override func resolveHead(_ resolver: Resolver, _ outer: Frame, _ inner: Frame) throws {
        for value in values { try value.resolve(resolver, outer) }
        for target in targets { try target.resolve(resolver, inner) }
    }

    override func run(_ renderer: Renderer) throws -> Flow {
        begin(renderer)
        for (target, value) in zip(targets, values) { try target.assign(try value.evaluate(renderer), renderer) }
        return try HeedTemplates.run(body, renderer)
    }
}

/// `{% filter name %} … {% endfilter %}`
final class FilterStatement: ScopedStatement {
    private let filter: FilterExpression

    init(_ filter: FilterExpression, _ body: [Statement], line: Int) {
        self.filter = filter
        super.init(body, line: line)
    }

    override var children: [Node] { body + [filter] }

    override func declare(_ symbols: inout Symbols) { filter.declare(&symbols) }
    override func declareHead(_ symbols: inout Symbols) {}
    override func resolveHead(_ resolver: Resolver, _ outer: Frame, _ inner: Frame) throws {
        try filter.resolve(resolver, inner)
    }

    override func run(_ renderer: Renderer) throws -> Flow {
        begin(renderer)
        var flow = Flow.onward
        let bytes = try renderer.capture { flow = try HeedTemplates.run(body, renderer) }
        if flow != .onward { return flow }
        let value = try filter.evaluate(renderer, block: .string(renderer.make(bytes, isMarkup: renderer.escapes)))
        renderer.line = line
        try renderer.write(value)
        return .onward
    }
}

/// `{% set target %} … {% endset %}`, with or without a filter.
final class SetBlockStatement: ScopedStatement {
    private let target: Target
    private let filter: FilterExpression?

    init(_ target: Target, _ filter: FilterExpression?, _ body: [Statement], line: Int) {
        self.target = target
        self.filter = filter
        super.init(body, line: line)
    }

    override var children: [Node] { [target] + (filter.map { [$0] } ?? []) + body }

    override func declare(_ symbols: inout Symbols) { target.declare(&symbols) }

    override func resolveHead(_ resolver: Resolver, _ outer: Frame, _ inner: Frame) throws {
        try target.resolve(resolver, outer)
        try filter?.resolve(resolver, inner)
    }

    override func run(_ renderer: Renderer) throws -> Flow {
        begin(renderer)
        var flow = Flow.onward
        let bytes = try renderer.capture { flow = try HeedTemplates.run(body, renderer) }
        if flow != .onward { return flow }
        try renderer.meter.copy(bytes.count)
        var value = Value.string(renderer.make(bytes, isMarkup: renderer.escapes))
        if let filter { value = try filter.evaluate(renderer, block: value) }
        renderer.line = line
        try target.assign(value, renderer)
        return .onward
    }
}

/// `{% autoescape true %} … {% endautoescape %}`
final class AutoescapeStatement: ScopedStatement {
    private let isOn: Expression

    init(_ isOn: Expression, _ body: [Statement], line: Int) {
        self.isOn = isOn
        super.init(body, line: line)
    }

    override var children: [Node] { [isOn] + body }

    override func declareHead(_ symbols: inout Symbols) { isOn.declare(&symbols) }
    override func resolveHead(_ resolver: Resolver, _ outer: Frame, _ inner: Frame) throws {
        try isOn.resolve(resolver, inner)
    }

    override func run(_ renderer: Renderer) throws -> Flow {
        begin(renderer)
        let before = renderer.escapes
        renderer.escapes = try renderer.isTrue(try isOn.evaluate(renderer))
        defer { renderer.escapes = before }
        return try HeedTemplates.run(body, renderer)
    }
}
