import HeedSupport

/// The arguments of a call as they stand in the template.
struct ArgumentList {
    var positional: [Expression] = []
    var keywords: [(name: String, value: Expression)] = []
    /// `*values`
    var more: Expression?
    /// `**values`
    var moreKeywords: Expression?

    var nodes: [Node] {
        positional + keywords.map(\.value) + [more, moreKeywords].compactMap { $0 }
    }

    func evaluate(_ renderer: Renderer) throws -> Arguments {
        var arguments = Arguments()
        arguments.positional.reserveCapacity(positional.count)
        for expression in positional { arguments.positional.append(try expression.evaluate(renderer)) }
        for (name, value) in keywords { arguments.keywords.append((name, try value.evaluate(renderer))) }
        if let more { arguments.positional += try renderer.elements(try more.evaluate(renderer)) }
        if let moreKeywords {
            guard case .dictionary(let dictionary) = try moreKeywords.evaluate(renderer) else {
                throw HeedError(.badInput, "the value after ** must be a dictionary")
            }
            for (key, value) in zip(dictionary.keys, dictionary.values) {
                let name = try renderer.text(key, "a name after **").string
                guard !arguments.keywords.contains(where: { $0.name == name }) else {
                    throw HeedError(.badInput, "a call names the parameter \(quoted(name)) twice")
                }
                arguments.keywords.append((name, value))
            }
        }
        return arguments
    }
}

/// `callee(…)`
final class CallExpression: Expression {
    private let callee: Expression
    private let arguments: ArgumentList

    init(_ callee: Expression, _ arguments: ArgumentList, line: Int) {
        self.callee = callee
        self.arguments = arguments
        super.init(line: line)
    }

    override var children: [Node] { [callee] + arguments.nodes }

    override func evaluate(_ renderer: Renderer) throws -> Value { try evaluate(renderer, caller: nil) }

    /// Calls with a body for `caller()`, where one is given.
    func evaluate(_ renderer: Renderer, caller: Value?) throws -> Value {
        try renderer.enter()
        defer { renderer.leave() }
        // A method that is called at once needs no object of its own.
        if let member = callee as? AttributeExpression {
            let owner = try member.owner.evaluate(renderer)
            renderer.line = line
            if let method = renderer.method(of: owner, member.name) {
                let given = try given(renderer, caller)
                renderer.line = line
                return try method(renderer, owner, given)
            }
            return try call(try member.evaluate(owner, renderer), renderer, caller)
        }
        return try call(try callee.evaluate(renderer), renderer, caller)
    }

    private func call(_ function: Value, _ renderer: Renderer, _ caller: Value?) throws -> Value {
        renderer.line = line
        if case .undefined(let undefined) = function { throw undefined.failure }
        let given = try given(renderer, caller)
        renderer.line = line
        return try renderer.call(function, given)
    }

    private func given(_ renderer: Renderer, _ caller: Value?) throws -> Arguments {
        var given = try arguments.evaluate(renderer)
        if let caller { given.keywords.append(("caller", caller)) }
        return given
    }
}

/// `value|filter(…)`
final class FilterExpression: Expression {
    /// What is filtered; nil where a block's text is.
    let operand: Expression?
    private let name: String
    private let arguments: ArgumentList
    private let filter: Method?

    init(_ operand: Expression?, _ name: String, _ arguments: ArgumentList, line: Int) {
        self.operand = operand
        self.name = name
        self.arguments = arguments
        filter = Filters.all[name]
        super.init(line: line)
    }

    override var children: [Node] { (operand.map { [$0] } ?? []) + arguments.nodes }

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        try super.resolve(resolver, frame)
        if filter == nil, !frame.isSoft { throw unknown().placed(in: "line \(line)") }
    }

    override func evaluate(_ renderer: Renderer) throws -> Value { try evaluate(renderer, block: .string(Text.empty)) }

    /// Filters the value, or where the innermost filter has none, the text of a block.
    func evaluate(_ renderer: Renderer, block: Value) throws -> Value {
        try renderer.enter()
        defer { renderer.leave() }
        let value: Value
        switch operand {
        case let filter as FilterExpression: value = try filter.evaluate(renderer, block: block)
        case let operand?: value = try operand.evaluate(renderer)
        case nil: value = block
        }
        let given = try arguments.evaluate(renderer)
        renderer.line = line
        guard let filter else { throw unknown() }
        return try filter(renderer, value, given)
    }

    private func unknown() -> HeedError { unknownName("filter", name, Array(Filters.all.keys)) }
}

/// `value is test(…)`
final class TestExpression: Expression {
    private let operand: Expression
    private let name: String
    private let arguments: ArgumentList
    private let test: ValueTests.Test?

    init(_ operand: Expression, _ name: String, _ arguments: ArgumentList, line: Int) {
        self.operand = operand
        self.name = name
        self.arguments = arguments
        test = ValueTests.all[name]
        super.init(line: line)
    }

    override var children: [Node] { [operand] + arguments.nodes }

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        try super.resolve(resolver, frame)
        if test == nil, !frame.isSoft {
            throw unknownName("test", name, Array(ValueTests.all.keys)).placed(in: "line \(line)")
        }
    }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        defer { renderer.leave() }
        let value = try operand.evaluate(renderer)
        let given = try arguments.evaluate(renderer)
        renderer.line = line
        guard let test else { throw unknownName("test", name, Array(ValueTests.all.keys)) }
        return .bool(try test(renderer, value, given))
    }
}

/// The error for a filter or test that does not exist.
func unknownName(_ kind: String, _ name: String, _ known: [String]) -> HeedError {
    HeedError(
        .badInput, "there is no \(kind) \(quoted(name))",
        advice: nearest(name, among: known.sorted()).map { "Did you mean \($0)?" })
}
