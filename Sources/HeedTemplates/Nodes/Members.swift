import HeedSupport

/// `owner.name`
final class AttributeExpression: Expression {
    let owner: Expression
    let name: String
    private let key: Value

    init(_ owner: Expression, _ name: String, line: Int) {
        self.owner = owner
        self.name = name
        key = .string(Text(name))
        super.init(line: line)
    }

    override var children: [Node] { [owner] }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        let value = try owner.evaluate(renderer)
        renderer.leave()
        renderer.line = line
        return try renderer.attribute(value, key, name)
    }

    /// The attribute of an owner that was evaluated before.
    func evaluate(_ value: Value, _ renderer: Renderer) throws -> Value {
        try renderer.attribute(value, key, name)
    }
}

/// `owner[key]`
final class ItemExpression: Expression {
    private let owner: Expression
    private let key: Expression

    init(_ owner: Expression, _ key: Expression, line: Int) {
        self.owner = owner
        self.key = key
        super.init(line: line)
    }

    override var children: [Node] { [owner, key] }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        let value = try owner.evaluate(renderer)
        let place = try key.evaluate(renderer)
        renderer.leave()
        renderer.line = line
        return try renderer.item(value, place)
    }
}

/// `owner[start:stop:step]`
final class SliceExpression: Expression {
    private let owner: Expression
    private let start: Expression?
    private let stop: Expression?
    private let step: Expression?

    init(_ owner: Expression, _ start: Expression?, _ stop: Expression?, _ step: Expression?, line: Int) {
        self.owner = owner
        self.start = start
        self.stop = stop
        self.step = step
        super.init(line: line)
    }

    override var children: [Node] { [owner] + [start, stop, step].compactMap { $0 } }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        let value = try owner.evaluate(renderer)
        let first = try start?.evaluate(renderer)
        let last = try stop?.evaluate(renderer)
        let by = try step?.evaluate(renderer)
        renderer.leave()
        renderer.line = line
        return try renderer.slice(value, first, last, by)
    }
}
