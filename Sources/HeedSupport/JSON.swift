/// A JSON value (RFC 8259).
///
/// A number without fraction and exponent that fits `Int` is `integer`, every other number is `number`.
public enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSON])
    case object(JSONObject)

    /// What to do when an object names a member twice.
    public enum DuplicateKeys: Sendable {
        /// The last value counts, in the place of the first, as Python reads it.
        case keepLast
        /// The file is refused.
        case refuse
    }
}

extension JSON {
    /// Parses JSON text in UTF-8.
    ///
    /// - `place`: the file or line to name in errors.
    /// - `maximumDepth`: how deep arrays and objects may nest.
    /// - Throws: `HeedError` of kind `badInput` with line and column.
    /// Cost: one pass, then one per value.
    public static func parse(
        _ bytes: [UInt8], in place: String? = nil, maximumDepth: Int = 512, duplicateKeys: DuplicateKeys = .keepLast
    ) throws -> JSON {
        let document = try JSONDocument(bytes, in: place, maximumDepth: maximumDepth)
        return try document.value(duplicateKeys: duplicateKeys)
    }

    /// Parses JSON text in UTF-8 from memory that the caller keeps alive during the call.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, in place: String? = nil, maximumDepth: Int = 512,
        duplicateKeys: DuplicateKeys = .keepLast
    ) throws -> JSON {
        try parse([UInt8](bytes), in: place, maximumDepth: maximumDepth, duplicateKeys: duplicateKeys)
    }

    /// Parses JSON text.
    public static func parse(
        _ text: String, in place: String? = nil, maximumDepth: Int = 512, duplicateKeys: DuplicateKeys = .keepLast
    ) throws -> JSON {
        try parse([UInt8](text.utf8), in: place, maximumDepth: maximumDepth, duplicateKeys: duplicateKeys)
    }

    /// Reads and parses a file; errors name it.
    public static func load(path: String, maximumDepth: Int = 512, duplicateKeys: DuplicateKeys = .keepLast) throws
        -> JSON
    {
        try parse(try readFile(path), in: path, maximumDepth: maximumDepth, duplicateKeys: duplicateKeys)
    }
}

extension JSON {
    /// The string, or nil for any other kind.
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }

    /// The truth value, or nil for any other kind.
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The integer, also from a number that is whole and exact (`2.0`), or nil.
    public var intValue: Int? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }

    /// The number, or nil for any other kind.
    public var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// The elements, or nil for any other kind.
    public var arrayValue: [JSON]? { if case .array(let value) = self { value } else { nil } }

    /// The members, or nil for any other kind.
    public var objectValue: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// Whether the value is null.
    public var isNull: Bool { self == .null }

    /// The member of that name, or nil where this is no object or has none.
    public subscript(key: String) -> JSON? { objectValue?[key] }

    /// The element at that place, or nil where this is no array or is shorter.
    public subscript(index: Int) -> JSON? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The kind of value in words, for messages: `a string`, `an array of 3`.
    public var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "a truth value"
        case .integer: "an integer"
        case .number: "a number"
        case .string: "a string"
        case .array(let elements): "an array of \(elements.count)"
        case .object(let members): "an object of \(members.count)"
        }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(nilLiteral: ()) { self = .null }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) {
        var object = JSONObject()
        for (key, value) in elements { object[key] = value }
        self = .object(object)
    }
}
