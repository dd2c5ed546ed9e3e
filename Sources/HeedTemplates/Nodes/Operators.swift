import HeedSupport

/// `left + right` and its like.
final class BinaryExpression: Expression {
    private let sign: BinaryOperator
    private let left: Expression
    private let right: Expression

    init(_ sign: BinaryOperator, _ left: Expression, _ right: Expression, line: Int) {
        self.sign = sign
        self.left = left
        self.right = right
        super.init(line: line)
    }

    override var children: [Node] { [left, right] }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        let first = try left.evaluate(renderer)
        let second = try right.evaluate(renderer)
        renderer.leave()
        renderer.line = line
        return try renderer.apply(sign, first, second)
    }
}

/// `-value` or `+value`
final class SignExpression: Expression {
    private let isNegative: Bool
    private let operand: Expression

    init(isNegative: Bool, _ operand: Expression, line: Int) {
        self.isNegative = isNegative
        self.operand = operand
        super.init(line: line)
    }

    override var children: [Node] { [operand] }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        let value = try operand.evaluate(renderer)
        renderer.leave()
        renderer.line = line
        return try renderer.negated(value, isNegative: isNegative)
    }
}

/// `not value`
final class NotExpression: Expression {
    private let operand: Expression

    init(_ operand: Expression, line: Int) {
        self.operand = operand
        super.init(line: line)
    }

    override var children: [Node] { [operand] }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        let value = try operand.evaluate(renderer)
        renderer.leave()
        return .bool(try !renderer.isTrue(value))
    }
}

/// `left and right`, `left or right`: the value that decides.
final class LogicalExpression: Expression {
    private let isAnd: Bool
    private let left: Expression
    private let right: Expression

    init(isAnd: Bool, _ left: Expression, _ right: Expression, line: Int) {
        self.isAnd = isAnd
        self.left = left
        self.right = right
        super.init(line: line)
    }

    override var children: [Node] { [left, right] }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        defer { renderer.leave() }
        let value = try left.evaluate(renderer)
        return try renderer.isTrue(value) == isAnd ? try right.evaluate(renderer) : value
    }
}

/// `first if test else second`
final class ConditionalExpression: Expression {
    private let test: Expression
    private let first: Expression
    private let second: Expression?

    init(_ test: Expression, _ first: Expression, _ second: Expression?, line: Int) {
        self.test = test
        self.first = first
        self.second = second
        super.init(line: line)
    }

    override var children: [Node] { [test, first] + (second.map { [$0] } ?? []) }

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws { try super.resolve(resolver, frame.soft) }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        defer { renderer.leave() }
        if try renderer.isTrue(try test.evaluate(renderer)) { return try first.evaluate(renderer) }
        if let second { return try second.evaluate(renderer) }
        return .undefined(Undefined(hint: "the inline `if` on line \(line) is false and has no `else`"))
    }
}

/// `a ~ b ~ c`: the texts of the values in one.
final class ConcatenateExpression: Expression {
    private let parts: [Expression]

    init(_ parts: [Expression], line: Int) {
        self.parts = parts
        super.init(line: line)
    }

    override var children: [Node] { parts }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        var values: [Value] = []
        for part in parts { values.append(try part.evaluate(renderer)) }
        renderer.leave()
        renderer.line = line
        let isMarkup = renderer.escapes && values.contains { $0.text?.isMarkup ?? false }
        var bytes: [UInt8] = []
        for value in values {
            let text = isMarkup ? try renderer.escaped(value) : try renderer.softText(value)
            try renderer.meter.copy(text.bytes.count)
            try renderer.meter.allow(bytes.count + text.bytes.count)
            bytes += text.bytes
        }
        return .string(renderer.make(bytes, isMarkup: isMarkup))
    }
}

/// The operators that compare.
enum Comparison: String {
    case equal = "=="
    case unequal = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"

    /// Whether it holds.
    func holds(_ left: Value, _ right: Value, _ renderer: Renderer) throws -> Bool {
        switch self {
        case .equal: return try HeedTemplates.equal(left, right, renderer.meter)
        case .unequal: return try !HeedTemplates.equal(left, right, renderer.meter)
        case .isIn: return try renderer.contains(right, left)
        case .isNotIn: return try !renderer.contains(right, left)
        case .less, .lessOrEqual, .greater, .greaterOrEqual:
            let order = try order(left, right, rawValue, renderer.meter)
            switch self {
            case .less: return order == .before
            case .lessOrEqual: return order == .before || order == .same
            case .greater: return order == .after
            default: return order == .after || order == .same
            }
        }
    }
}

/// `a < b <= c`: holds where each neighbouring pair does.
final class ComparisonExpression: Expression {
    private let first: Expression
    private let rest: [(sign: Comparison, operand: Expression)]

    init(_ first: Expression, _ rest: [(sign: Comparison, operand: Expression)], line: Int) {
        self.first = first
        self.rest = rest
        super.init(line: line)
    }

    override var children: [Node] { [first] + rest.map(\.operand) }

    override func evaluate(_ renderer: Renderer) throws -> Value {
        try renderer.enter()
        defer { renderer.leave() }
        var left = try first.evaluate(renderer)
        for (sign, operand) in rest {
            let right = try operand.evaluate(renderer)
            renderer.line = line
            if try !sign.holds(left, right, renderer) { return .bool(false) }
            left = right
        }
        return .bool(true)
    }
}
