import HeedSupport

/// Expressions, from the operators that bind least to those that bind most.
extension Parser {
    /// Expressions with commas between them make a tuple; one alone stays itself.
    mutating func tuple(withCondition: Bool = true, isInParentheses: Bool = false) throws -> Expression {
        let line = line
        var items: [Expression] = []
        var isTuple = false
        while true {
            if !items.isEmpty { try expect(sign: ",") }
            if isTupleEnd { break }
            items.append(withCondition ? try expression() : try disjunction())
            guard current.isSign(",") else { break }
            isTuple = true
        }
        if !isTuple {
            if let only = items.first { return only }
            if !isInParentheses { throw unexpected("an expression") }
        }
        return try SequenceLiteral(items, isTuple: true, line: line).measured()
    }

    /// `a if b else c`
    mutating func expression() throws -> Expression {
        try deeper { parser in
            var line = parser.line
            var first = try parser.disjunction()
            while parser.skip(name: "if") {
                let test = try parser.disjunction()
                let second = parser.skip(name: "else") ? try parser.expression() : nil
                first = try ConditionalExpression(test, first, second, line: line).measured()
                line = parser.line
            }
            return first
        }
    }

    private mutating func disjunction() throws -> Expression {
        var left = try conjunction()
        while current.name == "or" {
            let line = next().line
            left = try LogicalExpression(isAnd: false, left, try conjunction(), line: line).measured()
        }
        return left
    }

    private mutating func conjunction() throws -> Expression {
        var left = try negation()
        while current.name == "and" {
            let line = next().line
            left = try LogicalExpression(isAnd: true, left, try negation(), line: line).measured()
        }
        return left
    }

    private mutating func negation() throws -> Expression {
        guard current.name == "not" else { return try comparison() }
        let line = next().line
        let operand = try deeper { try $0.negation() }
        return try NotExpression(operand, line: line).measured()
    }

    private mutating func comparison() throws -> Expression {
        let line = line
        let first = try sum()
        var rest: [(sign: Comparison, operand: Expression)] = []
        while true {
            let sign: Comparison
            if case .sign(let text) = current.kind, let found = Comparison(rawValue: text) {
                sign = found
                next()
            } else if skip(name: "in") {
                sign = .isIn
            } else if current.name == "not", following.name == "in" {
                next()
                next()
                sign = .isNotIn
            } else {
                break
            }
            rest.append((sign, try sum()))
        }
        return rest.isEmpty ? first : try ComparisonExpression(first, rest, line: line).measured()
    }

    private mutating func sum() throws -> Expression {
        var left = try concatenation()
        while current.isSign("+") || current.isSign("-") {
            let token = next()
            let sign = token.isSign("+") ? BinaryOperator.add : .subtract
            left = try BinaryExpression(sign, left, try concatenation(), line: token.line).measured()
        }
        return left
    }

    private mutating func concatenation() throws -> Expression {
        let line = line
        var parts = [try product()]
        while skip(sign: "~") { parts.append(try product()) }
        return parts.count == 1 ? parts[0] : try ConcatenateExpression(parts, line: line).measured()
    }

    private mutating func product() throws -> Expression {
        var left = try power()
        while case .sign(let text) = current.kind, let sign = BinaryOperator(rawValue: text),
            [.multiply, .divide, .floorDivide, .modulo].contains(sign)
        {
            let line = next().line
            left = try BinaryExpression(sign, left, try power(), line: line).measured()
        }
        return left
    }

    private mutating func power() throws -> Expression {
        var left = try unary()
        while current.isSign("**") {
            let line = next().line
            left = try BinaryExpression(.power, left, try unary(), line: line).measured()
        }
        return left
    }

    private mutating func unary(withFilters: Bool = true) throws -> Expression {
        let line = line
        var node: Expression
        if current.isSign("-") || current.isSign("+") {
            let isNegative = next().isSign("-")
            let operand = try deeper { try $0.unary(withFilters: false) }
            node = try SignExpression(isNegative: isNegative, operand, line: line).measured()
        } else {
            node = try primary()
        }
        node = try postfix(node)
        return withFilters ? try filtersAndTests(node) : node
    }

    private mutating func primary() throws -> Expression {
        let token = current
        switch token.kind {
        case .name(let name):
            next()
            switch name {
            case "true", "True": return Constant(.bool(true), line: token.line)
            case "false", "False": return Constant(.bool(false), line: token.line)
            case "none", "None": return Constant(.none, line: token.line)
            default: return NameExpression(name, line: token.line)
            }
        case .string:
            var bytes: [UInt8] = []
            while case .string(let part) = current.kind {
                bytes += part
                next()
            }
            return Constant(.string(Text(bytes, count: scalarCount(bytes))), line: token.line)
        case .integer(let value):
            next()
            return Constant(.integer(value), line: token.line)
        case .float(let value):
            next()
            return Constant(.float(value), line: token.line)
        case .sign("("):
            next()
            let node = try deeper { try $0.tuple(isInParentheses: true) }
            try expect(sign: ")")
            return node
        case .sign("["):
            next()
            var items: [Expression] = []
            while !current.isSign("]") {
                if !items.isEmpty { try expect(sign: ",") }
                if current.isSign("]") { break }
                items.append(try expression())
            }
            try expect(sign: "]")
            return try SequenceLiteral(items, isTuple: false, line: token.line).measured()
        case .sign("{"):
            next()
            var pairs: [(key: Expression, value: Expression)] = []
            while !current.isSign("}") {
                if !pairs.isEmpty { try expect(sign: ",") }
                if current.isSign("}") { break }
                let key = try expression()
                try expect(sign: ":")
                pairs.append((key, try expression()))
            }
            try expect(sign: "}")
            return try DictionaryLiteral(pairs, line: token.line).measured()
        default:
            throw unexpected("an expression")
        }
    }

    /// `.name`, `[key]` and `(arguments)` after an expression.
    private mutating func postfix(_ node: Expression) throws -> Expression {
        var node = node
        while true {
            if current.isSign(".") || current.isSign("[") {
                node = try member(node)
            } else if current.isSign("(") {
                let line = line
                node = try CallExpression(node, try arguments(), line: line).measured()
            } else {
                return node
            }
        }
    }

    private mutating func filtersAndTests(_ node: Expression) throws -> Expression {
        var node = node
        while true {
            if current.isSign("|") {
                node = try filters(node, isInline: false) ?? node
            } else if current.name == "is" {
                node = try test(node)
            } else if current.isSign("(") {
                let line = line
                node = try CallExpression(node, try arguments(), line: line).measured()
            } else {
                return node
            }
        }
    }

    private mutating func member(_ node: Expression) throws -> Expression {
        let token = next()
        if token.isSign(".") {
            switch current.kind {
            case .name(let name):
                next()
                return try AttributeExpression(node, name, line: token.line).measured()
            case .integer(let place):
                next()
                return try ItemExpression(node, Constant(.integer(place), line: token.line), line: token.line)
                    .measured()
            default: throw unexpected("a name or number")
            }
        }
        var keys: [Expression] = []
        while !current.isSign("]") {
            if !keys.isEmpty { try expect(sign: ",") }
            if let slice = try slice(node, token.line) {
                guard keys.isEmpty, current.isSign("]") else { throw unexpected("]") }
                next()
                return slice
            }
            keys.append(try expression())
            if current.isSign(":") {
                guard keys.count == 1 else { throw unexpected("]") }
                let slice = try sliceRest(node, keys[0], token.line)
                try expect(sign: "]")
                return slice
            }
        }
        try expect(sign: "]")
        let key =
            keys.count == 1 ? keys[0] : try SequenceLiteral(keys, isTuple: true, line: token.line).measured()
        return try ItemExpression(node, key, line: token.line).measured()
    }

    private mutating func slice(_ node: Expression, _ line: Int) throws -> Expression? {
        guard current.isSign(":") else { return nil }
        return try sliceRest(node, nil, line)
    }

    /// `:stop:step`
    private mutating func sliceRest(_ node: Expression, _ start: Expression?, _ line: Int) throws -> Expression {
        try expect(sign: ":")
        func bound(_ parser: inout Parser) throws -> Expression? {
            if parser.current.isSign(":") || parser.current.isSign("]") || parser.current.isSign(",") { return nil }
            return try parser.expression()
        }
        let stop = try bound(&self)
        let step = skip(sign: ":") ? try bound(&self) : nil
        return try SliceExpression(node, start, stop, step, line: line).measured()
    }

    /// `(a, name=b, *more, **named)`
    mutating func arguments() throws -> ArgumentList {
        let line = line
        var list = ArgumentList()
        try expect(sign: "(")
        func check(_ isFine: Bool) throws {
            if !isFine { throw syntaxFailure("the arguments of a call are out of order", line: line) }
        }
        var isFirst = true
        while !current.isSign(")") {
            if !isFirst {
                try expect(sign: ",")
                if current.isSign(")") { break }
            }
            isFirst = false
            if skip(sign: "*") {
                try check(list.more == nil && list.moreKeywords == nil)
                list.more = try expression()
            } else if skip(sign: "**") {
                try check(list.moreKeywords == nil)
                list.moreKeywords = try expression()
            } else if let name = current.name, following.isSign("=") {
                try check(list.moreKeywords == nil)
                next()
                next()
                if list.keywords.contains(where: { $0.name == name }) {
                    throw syntaxFailure("a call names the parameter \(quoted(name)) twice", line: line)
                }
                list.keywords.append((name, try expression()))
            } else {
                try check(list.more == nil && list.moreKeywords == nil && list.keywords.isEmpty)
                list.positional.append(try expression())
            }
        }
        try expect(sign: ")")
        return list
    }

    /// `|name(…)|name …`; `isInline` leaves out the first `|`.
    mutating func filters(_ node: Expression?, isInline: Bool) throws -> FilterExpression? {
        var operand = node
        var last: FilterExpression?
        var isInline = isInline
        while isInline || current.isSign("|") {
            if !isInline { next() }
            isInline = false
            let line = line
            let name = try dottedName()
            let list = current.isSign("(") ? try arguments() : ArgumentList()
            let filter = try FilterExpression(operand, name, list, line: line).measured()
            last = filter
            operand = filter
        }
        return last
    }

    private mutating func dottedName() throws -> String {
        var name = try expectName()
        while skip(sign: ".") { name += "." + (try expectName()) }
        return name
    }

    private mutating func test(_ node: Expression) throws -> Expression {
        let line = next().line
        let isNegated = skip(name: "not")
        let name = try dottedName()
        var list = ArgumentList()
        if current.isSign("(") {
            list = try arguments()
        } else if takesArgument {
            if current.name == "is" { throw syntaxFailure("tests cannot follow each other with `is`", line: line) }
            list.positional = [try postfix(try primary())]
        }
        let test = try TestExpression(node, name, list, line: line).measured()
        return isNegated ? try NotExpression(test, line: line).measured() : test
    }

    /// Whether the token after a test's name is its argument.
    private var takesArgument: Bool {
        switch current.kind {
        case .name(let name): !["else", "or", "and"].contains(name)
        case .string, .integer, .float, .sign("["), .sign("{"): true
        default: false
        }
    }
}
