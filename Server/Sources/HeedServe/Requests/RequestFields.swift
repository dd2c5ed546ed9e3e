import Heed

/// The members of a request's body, read by name and kind; errors name the member.
struct RequestFields {
    let object: JSONObject
    /// The name of the object in the request, `stream_options.` for one inside of another.
    private let prefix: String

    /// Reads a body.
    ///
    /// - Throws: `APIError` (400) where it is no JSON object.
    init(body: [UInt8]) throws {
        let json = try JSON.parse(body, in: "body", maximumDepth: 64)
        guard let object = json.objectValue else {
            throw APIError(400, "The body must be a JSON object, not \(json.kindName).")
        }
        self.init(object)
    }

    init(_ object: JSONObject, prefix: String = "") {
        self.object = object
        self.prefix = prefix
    }

    /// Refuses members that nobody knows, as OpenAI does: a misspelled name would else change nothing, silently.
    func refuseUnknown(_ known: Set<String>) throws {
        for key in object.keys where !known.contains(key) {
            let name = prefix + key.prefix(100)
            throw APIError(
                400, "Unrecognized request argument supplied: \(name)", param: name, code: "unknown_parameter")
        }
    }

    /// A member that is there and not null.
    subscript(name: String) -> JSON? {
        guard let value = object[name], !value.isNull else { return nil }
        return value
    }

    func has(_ name: String) -> Bool { self[name] != nil }

    func wrong(_ name: String, _ expected: String, _ got: JSON? = nil) -> APIError {
        let found: String
        switch got ?? self[name] {
        case .integer(let value)?: found = "\(value)"
        case .number(let value)?: found = "\(value)"
        case let other?: found = other.kindName
        case nil: found = "nothing"
        }
        return APIError.wrong(prefix + name, expected, got: found)
    }

    func string(_ name: String) throws -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.stringValue else { throw wrong(name, "a string") }
        return text
    }

    func bool(_ name: String) throws -> Bool? {
        guard let value = self[name] else { return nil }
        guard let bool = value.boolValue else { throw wrong(name, "a boolean") }
        return bool
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let value = self[name] else { return nil }
        guard let number = value.intValue, range.contains(number) else {
            let bound =
                range.upperBound == .max
                ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
            throw wrong(name, "an integer \(bound)")
        }
        return number
    }

    func number(_ name: String, in range: ClosedRange<Double>) throws -> Double? {
        guard let value = self[name] else { return nil }
        guard let number = value.doubleValue, range.contains(number) else {
            throw wrong(name, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func object(_ name: String) throws -> RequestFields? {
        guard let value = self[name] else { return nil }
        guard let object = value.objectValue else { throw wrong(name, "an object") }
        return RequestFields(object, prefix: prefix + name + ".")
    }

    /// A string, or a list of strings.
    func strings(_ name: String, atMost limit: Int) throws -> [String] {
        guard let value = self[name] else { return [] }
        if let text = value.stringValue { return [text] }
        guard let list = value.arrayValue, list.count <= limit else {
            throw wrong(name, "a string, or a list of at most \(limit) strings")
        }
        return try list.map { entry in
            guard let text = entry.stringValue else { throw wrong(name, "a list of strings", entry) }
            return text
        }
    }

    /// A list of ids.
    static func ids(_ list: [JSON]) -> [Int32]? {
        var ids: [Int32] = []
        ids.reserveCapacity(list.count)
        for entry in list {
            guard let id = entry.intValue.flatMap({ Int32(exactly: $0) }) else { return nil }
            ids.append(id)
        }
        return ids
    }
}
