import HeedSupport

/// What a macro and the body of a `call` have in common: parameters and a body that writes a text.
final class MacroBody {
    let parameters: [NameTarget]
    /// The defaults of the last parameters.
    let defaults: [Expression]
    let body: [Statement]
    private let line: Int
    private let caller: NameTarget
    private let keywords: NameTarget
    private let others: NameTarget
    private var entries: [ScopeEntry] = []
    private var routine: Routine?
    fileprivate private(set) var takesCaller = false
    fileprivate private(set) var takesKeywords = false
    fileprivate private(set) var takesOthers = false
    fileprivate private(set) var bindsCaller = false

    init(_ parameters: [NameTarget], _ defaults: [Expression], _ body: [Statement], line: Int) {
        self.parameters = parameters
        self.defaults = defaults
        self.body = body
        self.line = line
        for parameter in parameters { parameter.isParameter = true }
        func special(_ name: String) -> NameTarget {
            let target = NameTarget(name, line: line)
            target.isParameter = true
            return target
        }
        caller = special("caller")
        keywords = special("kwargs")
        others = special("varargs")
    }

    var nodes: [Node] { parameters + defaults + body }

    func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        let names = parameters.map(\.name)
        if let twice = names.enumerated().first(where: { names[..<$0.offset].contains($0.element) })?.element {
            throw syntaxFailure("the parameter \(quoted(twice)) is there twice", line: line)
        }
        let routine = resolver.newRoutine(inside: frame.routine)
        self.routine = routine
        var symbols = Symbols(routine, inside: frame.symbols)
        for node in nodes { node.declare(&symbols) }
        let special = undeclared(["caller", "kwargs", "varargs"], in: body)
        if special.contains("caller") {
            takesCaller = true
            if let place = names.firstIndex(of: "caller") {
                guard place >= names.count - defaults.count else {
                    throw syntaxFailure("the parameter caller needs a default", line: line)
                }
            } else {
                bindsCaller = true
                symbols.parameter("caller")
            }
        }
        if special.contains("kwargs"), !names.contains("kwargs") {
            takesKeywords = true
            symbols.parameter("kwargs")
        }
        if special.contains("varargs"), !names.contains("varargs") {
            takesOthers = true
            symbols.parameter("varargs")
        }
        for node in nodes { node.declare(&symbols) }
        entries = resolver.entries(symbols, routine)
        let inner = Frame(symbols: symbols, routine: routine)
        for node in nodes + [caller, keywords, others] { try node.resolve(resolver, inner) }
    }

    /// Runs the body with one value for each parameter, nil for those that take their default.
    fileprivate func run(
        _ values: [Value?], caller: Value?, keywords: Value?, others: Value?, in outer: Activation,
        _ renderer: Renderer
    ) throws -> Value {
        try renderer.deeper {
            var activation = Activation(slots: routine?.count ?? 0, parent: outer)
            defer { renderer.finish(&activation) }
            let bytes = try renderer.with(activation) {
                try renderer.capture {
                    renderer.begin(entries)
                    if let caller, bindsCaller { try self.caller.assign(caller, renderer) }
                    if let keywords { try self.keywords.assign(keywords, renderer) }
                    if let others { try self.others.assign(others, renderer) }
                    for (parameter, value) in zip(parameters, values) {
                        if let value { try parameter.assign(value, renderer) }
                    }
                    for (place, parameter) in parameters.enumerated() where values[place] == nil {
                        let position = place - (parameters.count - defaults.count)
                        let value =
                            position >= 0
                            ? try defaults[position].evaluate(renderer)
                            : .undefined(
                                Undefined(hint: "the parameter \(quoted(parameter.name)) was not provided"))
                        try parameter.assign(value, renderer)
                    }
                    _ = try HeedTemplates.run(body, renderer)
                }
            }
            try renderer.meter.copy(bytes.count)
            return .string(renderer.make(bytes, isMarkup: renderer.escapes))
        }
    }
}

/// A macro that can be called.
final class MacroObject: TemplateObject {
    private let name: String?
    private let body: MacroBody
    private let surroundings: Activation

    init(_ name: String?, _ body: MacroBody, _ surroundings: Activation) {
        self.name = name
        self.body = body
        self.surroundings = surroundings
    }

    override var typeName: String { "Macro" }
    override var isCallable: Bool { true }

    override func attribute(_ attribute: String, _ renderer: Renderer) throws -> Value? {
        switch attribute {
        case "name": .some(name.map { .string($0) } ?? Value.none)
        case "arguments": try renderer.tuple(body.parameters.map { .string($0.name) })
        case "catch_kwargs": .bool(body.takesKeywords)
        case "catch_varargs": .bool(body.takesOthers)
        case "caller": .bool(body.takesCaller)
        case "explicit_caller": .bool(body.parameters.contains { $0.name == "caller" })
        default: nil
        }
    }

    override func call(_ arguments: Arguments, _ renderer: Renderer) throws -> Value {
        let count = body.parameters.count
        var keywords = arguments.keywords
        func take(_ name: String) -> Value? {
            keywords.firstIndex { $0.name == name }.map { keywords.remove(at: $0).value }
        }
        var values: [Value?] = Array(arguments.positional.prefix(count))
        for parameter in body.parameters.dropFirst(values.count) { values.append(take(parameter.name)) }
        var caller: Value?
        if body.bindsCaller {
            caller =
                take("caller").flatMap { $0.isNone ? nil : $0 }
                ?? .undefined(
                    Undefined(hint: "the macro has no caller"))
        }
        let title = name.map(quoted(_:)) ?? "the caller"
        if !body.takesKeywords, let first = keywords.first {
            throw HeedError(.badInput, "the macro \(title) has no parameter \(quoted(first.name))")
        }
        if !body.takesOthers, arguments.positional.count > count {
            throw HeedError(
                .badInput, "the macro \(title) has too many arguments", expected: "at most \(count)",
                got: "\(arguments.positional.count)")
        }
        var members: Value?
        if body.takesKeywords {
            let dictionary = DictionaryObject(meter: renderer.meter)
            for (name, value) in keywords { try dictionary.set(.string(name), to: value, renderer.meter) }
            members = .dictionary(dictionary)
        }
        let others = body.takesOthers ? try renderer.tuple(Array(arguments.positional.dropFirst(count))) : nil
        return try body.run(
            values, caller: caller, keywords: members, others: others, in: surroundings, renderer)
    }

    override func represent(_ writer: inout Representation) throws {
        guard let name else { return try writer.write("<Macro anonymous>") }
        try writer.write("<Macro ")
        try writer.represent(.string(name))
        try writer.write(">")
    }

    private func quoted(_ name: String) -> String { HeedSupport.quoted(name) }
}

/// `{% macro name(a, b=1) %} … {% endmacro %}`
final class MacroStatement: Statement {
    private let target: NameTarget
    private let body: MacroBody

    init(_ name: String, _ body: MacroBody, line: Int) {
        target = NameTarget(name, line: line)
        self.body = body
        super.init(line: line)
    }

    override var children: [Node] { body.nodes }
    override func declare(_ symbols: inout Symbols) { symbols.store(target.name) }

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        try body.resolve(resolver, frame)
        try target.resolve(resolver, frame)
    }

    override func run(_ renderer: Renderer) throws -> Flow {
        try target.assign(.object(MacroObject(target.name, body, renderer.activation)), renderer)
        return .onward
    }
}

/// `{% call(a) macro(…) %} … {% endcall %}`, and transformers' `{% generation %} … {% endgeneration %}`, whose body is
/// what an assistant said.
final class CallStatement: Statement {
    /// The call; nil for `generation`, which writes its body.
    private let call: CallExpression?
    private let body: MacroBody

    init(_ call: CallExpression?, _ body: MacroBody, line: Int) {
        self.call = call
        self.body = body
        super.init(line: line)
    }

    override var children: [Node] { (call.map { [$0] } ?? []) + body.nodes }
    override func declare(_ symbols: inout Symbols) { call?.declare(&symbols) }

    override func resolve(_ resolver: Resolver, _ frame: Frame) throws {
        try body.resolve(resolver, frame)
        try call?.resolve(resolver, frame)
    }

    override func run(_ renderer: Renderer) throws -> Flow {
        let macro = MacroObject(nil, body, renderer.activation)
        let value =
            try call?.evaluate(renderer, caller: .object(macro)) ?? macro.call(.none, renderer)
        renderer.line = line
        try renderer.write(value)
        return .onward
    }
}
