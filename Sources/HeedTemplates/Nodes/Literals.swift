import HeedSupport

/// A value that stands in the template.
final class Constant: Expression {
    let value: Value

    init(_ value: Value, line: Int) {
        self.value = value
        super.init(line: line)
    }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.meter.work()
        return value
    }
}

/// `[a, b]` or `(a, b)`
final class SequenceLiteral: Expression {
    let items: [Expression]
    private let isTuple: Bool

    init(_ items: [Expression], isTuple: Bool, line: Int) {
        self.items = items
        self.isTuple = isTuple
        super.init(line: line)
    }

    override var children: [Node] { items }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        var elements: [Value] = []
        elements.reserveCapacity(items.count)
        for item in items { elements.append(try item.evaluate(renderer)) }
        renderer.leave()
        return isTuple ? try renderer.tuple(elements) : try renderer.list(elements)
    }
}

/// `{key: value}`
final class DictionaryLiteral: Expression {
    private let pairs: [(key: Expression, value: Expression)]

    init(_ pairs: [(key: Expression, value: Expression)], line: Int) {
        self.pairs = pairs
        super.init(line: line)
    }

    override var children: [Node] { pairs.flatMap { [$0.key, $0.value] } }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        let dictionary = DictionaryObject(meter: renderer.meter)
        for (key, value) in pairs {
            let name = try key.evaluate(renderer)
            let value = try value.evaluate(renderer)
            renderer.line = line
            try dictionary.set(name, to: value, renderer.meter)
        }
        renderer.leave()
        return .dictionary(dictionary)
    }
}
