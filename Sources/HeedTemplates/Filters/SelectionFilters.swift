import HeedSupport

extension Filters {
    /// Filters that use other filters and tests on each element.
    static let selection: [String: Method] = [
        "map": { renderer, value, arguments in
            var transform: ((Renderer, Value) throws -> Value)?
            return try lazily(value) { renderer, element in
                // Stored once: storing what was read would wrap the function anew each time.
                if transform == nil { transform = try mapping(arguments, renderer) }
                return try transform?(renderer, element)
            }
        },
        "select": { try selecting($1, $2, wanted: true, byAttribute: false) },
        "reject": { try selecting($1, $2, wanted: false, byAttribute: false) },
        "selectattr": { try selecting($1, $2, wanted: true, byAttribute: true) },
        "rejectattr": { try selecting($1, $2, wanted: false, byAttribute: true) },
        "attr": { renderer, value, arguments in
            let name = try arguments.bind("attr", ["name"], required: 1)[0].or(.none)
            let text = try renderer.text(name, "the name of an attribute")
            // Unlike `value.name`, an item of that name does not count.
            switch value {
            case .dictionary where renderer.method(of: value, text.string) == nil,
                .object(_ as LoopObject) where text.string.isEmpty:
                return .undefined(Undefined(owner: value, key: name))
            case .undefined(let undefined): throw undefined.failure
            default: return try renderer.attribute(value, name, text.string)
            }
        },
    ]

    /// A generator of what `transform` makes of the elements; nil elements are left out.
    private static func lazily(
        _ value: Value, _ transform: @escaping (Renderer, Value) throws -> Value?
    ) throws -> Value {
        var iterator: (any ValueIterator)?
        return .object(
            try GeneratorObject(over: value) { renderer in
                if iterator == nil {
                    guard try renderer.isTrue(value) else { return nil }
                    iterator = try renderer.iterate(value)
                }
                while let element = try iterator?.next(renderer) {
                    try renderer.meter.work()
                    if let result = try transform(renderer, element) { return result }
                }
                return nil
            })
    }

    private static func mapping(
        _ arguments: Arguments, _ renderer: Renderer
    ) throws -> (Renderer, Value) throws -> Value {
        guard let name = arguments.positional.first else {
            var keywords = arguments.keywords
            guard let place = keywords.firstIndex(where: { $0.name == "attribute" }) else {
                throw HeedError(.badInput, "map needs the name of a filter or an attribute")
            }
            let path = try Path(keywords.remove(at: place).value, renderer)
            let standard = keywords.firstIndex { $0.name == "default" }.map { keywords.remove(at: $0).value }
            if let other = keywords.first {
                throw HeedError(.badInput, "map has no parameter \(quoted(other.name)) beside attribute")
            }
            return { try path.value(of: $1, standard: standard, $0) }
        }
        let rest = Arguments(positional: Array(arguments.positional.dropFirst()), keywords: arguments.keywords)
        if case .undefined(let undefined) = name { throw undefined.failure }
        guard case .string(let text) = name, let filter = all[text.string] else {
            throw unknownName("filter", try renderer.plainText(name).string, Array(all.keys))
        }
        return { renderer, element in try renderer.deeper { try filter(renderer, element, rest) } }
    }

    private static func selecting(
        _ value: Value, _ arguments: Arguments, wanted: Bool, byAttribute: Bool
    ) throws -> Value {
        var prepared: ((Renderer, Value) throws -> Bool)?
        return try lazily(value) { renderer, element in
            if prepared == nil { prepared = try condition(arguments, byAttribute: byAttribute, renderer) }
            return try prepared?(renderer, element) == wanted ? element : nil
        }
    }

    private static func condition(
        _ arguments: Arguments, byAttribute: Bool, _ renderer: Renderer
    ) throws -> (Renderer, Value) throws -> Bool {
        var rest = arguments
        var path: Path?
        if byAttribute {
            guard let attribute = rest.positional.first else {
                throw HeedError(.badInput, "the name of an attribute is missing")
            }
            path = try Path(attribute, renderer)
            rest.positional.removeFirst()
        }
        guard let name = rest.positional.first else {
            return { renderer, element in try renderer.isTrue(try path?.value(of: element, renderer) ?? element) }
        }
        rest.positional.removeFirst()
        if case .undefined(let undefined) = name { throw undefined.failure }
        guard case .string(let text) = name, let test = ValueTests.all[text.string] else {
            throw unknownName("test", try renderer.plainText(name).string, Array(ValueTests.all.keys))
        }
        return { renderer, element in try test(renderer, try path?.value(of: element, renderer) ?? element, rest) }
    }
}
