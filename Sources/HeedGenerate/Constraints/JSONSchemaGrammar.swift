import HeedSupport

/// JSON schemas as grammars.
///
/// Known are `type` (one or several), `properties`, `required`, `additionalProperties`, `items`, `prefixItems`,
/// `minItems`, `maxItems`, `minLength`, `maxLength`, `pattern`, `format` (`date`, `time`, `date-time`, `uuid`),
/// `minimum` and `maximum` (and exclusive ones) of integers, `enum`, `const`, `anyOf`, `oneOf` (as `anyOf`), `allOf` of
/// objects, and `$ref` within the document. Members come in the order of the schema, others behind them. What describes
/// only (`title`, `description`, …) is passed over; any other key is refused by name, because a text that breaks it
/// would come out.
struct JSONSchemaGrammar {
    private let document: JSON
    private var grammar = Grammar(.empty)
    /// Rules of `$ref`s and of any value, by name.
    private var numbers: [String: Int] = [:]
    private var depth = 0

    private static let deepest = 128

    /// The grammar of the texts that a schema describes.
    static func grammar(_ schema: JSON) throws -> Grammar {
        var compiler = JSONSchemaGrammar(document: schema)
        compiler.grammar.rules[0] = try compiler.value(schema, "#")
        return compiler.grammar
    }

    private init(document: JSON) { self.document = document }

    // MARK: - Schemas

    private static let describing: Set = [
        "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$schema",
        "$id", "$comment", "$defs", "definitions", "$anchor", "strict", "name",
    ]

    private mutating func value(_ schema: JSON, _ place: String) throws -> GrammarExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth < JSONSchemaGrammar.deepest else { throw wrong("the schema is nested too deeply", place) }
        if schema.boolValue == true { return anyValue() }
        guard let object = schema.objectValue else {
            throw wrong("a schema is of the wrong kind", place, expected: "an object or true", got: schema.kindName)
        }
        if let reference = object["$ref"] { return try self.reference(reference, object, place) }
        if let constant = object["const"] {
            try check(object, ["const", "type"], place)
            return .text(constant.serialised())
        }
        if let choices = object["enum"] {
            try check(object, ["enum", "type"], place)
            guard let choices = choices.arrayValue, !choices.isEmpty else {
                throw wrong("enum holds no values", place, expected: "a list of values")
            }
            return .choice(choices.map { .text($0.serialised()) })
        }
        for key in ["anyOf", "oneOf"] {
            guard let parts = object[key] else { continue }
            try check(object, [key], place)
            guard let parts = parts.arrayValue, !parts.isEmpty else {
                throw wrong("\(key) holds no schemas", place, expected: "a list of schemas")
            }
            return .choice(try parts.enumerated().map { try value($1, "\(place)/\(key)/\($0)") })
        }
        if let parts = object["allOf"] {
            try check(object, ["allOf", "type", "properties", "required", "additionalProperties"], place)
            return try self.object(merged(parts, object, place), place)
        }
        return try typed(object, place)
    }

    private mutating func typed(_ object: JSONObject, _ place: String) throws -> GrammarExpression {
        guard let type = object["type"] else {
            if object["properties"] != nil || object["required"] != nil || object["additionalProperties"] != nil {
                return try self.object(object, place)
            }
            if object["items"] != nil || object["prefixItems"] != nil { return try array(object, place) }
            if object["pattern"] != nil || object["format"] != nil || object["minLength"] != nil {
                return try string(object, place)
            }
            try check(object, [], place)
            return anyValue()
        }
        if let types = type.arrayValue {
            return .choice(
                try types.map { one in
                    var single = object
                    single["type"] = one
                    // Each kind has keys of its own.
                    for key in object.keys where !isFor(one.stringValue ?? "", key) { single[key] = nil }
                    return try typed(single, place)
                })
        }
        switch type.stringValue {
        case "object": return try self.object(object, place)
        case "array": return try array(object, place)
        case "string": return try string(object, place)
        case "integer": return try integer(object, place)
        case "number":
            try check(object, ["type"], place)
            return JSONGrammar.number
        case "boolean":
            try check(object, ["type"], place)
            return .choice([.text("true"), .text("false")])
        case "null":
            try check(object, ["type"], place)
            return .text("null")
        default:
            throw wrong(
                "the type is not known", place, expected: "object, array, string, integer, number, boolean or null",
                got: type.serialised())
        }
    }

    private static let keysOfKinds: [String: Set<String>] = [
        "object": ["properties", "required", "additionalProperties"],
        "array": ["items", "prefixItems", "minItems", "maxItems"],
        "string": ["minLength", "maxLength", "pattern", "format"],
        "integer": ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
    ]

    private func isFor(_ type: String, _ key: String) -> Bool {
        if JSONSchemaGrammar.keysOfKinds[type]?.contains(key) ?? false { return true }
        return !JSONSchemaGrammar.keysOfKinds.values.contains { $0.contains(key) }
    }

    /// Refuses keys that would say more than the grammar does.
    private func check(_ object: JSONObject, _ known: Set<String>, _ place: String) throws {
        for key in object.keys where !known.contains(key) && !JSONSchemaGrammar.describing.contains(key) {
            throw HeedError(
                .unsupported, "the key \(quoted(key)) of a schema is not supported here", in: "schema \(place)",
                advice: nearest(key, among: Array(known)).map { "The nearest that is: \($0)" })
        }
    }

    private func wrong(_ what: String, _ place: String, expected: String? = nil, got: String? = nil) -> HeedError {
        HeedError(.badInput, what, in: "schema \(place)", expected: expected, got: got)
    }

    // MARK: - References

    private mutating func reference(
        _ reference: JSON, _ object: JSONObject, _ place: String
    ) throws -> GrammarExpression {
        try check(object, ["$ref"], place)
        guard let text = reference.stringValue, text.hasPrefix("#") else {
            throw wrong(
                "a reference leads out of the schema", place, expected: "#/…", got: reference.serialised())
        }
        if let there = numbers[text] { return .rule(there) }
        let rule = grammar.add(text)
        numbers[text] = rule
        var target = document
        for part in text.dropFirst().split(separator: "/") {
            let name = String(part).replacing("~1", with: "/").replacing("~0", with: "~")
            guard let next = target[name] ?? Int(name).flatMap({ target[$0] }) else {
                throw wrong("a reference leads nowhere", place, got: quoted(text))
            }
            target = next
        }
        grammar.rules[rule] = try value(target, text)
        return .rule(rule)
    }

    /// Objects all of which hold, as one.
    private func merged(_ parts: JSON, _ object: JSONObject, _ place: String) throws -> JSONObject {
        var result = object
        result["allOf"] = nil
        var properties = object["properties"]?.objectValue ?? JSONObject()
        var required = object["required"]?.arrayValue ?? []
        for (number, part) in (parts.arrayValue ?? []).enumerated() {
            let place = "\(place)/allOf/\(number)"
            guard var part = part.objectValue else { throw wrong("a schema is of the wrong kind", place) }
            if let text = part["$ref"]?.stringValue, text.hasPrefix("#") {
                var target = document
                for name in text.dropFirst().split(separator: "/") { target = target[String(name)] ?? .null }
                guard let there = target.objectValue else { throw wrong("a reference leads nowhere", place) }
                part = there
            }
            try check(part, ["type", "properties", "required", "additionalProperties"], place)
            for (name, schema) in part["properties"]?.objectValue ?? JSONObject() { properties[name] = schema }
            required += part["required"]?.arrayValue ?? []
            if let more = part["additionalProperties"] { result["additionalProperties"] = more }
        }
        result["type"] = "object"
        result["properties"] = .object(properties)
        result["required"] = .array(required)
        return result
    }

    // MARK: - Kinds

    /// A rule for any JSON value.
    private mutating func anyValue() -> GrammarExpression {
        if let there = numbers["any value"] { return .rule(there) }
        let rule = grammar.add("any value")
        numbers["any value"] = rule
        let member: GrammarExpression = .sequence([
            JSONGrammar.string(), JSONGrammar.space, .text(":"), JSONGrammar.space, .rule(rule),
        ])
        grammar.rules[rule] = .choice([
            JSONGrammar.list("{", "}", of: member), JSONGrammar.list("[", "]", of: .rule(rule)),
            JSONGrammar.string(), JSONGrammar.number, .text("true"), .text("false"), .text("null"),
        ])
        return .rule(rule)
    }

    private mutating func object(_ object: JSONObject, _ place: String) throws -> GrammarExpression {
        try check(object, ["type", "properties", "required", "additionalProperties"], place)
        let properties = object["properties"]?.objectValue ?? JSONObject()
        var required: [String] = []
        for name in object["required"]?.arrayValue ?? [] {
            guard let name = name.stringValue else { throw wrong("required holds no names", place) }
            required.append(name)
        }
        func member(_ name: String, _ value: GrammarExpression) -> GrammarExpression {
            .sequence([
                .text(JSON.string(name).serialised()), JSONGrammar.space, .text(":"), JSONGrammar.space, value,
            ])
        }
        var members: [(expression: GrammarExpression, isRequired: Bool)] = []
        for (name, schema) in properties {
            members.append(
                (member(name, try value(schema, "\(place)/properties/\(name)")), required.contains(name)))
        }
        var others: GrammarExpression?
        if object["additionalProperties"]?.boolValue != false,
            properties.isEmpty || object["additionalProperties"] != nil
        {
            let schema = object["additionalProperties"] ?? true
            others = .sequence([
                JSONGrammar.string(), JSONGrammar.space, .text(":"), JSONGrammar.space,
                try value(schema, "\(place)/additionalProperties"),
            ])
        }
        for name in required where properties[name] == nil {
            let schema = object["additionalProperties"] ?? true
            guard schema.boolValue != false else {
                throw wrong("a member is required that may not be there", place, got: quoted(name))
            }
            members.append((member(name, try value(schema, "\(place)/additionalProperties")), true))
        }
        return .sequence([.text("{"), JSONGrammar.space, listed(members[...], others), .text("}")])
    }

    /// Members in their order, those that are not required or not; commas stand between those that are there.
    private mutating func listed(
        _ members: ArraySlice<(expression: GrammarExpression, isRequired: Bool)>, _ others: GrammarExpression?
    ) -> GrammarExpression {
        // Two rules for each place: whether something stands before it.
        let comma: GrammarExpression = .sequence([.text(","), JSONGrammar.space])
        var behind: GrammarExpression = .empty
        var first: GrammarExpression = .empty
        if let others {
            let more: GrammarExpression = .sequence([comma, others, JSONGrammar.space])
            behind = .repeated(more, least: 0, most: nil)
            first = .optional(.sequence([others, JSONGrammar.space, behind]))
        }
        for member in members.reversed() {
            let (rest, start) = (rule("members", behind), rule("members", first))
            let here: GrammarExpression = .sequence([member.expression, JSONGrammar.space, rest])
            first = member.isRequired ? here : .choice([here, start])
            behind = member.isRequired ? .sequence([comma, here]) : .choice([.sequence([comma, here]), rest])
        }
        return first
    }

    private mutating func rule(_ name: String, _ expression: GrammarExpression) -> GrammarExpression {
        if case .empty = expression { return .empty }
        let number = grammar.add(name)
        grammar.rules[number] = expression
        return .rule(number)
    }

    private func count(_ object: JSONObject, _ key: String, _ place: String) throws -> Int? {
        guard let value = object[key] else { return nil }
        guard let count = value.intValue, (0...100_000).contains(count) else {
            throw wrong("\(key) makes no sense", place, expected: "0 to 100,000", got: value.serialised())
        }
        return count
    }

    private func bounds(
        _ object: JSONObject, _ least: String, _ most: String, _ place: String
    ) throws -> (least: Int, most: Int?) {
        let (low, high) = (try count(object, least, place) ?? 0, try count(object, most, place))
        guard high ?? low >= low else { throw wrong("\(most) is below \(least)", place) }
        return (low, high)
    }

    private mutating func array(_ object: JSONObject, _ place: String) throws -> GrammarExpression {
        try check(object, ["type", "items", "prefixItems", "minItems", "maxItems"], place)
        let bounds = try bounds(object, "minItems", "maxItems", place)
        let first = try (object["prefixItems"]?.arrayValue ?? []).enumerated()
            .map { try value($1, "\(place)/prefixItems/\($0)") }
        if first.isEmpty {
            let item = try value(object["items"] ?? true, "\(place)/items")
            return JSONGrammar.list("[", "]", of: rule("item", item), least: bounds.least, most: bounds.most)
        }
        // All of the first ones, then others where they are allowed.
        var parts: [GrammarExpression] = [.text("["), JSONGrammar.space]
        for (number, item) in first.enumerated() {
            if number > 0 { parts += [.text(","), JSONGrammar.space] }
            parts += [item, JSONGrammar.space]
        }
        if let items = object["items"], items.boolValue != false {
            let item = try value(items, "\(place)/items")
            parts.append(
                .repeated(
                    .sequence([.text(","), JSONGrammar.space, item, JSONGrammar.space]),
                    least: max(0, bounds.least - first.count), most: bounds.most.map { max(0, $0 - first.count) }))
        }
        return .sequence(parts + [.text("]")])
    }

    private func string(_ object: JSONObject, _ place: String) throws -> GrammarExpression {
        try check(object, ["type", "minLength", "maxLength", "pattern", "format"], place)
        let bounds = try bounds(object, "minLength", "maxLength", place)
        let quote: GrammarExpression = .text("\"")
        if let pattern = object["pattern"] {
            guard let text = pattern.stringValue, object["minLength"] == nil, object["maxLength"] == nil else {
                throw wrong("pattern is no text, or stands beside a length", place)
            }
            // A pattern may stand anywhere in the text, unless it says that it does not.
            let any: GrammarExpression = .repeated(JSONGrammar.character, least: 0, most: nil)
            let expression = try RegularExpressionGrammar.expression(text).escapedForJSON()
            return .sequence([
                quote, text.hasPrefix("^") ? .empty : any, expression, text.hasSuffix("$") ? .empty : any, quote,
            ])
        }
        guard let format = object["format"]?.stringValue else {
            return JSONGrammar.string(least: bounds.least, most: bounds.most)
        }
        guard let pattern = JSONSchemaGrammar.formats[format] else {
            throw HeedError(
                .unsupported, "the format \(quoted(format)) is not supported", in: "schema \(place)",
                expected: JSONSchemaGrammar.formats.keys.sorted().joined(separator: ", "))
        }
        return .sequence([quote, try RegularExpressionGrammar.expression(pattern), quote])
    }

    private static let date = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    private static let time =
        "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    private static let formats = [
        "date": date, "time": time, "date-time": "\(date)T\(time)",
        "uuid": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    ]

    private func integer(_ object: JSONObject, _ place: String) throws -> GrammarExpression {
        try check(object, ["type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], place)
        func bound(_ key: String, _ exclusive: String, _ step: Int) throws -> Int? {
            if let value = object[exclusive] {
                guard let number = value.intValue, abs(number) < 1 << 53 else {
                    throw wrong("\(exclusive) is no integer", place, got: value.serialised())
                }
                return number + step
            }
            guard let value = object[key] else { return nil }
            guard let number = value.intValue, abs(number) < 1 << 53 else {
                throw wrong("\(key) is no integer", place, got: value.serialised())
            }
            return number
        }
        let low = try bound("minimum", "exclusiveMinimum", 1)
        let high = try bound("maximum", "exclusiveMaximum", -1)
        guard low != nil || high != nil else { return JSONGrammar.integer }
        guard low ?? .min <= high ?? .max else { throw wrong("the minimum is above the maximum", place) }
        return IntegerRange.expression(low, high)
    }
}
