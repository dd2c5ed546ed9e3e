import HeedSupport

/// `{% for target in values if test recursive %} … {% else %} … {% endfor %}`
final class ForStatement: Statement {
    private let target: Target
    private let values: Expression
    private let test: Expression?
    private let testTarget: Target
    private let isRecursive: Bool
    private let body: [Statement]
    private let otherwise: [Statement]
    /// The variable `loop`, where the body reads it.
    private let loop: NameTarget
    private var hasLoop = false
    private var bodyEntries: [ScopeEntry] = []
    private var testEntries: [ScopeEntry] = []
    private var otherwiseEntries: [ScopeEntry] = []
    private var bodyPlaces: [Int] = []
    private var routine: Routine?

    init(
        _ target: Target, in values: Expression, if test: Expression?, isRecursive: Bool, _ body: [Statement],
        otherwise: [Statement], line: Int
    ) {
        self.target = target
        self.values = values
        self.test = test
        self.isRecursive = isRecursive
        self.body = body
        self.otherwise = otherwise
        loop = NameTarget("loop", line: line)
        testTarget = target.copy()
        super.init(line: line)
        testTarget.markParameter()
    }

    override var children: [Node] {
        [target, values] + body + otherwise + (test.map { [$0] } ?? [])
    }

    override func declare(_ symbols: inout Symbols) { values.declare(&symbols) }

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        try checkLoopIsNotSet(in: self)
        let routine = isRecursive ? resolver.newRoutine(inside: frame.routine) : frame.routine
        self.routine = isRecursive ? routine : nil
        hasLoop = isRecursive || !undeclared(["loop"], in: body).isEmpty || hasScopedBlock(self)
        var symbols = Symbols(routine, inside: frame.symbols)
        if hasLoop { symbols.parameter("loop") }
        declareTarget(target, &symbols)
        for statement in body { statement.declare(&symbols) }
        bodyEntries = resolver.entries(symbols, routine)
        bodyPlaces = symbols.variables.values.filter { $0.owner == routine.number }.map(\.place)
        let inner = Frame(symbols: symbols, routine: routine, isInLoop: true)
        try target.resolve(resolver, inner)
        if hasLoop { try loop.resolve(resolver, inner) }
        if let test {
            var symbols = Symbols(routine, inside: frame.symbols)
            testTarget.declare(&symbols)
            test.declare(&symbols)
            testEntries = resolver.entries(symbols, routine)
            let frame = Frame(symbols: symbols, routine: routine)
            try testTarget.resolve(resolver, frame)
            try test.resolve(resolver, frame)
        }
        try values.resolve(resolver, frame)
        for statement in body { try statement.resolve(resolver, inner) }
        if !otherwise.isEmpty {
            var symbols = Symbols(routine, inside: frame.symbols)
            for statement in otherwise { statement.declare(&symbols) }
            otherwiseEntries = resolver.entries(symbols, routine)
            let isInLoop = isRecursive ? false : frame.isInLoop
            let frame = Frame(symbols: symbols, routine: routine, isInLoop: isInLoop)
            for statement in otherwise { try statement.resolve(resolver, frame) }
        }
    }

    /// The loop's own target becomes its parameters, but counts as set where a rule asks.
    private func declareTarget(_ target: Target, _ symbols: inout Symbols) {
        switch target {
        case let name as NameTarget: symbols.parameter(name.name)
        case let tuple as TupleTarget: for item in tuple.items { declareTarget(item, &symbols) }
        default: target.declare(&symbols)
        }
    }

    private func checkLoopIsNotSet(in node: Node) throws {
        if let name = node as? NameTarget, name.name == "loop", !name.isParameter {
            throw syntaxFailure("a loop may not set the special variable loop", line: name.line)
        }
        for child in node.children { try checkLoopIsNotSet(in: child) }
    }

    private func hasScopedBlock(_ node: Node) -> Bool {
        if let block = node as? BlockStatement, block.isScoped { return true }
        return node.children.contains { hasScopedBlock($0) }
    }

    override func run(_ renderer: Renderer) throws -> Flow {
        let source = try values.evaluate(renderer)
        renderer.line = line
        guard isRecursive else { return try turn(source, depth: 0, renderer) }
        try renderer.write(try recur(source, depth: 0, renderer.activation, renderer))
        return .onward
    }

    /// One run of a recursive loop: its text.
    private func recur(_ source: Value, depth: Int, _ outer: Activation, _ renderer: Renderer) throws -> Value {
        try renderer.deeper {
            var activation = Activation(slots: routine?.count ?? 0, parent: outer)
            defer { renderer.finish(&activation) }
            let bytes = try renderer.with(activation) {
                try renderer.capture { _ = try turn(source, depth: depth, renderer) }
            }
            try renderer.meter.copy(bytes.count)
            return .string(renderer.make(bytes, isMarkup: renderer.escapes))
        }
    }

    private func turn(_ source: Value, depth: Int, _ renderer: Renderer) throws -> Flow {
        var source = source
        if let test { source = try filtered(source, test, renderer) }
        let iterator = try renderer.iterate(source)
        var loop: LoopObject?
        defer {
            if loop != nil, !isKnownUniquelyReferenced(&loop), let loop { renderer.remember(loop) }
        }
        if hasLoop {
            let outer = isRecursive ? renderer.activation.parent : nil
            let again = outer.map { outer in
                { [unowned renderer] value, depth in try self.recur(value, depth: depth, outer, renderer) }
            }
            loop = LoopObject(source, iterator, recursionDepth: depth, body: again)
        }
        var isEmpty = true
        while true {
            renderer.line = line
            try renderer.meter.work()
            guard let value = try loop.map({ try $0.advance(renderer) }) ?? iterator.next(renderer) else { break }
            renderer.begin(bodyEntries)
            if let loop { try self.loop.assign(.object(loop), renderer) }
            try target.assign(value, renderer)
            switch try HeedTemplates.run(body, renderer) {
            case .leaveLoop: return try finish(isEmpty, renderer)
            case .nextTurn: continue
            case .onward: isEmpty = false
            }
        }
        return try finish(isEmpty, renderer)
    }

    /// Ends the loop: `else` runs where no turn reached the end of the body.
    private func finish(_ isEmpty: Bool, _ renderer: Renderer) throws -> Flow {
        for place in bodyPlaces { renderer.set(0, place, to: nil) }
        guard isEmpty, !otherwise.isEmpty else { return .onward }
        renderer.begin(otherwiseEntries)
        return try HeedTemplates.run(otherwise, renderer)
    }

    /// The elements that pass the loop's test, tested one by one as they are asked for.
    private func filtered(_ source: Value, _ test: Expression, _ renderer: Renderer) throws -> Value {
        let iterator = try renderer.iterate(source)
        let activation = renderer.activation
        renderer.begin(testEntries)
        let generator = try GeneratorObject(over: source) { [testTarget] renderer in
            try renderer.with(activation) {
                while let value = try iterator.next(renderer) {
                    try renderer.meter.work()
                    try testTarget.assign(value, renderer)
                    if try renderer.isTrue(try test.evaluate(renderer)) { return value }
                }
                return nil
            }
        }
        return .object(generator)
    }
}
