/// The named values at the start of a GGUF file, in the order of the file.
public struct GGUFMetadata: Sendable {
    /// The file to name in messages.
    public let place: String
    /// The names in order.
    public private(set) var keys: [String] = []
    private var values: [ExactText: GGUFValue] = [:]

    /// No values yet.
    public init(place: String = "memory") { self.place = place }

    /// How many values there are.
    public var count: Int { keys.count }

    /// The value of a name; setting a new name appends it, setting nil removes it.
    public subscript(key: String) -> GGUFValue? {
        get { values[ExactText(key)] }
        set {
            let isNew = values[ExactText(key)] == nil
            values[ExactText(key)] = newValue
            if newValue == nil {
                if !isNew { keys.removeAll { ExactText($0) == ExactText(key) } }
            } else if isNew {
                keys.append(key)
            }
        }
    }

    // MARK: Typed values

    /// A text, or nil where the key is absent.
    ///
    /// - Throws: `HeedError` naming file and key where it is of another type; so for all below.
    public func string(_ key: String) throws -> String? { try typed(key, "a text", \.string) }

    /// A truth value, or nil where the key is absent.
    public func bool(_ key: String) throws -> Bool? { try typed(key, "a truth value", \.bool) }

    /// A finite number, or nil where the key is absent.
    public func number(_ key: String) throws -> Double? {
        try typed(key, "a finite number") { value in value.number.flatMap { $0.isFinite ? $0 : nil } }
    }

    /// An integer of any width, or nil where the key is absent.
    public func integer(_ key: String, in range: ClosedRange<Int> = 0...Int(Int32.max)) throws -> Int? {
        try typed(key, "an integer from \(range.lowerBound) to \(range.upperBound)") { value in
            value.integer.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// Texts, or nil where the key is absent.
    public func strings(_ key: String) throws -> [String]? {
        guard let value = self[key] else { return nil }
        guard let texts = try value.array?.strings(in: "\(place), \(key)") else {
            throw wrong(key, "an array of texts")
        }
        return texts
    }

    /// The bytes of texts, which need not be UTF-8 (a vocabulary's pieces), or nil where the key is absent.
    public func byteStrings(_ key: String) throws -> [[UInt8]]? {
        try typed(key, "an array of texts") { $0.array?.byteStrings }
    }

    /// Calls `body` with the bytes of each of some texts, of none where the key is absent.
    public func forEachByteString(_ key: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard let value = self[key] else { return }
        guard try value.array?.forEachByteString(body) == true else { throw wrong(key, "an array of texts") }
    }

    /// Integers or truth values, or nil where the key is absent.
    public func integers(_ key: String) throws -> [Int]? {
        try typed(key, "an array of integers") { $0.array?.integers }
    }

    /// Numbers, or nil where the key is absent.
    public func numbers(_ key: String) throws -> [Double]? {
        try typed(key, "an array of numbers") { $0.array?.numbers }
    }

    /// What `value` gives for a key that must be there.
    public func required<Value>(_ key: String, _ value: (String) throws -> Value?) throws -> Value {
        guard let found = try value(key) else {
            let near = nearest(key, among: keys)
            throw HeedError(
                .missing, "the key \(quoted(key, limit: 200)) is missing", in: place,
                advice: near.map { "The nearest key there is \(quoted($0, limit: 200))" })
        }
        return found
    }

    private func typed<Value>(_ key: String, _ expected: String, _ value: (GGUFValue) -> Value?) throws -> Value? {
        guard let stored = self[key] else { return nil }
        guard let result = value(stored) else { throw wrong(key, expected) }
        return result
    }

    private func wrong(_ key: String, _ expected: String) -> HeedError {
        var got = self[key].map { "\($0.kind)" } ?? "nothing"
        if let array = self[key]?.array { got = "an array of \(array.count) \(array.kind)" }
        if let number = self[key]?.number { got = "\(number)" }
        return HeedError(
            .badInput, "the value of \(quoted(key, limit: 200)) cannot be used", in: place, expected: expected, got: got
        )
    }
}
