import HeedSupport

/// Text and values that are written: `… {{ value }} …`
final class OutputStatement: Statement {
    enum Part {
        case text([UInt8])
        case value(Expression)
    }
    private let parts: [Part]

    init(_ parts: [Part], line: Int) {
        self.parts = parts
        super.init(line: line)
    }

    /// Whether nothing but white space is written.
    var isSpace: Bool {
        parts.allSatisfy { part in
            if case .text(let bytes) = part { endOfSpace(bytes, 0) == bytes.count } else { false }
        }
    }

    override var children: [Node] {
        parts.compactMap { if case .value(let expression) = $0 { expression } else { nil } }
    }

    override func run(_ renderer: Renderer) throws -> Flow {
        for part in parts {
            switch part {
            case .text(let bytes): try renderer.write(bytes)
            case .value(let expression):
                let value = try expression.evaluate(renderer)
                renderer.line = expression.line
                try renderer.write(value)
            }
        }
        return .onward
    }
}

/// `{% if %} … {% elif %} … {% else %} … {% endif %}`
final class IfStatement: Statement {
    typealias Branch = (test: Expression, body: [Statement])
    private let branches: [Branch]
    private let otherwise: [Statement]

    init(_ branches: [Branch], otherwise: [Statement], line: Int) {
        self.branches = branches
        self.otherwise = otherwise
        super.init(line: line)
    }

    override var children: [Node] { branches.flatMap { [$0.test] + $0.body } + otherwise }

    override func declare(_ symbols: inout Symbols) {
        // An `elif` is an `if` in one branch of three; each of those sees what came before the whole.
        guard let first = branches.first else { return }
        first.test.declare(&symbols)
        let before = symbols
        var body = before
        for statement in first.body { statement.declare(&body) }
        var further = before
        for branch in branches.dropFirst() {
            IfStatement([branch], otherwise: [], line: line).declare(&further)
        }
        var last = before
        for statement in otherwise { statement.declare(&last) }
        symbols.merge([body, further, last])
    }

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws { try super.resolve(resolver, frame.soft) }

    override func run(_ renderer: Renderer) throws -> Flow {
        for (test, body) in branches where try renderer.isTrue(try test.evaluate(renderer)) {
            return try HeedTemplates.run(body, renderer)
        }
        return try HeedTemplates.run(otherwise, renderer)
    }
}

/// `{% set target = value %}`
final class SetStatement: Statement {
    private let target: Target
    private let value: Expression

    init(_ target: Target, _ value: Expression, line: Int) {
        self.target = target
        self.value = value
        super.init(line: line)
    }

    override var children: [Node] { [target, value] }

    override func declare(_ symbols: inout Symbols) {
        value.declare(&symbols)
        target.declare(&symbols)
    }

    override func run(_ renderer: Renderer) throws -> Flow {
        renderer.line = line
        try target.check(renderer)
        let value = try value.evaluate(renderer)
        renderer.line = line
        try target.assign(value, renderer)
        return .onward
    }
}

/// `{% break %}` and `{% continue %}`
final class LeaveStatement: Statement {
    private let flow: Flow

    init(_ flow: Flow, line: Int) {
        self.flow = flow
        super.init(line: line)
    }

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        if !frame.isInLoop {
            throw syntaxFailure("\(flow == .leaveLoop ? "break" : "continue") stands outside of a loop", line: line)
        }
    }

    override func run(_ renderer: Renderer) throws -> Flow { flow }
}

/// `{% include %}`, `{% import %}`, `{% from %}` and `{% extends %}`: a model's template stands alone, so they fail
/// when they are reached.
final class LoadStatement: Statement {
    private let tag: String
    private let source: Expression
    private let names: [String]

    init(_ tag: String, _ source: Expression, names: [String], line: Int) {
        self.tag = tag
        self.source = source
        self.names = names
        super.init(line: line)
    }

    override var children: [Node] { [source] }

    override func declare(_ symbols: inout Symbols) {
        source.declare(&symbols)
        for name in names { symbols.store(name) }
    }

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        try super.resolve(resolver, frame)
        if tag == "extends", !frame.isTop {
            throw syntaxFailure("extends stands inside of another statement", line: line)
        }
    }

    override func run(_ renderer: Renderer) throws -> Flow {
        renderer.line = line
        throw HeedError(
            .unsupported, "\(tag) needs a second template, and the template of a model stands alone",
            advice: "Put the parts into one template")
    }
}
