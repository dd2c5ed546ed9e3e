import HeedSupport

/// What `is` can ask.
enum ValueTests {
    typealias Test = @Sendable (Renderer, Value, Arguments) throws -> Bool

    static let all: [String: Test] = {
        var tests: [String: Test] = [:]
        func add(_ name: String, _ test: @escaping @Sendable (Renderer, Value) throws -> Bool) {
            tests[name] = { renderer, value, arguments in
                _ = try arguments.bind(name, [])
                return try test(renderer, value)
            }
        }
        func add(
            _ name: String, with parameter: String, _ test: @escaping @Sendable (Renderer, Value, Value) throws -> Bool
        ) {
            tests[name] = { renderer, value, arguments in
                try test(renderer, value, try arguments.bind(name, [parameter], required: 1)[0].or(.none))
            }
        }
        add("defined") { !$1.isUndefined }
        add("undefined") { $1.isUndefined }
        add("none") { $1.isNone }
        add("boolean") { if case .bool = $1 { true } else { false } }
        add("true") { if case .bool(true) = $1 { true } else { false } }
        add("false") { if case .bool(false) = $1 { true } else { false } }
        add("integer") { if case .integer = $1 { true } else { false } }
        add("float") { if case .float = $1 { true } else { false } }
        add("number") {
            switch $1 {
            case .bool, .integer, .float: true
            default: false
            }
        }
        add("string") { $1.text != nil }
        add("mapping") { if case .dictionary = $1 { true } else { false } }
        add("sequence") {
            switch $1 {
            case .string, .list, .tuple, .dictionary: true
            // Jinja asks for the attribute __getitem__, and what is undefined has it.
            case .undefined: true
            case .object(let object): object.isSequence
            default: false
            }
        }
        add("iterable") {
            switch $1 {
            case .string, .list, .tuple, .dictionary, .undefined: true
            case .object(let object): object.isIterable
            default: false
            }
        }
        add("callable") {
            switch $1 {
            case .object(let object): object.isCallable
            case .undefined: true
            default: false
            }
        }
        add("escaped") { $1.text?.isMarkup ?? false }
        add("lower") { isCased(try $0.plainText($1).scalars, isUpper: false) }
        add("upper") { isCased(try $0.plainText($1).scalars, isUpper: true) }
        add("odd") { try equal(try $0.apply(.modulo, $1, .integer(2)), .integer(1), $0.meter) }
        add("even") { try equal(try $0.apply(.modulo, $1, .integer(2)), .integer(0), $0.meter) }
        add("filter") { try known($1, Filters.all, $0) }
        add("test") { try known($1, all, $0) }
        add("divisibleby", with: "num") { try equal(try $0.apply(.modulo, $1, $2), .integer(0), $0.meter) }
        add("sameas", with: "other") { identical($1, $2) }
        add("in", with: "seq") { try $0.contains($2, $1) }
        for (names, comparison) in [
            (["==", "eq", "equalto"], Comparison.equal), (["!=", "ne"], .unequal),
            ([">", "gt", "greaterthan"], .greater),
            ([">=", "ge"], .greaterOrEqual), (["<", "lt", "lessthan"], .less), (["<=", "le"], .lessOrEqual),
        ] {
            for name in names {
                tests[name] = { renderer, value, arguments in
                    let other = try arguments.bind(name, ["other"], required: 1, positionalOnly: 1)[0].or(.none)
                    return try comparison.holds(value, other, renderer)
                }
            }
        }
        return tests
    }()

    private static func known<Function>(
        _ name: Value, _ names: [String: Function], _ renderer: Renderer
    ) throws -> Bool {
        _ = try hash(name, renderer.meter)
        return name.text.map { names[$0.string] != nil } ?? false
    }
}
