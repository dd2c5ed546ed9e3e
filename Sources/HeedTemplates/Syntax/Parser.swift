import HeedSupport

/// Builds the syntax tree of a template from its tokens.
struct Parser {
    private let tokens: [Token]
    private var at = 0
    private var depth = 0
    /// The tags that would close the statements around, innermost last.
    private var awaited: [[String]] = []
    /// All blocks of the template.
    private(set) var blocks: [BlockStatement] = []

    init(_ tokens: [Token]) { self.tokens = tokens }

    // MARK: Tokens

    var current: Token { tokens[min(at, tokens.count - 1)] }
    var following: Token { tokens[min(at + 1, tokens.count - 1)] }
    var line: Int { current.line }

    @discardableResult
    mutating func next() -> Token {
        defer { at += 1 }
        return current
    }

    mutating func skip(name: String) -> Bool {
        guard current.name == name else { return false }
        at += 1
        return true
    }

    mutating func skip(sign: String) -> Bool {
        guard current.isSign(sign) else { return false }
        at += 1
        return true
    }

    mutating func expect(sign: String) throws {
        if !skip(sign: sign) { throw unexpected(sign) }
    }

    mutating func expect(name: String) throws {
        if !skip(name: name) { throw unexpected(name) }
    }

    mutating func expectName() throws -> String {
        guard let name = current.name else { throw unexpected("a name") }
        at += 1
        return name
    }

    mutating func expect(_ kind: Token.Kind, _ text: String) throws {
        guard current.kind == kind else { throw unexpected(text) }
        at += 1
    }

    func unexpected(_ expected: String) -> HeedError {
        syntaxFailure("the template is malformed", line: line, expected: expected, got: current.description)
    }

    /// Runs `body` one level deeper in the tree.
    mutating func deeper<Result>(_ body: (inout Parser) throws -> Result) throws -> Result {
        depth += 1
        defer { depth -= 1 }
        if depth > TemplateLimits.syntaxDepth {
            throw syntaxFailure("the template nests too deep", line: line)
        }
        return try body(&self)
    }

    // MARK: Statements

    /// The whole template.
    mutating func template() throws -> [Statement] { try statements(until: []) }

    /// Statements and text until one of the tags, which stays the current token.
    private mutating func statements(until ends: [String]) throws -> [Statement] {
        try deeper { parser in
            parser.awaited.append(ends)
            defer { parser.awaited.removeLast() }
            return try parser.statementList(until: ends)
        }
    }

    private mutating func statementList(until ends: [String]) throws -> [Statement] {
        var body: [Statement] = []
        var parts: [OutputStatement.Part] = []
        var partsLine = line
        func flush() throws {
            if parts.isEmpty { return }
            body.append(try OutputStatement(parts, line: partsLine).measured())
            parts = []
        }
        while true {
            switch current.kind {
            case .end:
                try flush()
                if !ends.isEmpty {
                    throw syntaxFailure(
                        "the template ends inside of a statement", line: line, expected: ends.joined(separator: " or "))
                }
                return body
            case .data(let bytes):
                if parts.isEmpty { partsLine = line }
                parts.append(.text(bytes))
                at += 1
            case .variableBegin:
                if parts.isEmpty { partsLine = line }
                at += 1
                parts.append(.value(try tuple()))
                try expect(.variableEnd, "}}")
            case .blockBegin:
                try flush()
                at += 1
                if let name = current.name, ends.contains(name) { return body }
                body.append(try statement().measured())
                try expect(.blockEnd, "%}")
            default:
                throw unexpected("text, {{ or {%")
            }
        }
    }

    /// The body of a statement whose head was read: `%} … {% end`; the tag that ends it is read too.
    mutating func body(until ends: String...) throws -> (body: [Statement], end: String) {
        _ = skip(sign: ":")
        try expect(.blockEnd, "%}")
        let body = try statements(until: ends)
        return (body, next().name ?? "")
    }

    private mutating func statement() throws -> Statement {
        let line = line
        let tag = try expectName()
        switch tag {
        case "for": return try forStatement(line)
        case "if": return try ifStatement(line)
        case "set": return try setStatement(line)
        case "macro":
            let name = try expectName()
            try checkAssignable(name, line)
            let (parameters, defaults) = try signature()
            let body = try body(until: "endmacro").body
            return MacroStatement(name, MacroBody(parameters, defaults, body, line: line), line: line)
        case "call":
            let (parameters, defaults) = current.isSign("(") ? try signature() : ([], [])
            guard let call = try expression() as? CallExpression else {
                throw syntaxFailure("call needs the call of a macro", line: line)
            }
            let body = try body(until: "endcall").body
            return CallStatement(call, MacroBody(parameters, defaults, body, line: line), line: line)
        case "generation":
            let body = try body(until: "endgeneration").body
            return CallStatement(nil, MacroBody([], [], body, line: line), line: line)
        case "filter":
            let filter = try filters(nil, isInline: true)
            let body = try body(until: "endfilter").body
            guard let filter else { throw unexpected("a filter") }
            return FilterStatement(filter, body, line: line)
        case "with": return try withStatement(line)
        case "autoescape":
            let isOn = try expression()
            return AutoescapeStatement(isOn, try body(until: "endautoescape").body, line: line)
        case "block": return try blockStatement(line)
        case "print":
            var parts: [OutputStatement.Part] = []
            while current.kind != .blockEnd {
                if !parts.isEmpty { try expect(sign: ",") }
                parts.append(.value(try expression()))
            }
            return OutputStatement(parts, line: line)
        case "break": return LeaveStatement(.leaveLoop, line: line)
        case "continue": return LeaveStatement(.nextTurn, line: line)
        case "include", "import", "from", "extends": return try loadStatement(tag, line)
        default: throw unknownTag(tag, line)
        }
    }

    private func unknownTag(_ tag: String, _ line: Int) -> HeedError {
        let known = [
            "for", "if", "set", "macro", "call", "generation", "filter", "with", "autoescape", "block", "print",
            "break",
            "continue", "raw", "endfor", "endif", "endset", "endmacro", "endcall", "endgeneration", "endfilter",
            "endwith", "endautoescape", "endblock", "elif", "else",
        ]
        if known.contains(tag) {
            let ends = awaited.last.flatMap { $0.isEmpty ? nil : $0.joined(separator: " or ") }
            return syntaxFailure("the tag \(quoted(tag)) closes nothing that is open here", line: line, expected: ends)
        }
        return HeedError(
            .badInput, "there is no tag \(quoted(tag))", in: "line \(line)",
            advice: nearest(tag, among: known).map { "Did you mean \($0)?" })
    }

    private mutating func ifStatement(_ line: Int) throws -> Statement {
        var branches: [IfStatement.Branch] = []
        while true {
            let test = try tuple(withCondition: false)
            let (body, end) = try body(until: "elif", "else", "endif")
            branches.append((test, body))
            if end == "elif" { continue }
            let otherwise = end == "else" ? try self.body(until: "endif").body : []
            return IfStatement(branches, otherwise: otherwise, line: line)
        }
    }

    private mutating func forStatement(_ line: Int) throws -> Statement {
        let target = try assignmentTarget(withNamespace: false)
        try expect(name: "in")
        let values = try tuple(withCondition: false)
        let test = skip(name: "if") ? try expression() : nil
        let isRecursive = skip(name: "recursive")
        let (body, end) = try body(until: "endfor", "else")
        let otherwise = end == "else" ? try self.body(until: "endfor").body : []
        return ForStatement(
            target, in: values, if: test, isRecursive: isRecursive, body, otherwise: otherwise, line: line)
    }

    private mutating func setStatement(_ line: Int) throws -> Statement {
        let target = try assignmentTarget(withNamespace: true)
        if skip(sign: "=") { return SetStatement(target, try tuple(), line: line) }
        let filter = try filters(nil, isInline: false)
        return SetBlockStatement(target, filter, try body(until: "endset").body, line: line)
    }

    private mutating func withStatement(_ line: Int) throws -> Statement {
        var targets: [Target] = []
        var values: [Expression] = []
        while current.kind != .blockEnd {
            if !targets.isEmpty { try expect(sign: ",") }
            let target = try assignmentTarget(withNamespace: false)
            target.markParameter()
            targets.append(target)
            try expect(sign: "=")
            values.append(try expression())
        }
        return WithStatement(targets, values, try body(until: "endwith").body, line: line)
    }

    private mutating func blockStatement(_ line: Int) throws -> Statement {
        let name = try expectName()
        let isScoped = skip(name: "scoped")
        let isRequired = skip(name: "required")
        let body = try body(until: "endblock").body
        if isRequired, !body.allSatisfy({ ($0 as? OutputStatement)?.isSpace ?? false }) {
            throw syntaxFailure("a required block holds more than white space", line: line)
        }
        _ = skip(name: name)
        let block = BlockStatement(name, isScoped: isScoped, isRequired: isRequired, body, line: line)
        blocks.append(block)
        return block
    }

    private mutating func loadStatement(_ tag: String, _ line: Int) throws -> Statement {
        let source = try expression()
        var names: [String] = []
        if tag == "import" {
            try expect(name: "as")
            names.append(try expectName())
        } else if tag == "from" {
            try expect(name: "import")
            repeat {
                var name = try expectName()
                if skip(name: "as") { name = try expectName() }
                names.append(name)
            } while skip(sign: ",")
        } else if tag == "include", current.name == "ignore", following.name == "missing" {
            at += 2
        }
        if tag != "extends", current.name == "with" || current.name == "without", following.name == "context" {
            at += 2
        }
        return LoadStatement(tag, source, names: names, line: line)
    }

    /// `(a, b=1)` after the name of a macro.
    private mutating func signature() throws -> ([NameTarget], [Expression]) {
        var parameters: [NameTarget] = []
        var defaults: [Expression] = []
        try expect(sign: "(")
        while !current.isSign(")") {
            if !parameters.isEmpty { try expect(sign: ",") }
            let line = line
            let name = try expectName()
            try checkAssignable(name, line)
            if skip(sign: "=") {
                defaults.append(try expression())
            } else if !defaults.isEmpty {
                throw syntaxFailure("a parameter without a default follows one with a default", line: line)
            }
            parameters.append(NameTarget(name, line: line))
        }
        try expect(sign: ")")
        return (parameters, defaults)
    }

    // MARK: Targets

    private func checkAssignable(_ name: String, _ line: Int) throws {
        if ["true", "false", "none", "True", "False", "None"].contains(name) {
            throw syntaxFailure("\(name) cannot be set", line: line)
        }
    }

    /// What `set` or `for` gives values to: a name, or several between commas.
    private mutating func assignmentTarget(withNamespace: Bool) throws -> Target {
        let line = line
        var items: [Target] = []
        var isTuple = false
        while true {
            if !items.isEmpty { try expect(sign: ",") }
            if isTupleEnd { break }
            items.append(try singleTarget(withNamespace: withNamespace))
            guard current.isSign(",") else { break }
            isTuple = true
        }
        if !isTuple {
            guard let only = items.first else { throw unexpected("a name") }
            return only
        }
        return TupleTarget(items, line: line)
    }

    private mutating func singleTarget(withNamespace: Bool) throws -> Target {
        let line = line
        if skip(sign: "(") {
            let target = try deeper { parser -> Target in
                if parser.current.isSign(")") { return TupleTarget([], line: line) }
                return try parser.assignmentTarget(withNamespace: false)
            }
            try expect(sign: ")")
            return target
        }
        guard let name = current.name else { throw unexpected("a name to set") }
        at += 1
        try checkAssignable(name, line)
        if withNamespace, skip(sign: ".") { return NamespaceTarget(name, try expectName(), line: line) }
        return NameTarget(name, line: line)
    }

    /// Whether an expression cannot go on here.
    var isTupleEnd: Bool {
        current.kind == .variableEnd || current.kind == .blockEnd || current.isSign(")")
    }
}
