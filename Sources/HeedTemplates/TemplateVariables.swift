import HeedSupport

/// The variables that a template reads, by name.
public struct TemplateVariables: @unchecked Sendable {
    // Values of variables belong to no rendering and are never changed, so that threads may share them.
    private(set) var values: [String: Value] = [:]

    /// No variables.
    public init() {}

    /// Variables from the members of an object.
    /// - Throws: `HeedError` of kind `badInput` where a value nests deeper than 512 levels.
    public init(_ members: JSONObject) throws {
        for (name, value) in members { try set(name, to: value) }
    }

    /// Variables from JSON text that holds an object. Integers of up to 128 bits stay exact.
    ///
    /// - `place`: the file or line to name in errors.
    /// - Throws: `HeedError` of kind `badInput` where the text is no JSON or no object.
    public init(json bytes: [UInt8], in place: String? = nil) throws {
        let document = try JSONDocument(bytes, in: place)
        try document.read { root in
            guard root.kind == .object else {
                throw HeedError(
                    .badInput, "the variables of a template must be a JSON object", in: place,
                    expected: "{\"messages\": […], …}")
            }
            let meter = Meter(.unlimited)
            try root.forEachMember { name, value in
                values[String(decoding: name.text, as: UTF8.self)] = try Value(value, meter)
            }
        }
    }

    /// The names that have a value.
    public var names: [String] { values.keys.sorted() }

    /// Whether tools are given: what chooses a model's template for tools.
    public var hasTools: Bool { values["tools"].map { !$0.isNone } ?? false }

    /// Sets a variable.
    /// - Throws: `HeedError` of kind `badInput` where the value nests deeper than 512 levels.
    public mutating func set(_ name: String, to value: JSON) throws {
        values[name] = try Value(value, Meter(.unlimited), depth: 0)
    }

    /// Sets a variable where there is none of that name.
    public mutating func setDefault(_ name: String, to value: JSON) throws {
        if values[name] == nil { try set(name, to: value) }
    }
}

extension TemplateLimits {
    /// For values that the caller gives.
    fileprivate static let unlimited = TemplateLimits(steps: .max, calls: 1, outputBytes: .max, memoryBytes: .max)
}

extension Value {
    fileprivate init(_ json: JSON, _ meter: Meter, depth: Int) throws {
        if depth > TemplateLimits.valueDepth { throw nestedTooDeep() }
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .integer(Int128(value))
        case .number(let value): self = .float(value)
        case .string(let text): self = .string(text)
        case .array(let elements):
            self = .list(try ListObject(try elements.map { try Value($0, meter, depth: depth + 1) }))
        case .object(let members):
            let dictionary = DictionaryObject()
            for (key, value) in members {
                try dictionary.set(.string(key), to: try Value(value, meter, depth: depth + 1), meter)
            }
            self = .dictionary(dictionary)
        }
    }

    fileprivate init(_ view: JSONView, _ meter: Meter) throws {
        switch view.kind {
        case .null: self = .none
        case .bool: self = .bool(view.bool ?? false)
        case .integer: self = .integer(try Value.integer(view.text))
        case .number: self = .float(view.double ?? 0)
        case .string:
            let bytes = Array(view.text)
            self = .string(Text(bytes, count: scalarCount(bytes)))
        case .array:
            var elements: [Value] = []
            elements.reserveCapacity(view.count)
            try view.forEachElement { elements.append(try Value($0, meter)) }
            self = .list(try ListObject(elements))
        case .object:
            let dictionary = DictionaryObject()
            try view.forEachMember { key, value in
                let name = Array(key.text)
                try dictionary.set(
                    .string(Text(name, count: scalarCount(name))), to: try Value(value, meter), meter)
            }
            self = .dictionary(dictionary)
        }
    }

    private static func integer(_ digits: UnsafeBufferPointer<UInt8>) throws -> Int128 {
        guard let value = Int128(String(decoding: digits, as: UTF8.self)) else {
            throw HeedError(
                .badInput, "an integer is too large", expected: "at most 128 bits", got: "\(digits.count) digits")
        }
        return value
    }
}
