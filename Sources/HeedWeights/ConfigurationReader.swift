import HeedSupport
import Synchronization

/// Reads typed values from a `config.json` and says precisely what is wrong with one: file, key, expected, got.
///
/// Numbers are taken strictly: 48.5, 1e300 or "48" is no width, and nothing is rounded or cut to fit.
public struct ConfigurationReader: Sendable {
    /// The largest extent that a model may name: every product of two stays far from overflow.
    public static let largestExtent = 1 << 30

    /// The values.
    public let object: JSONObject
    /// The file to name in messages.
    public let file: String
    private let asked = AskedKeys()

    /// Reads a file.
    ///
    /// - Throws: `HeedError` naming the file where it is missing, no JSON or no object.
    public init(path: String) throws {
        try self.init(try JSON.load(path: path, maximumDepth: 64), file: path)
    }

    /// Takes values that are already parsed.
    public init(_ json: JSON, file: String) throws {
        guard let object = json.objectValue else {
            throw HeedError(
                .badInput, "the configuration is of the wrong kind", in: file, expected: "a JSON object",
                got: json.kindName)
        }
        self.object = object
        self.file = file
    }

    /// The value of `key`, whatever it is; nil where the key is absent.
    public func value(_ key: String) -> JSON? {
        asked.insert(key)
        return object[key]
    }

    /// Whether the key is there and not null.
    public func has(_ key: String) -> Bool { value(key).map { !$0.isNull } ?? false }

    /// The keys that are there, not null, and that nobody has asked for yet, in the order of the file.
    public var unasked: [String] { object.keys.filter { !asked.contains($0) && object[$0]?.isNull == false } }

    /// A reader of the object under `key`, or nil where the key is absent or null.
    ///
    /// - Throws: `HeedError` where the value is no object.
    public func optionalObject(_ key: String) throws -> ConfigurationReader? {
        guard let value = value(key), !value.isNull else { return nil }
        guard value.objectValue != nil else { throw wrong(key, expected: "an object", value) }
        return try ConfigurationReader(value, file: file)
    }

    // MARK: Integers

    /// An integer that must be there.
    public func integer(_ key: String, in range: ClosedRange<Int> = 1...largestExtent) throws -> Int {
        try checkedInteger(key, try required(key, "\(describe(range))"), range)
    }

    /// An integer, or `fallback` where the key is absent; null is refused.
    public func integer(_ key: String, in range: ClosedRange<Int> = 1...largestExtent, default fallback: Int) throws
        -> Int
    {
        guard let value = value(key) else { return fallback }
        return try checkedInteger(key, value, range)
    }

    /// An integer, or nil where the key is absent or null.
    public func optionalInteger(_ key: String, in range: ClosedRange<Int> = 1...largestExtent) throws -> Int? {
        guard let value = value(key), !value.isNull else { return nil }
        return try checkedInteger(key, value, range)
    }

    /// A list of integers, or a single one as a list of one; nil where the key is absent or null.
    public func optionalIntegers(_ key: String, in range: ClosedRange<Int>) throws -> [Int]? {
        guard let value = value(key), !value.isNull else { return nil }
        if let elements = value.arrayValue { return try elements.map { try checkedInteger(key, $0, range) } }
        return [try checkedInteger(key, value, range)]
    }

    // MARK: Numbers

    /// A finite number that must be there.
    public func double(_ key: String, in range: ClosedRange<Double>) throws -> Double {
        try checkedDouble(key, try required(key, describe(range)), range)
    }

    /// A finite number, or `fallback` where the key is absent; null is refused.
    public func double(_ key: String, in range: ClosedRange<Double>, default fallback: Double) throws -> Double {
        guard let value = value(key) else { return fallback }
        return try checkedDouble(key, value, range)
    }

    /// A finite number, or nil where the key is absent or null.
    public func optionalDouble(_ key: String, in range: ClosedRange<Double>) throws -> Double? {
        guard let value = value(key), !value.isNull else { return nil }
        return try checkedDouble(key, value, range)
    }

    // MARK: Texts and truth values

    /// A text that must be there.
    public func string(_ key: String) throws -> String {
        let value = try required(key, "a text")
        guard let text = value.stringValue else { throw wrong(key, expected: "a text", value) }
        return text
    }

    /// A text, or nil where the key is absent or null.
    public func optionalString(_ key: String) throws -> String? {
        guard let value = value(key), !value.isNull else { return nil }
        guard let text = value.stringValue else { throw wrong(key, expected: "a text", value) }
        return text
    }

    /// One of several named choices, or `fallback` where the key is absent; null is refused.
    ///
    /// Several names may mean the same choice, as `gelu_new` and `gelu_pytorch_tanh` do.
    public func choice<Choice>(
        _ key: String, _ choices: KeyValuePairs<String, Choice>, default fallback: Choice? = nil
    ) throws -> Choice {
        let names = choices.map { "\"\($0.key)\"" }.joined(separator: ", ")
        guard let value = value(key) else {
            if let fallback { return fallback }
            throw missing(key, "one of \(names)")
        }
        guard let text = value.stringValue, let found = choices.first(where: { $0.key == text }) else {
            let near = value.stringValue.flatMap { nearest($0, among: choices.map(\.key)) }
            throw HeedError(
                .badInput, "the value of \(key) is not known", in: file, expected: "one of \(names)", got: shown(value),
                advice: near.map { "The nearest is \"\($0)\"" })
        }
        return found.value
    }

    /// A truth value, or `fallback` where the key is absent or null.
    public func bool(_ key: String, default fallback: Bool) throws -> Bool {
        guard let value = value(key), !value.isNull else { return fallback }
        guard let truth = value.boolValue else { throw wrong(key, expected: "true or false", value) }
        return truth
    }

    /// A list of texts, empty where the key is absent or null.
    public func strings(_ key: String) throws -> [String] {
        guard let value = value(key), !value.isNull else { return [] }
        guard let elements = value.arrayValue else { throw wrong(key, expected: "a list of texts", value) }
        return try elements.map { element in
            guard let text = element.stringValue else { throw wrong(key, expected: "a list of texts", element) }
            return text
        }
    }

    // MARK: Relations

    /// An error for values that contradict each other or the files, naming the key.
    public func contradiction(_ key: String, _ what: String, expected: String? = nil, got: String? = nil) -> HeedError {
        HeedError(.badInput, "\(key) \(what)", in: file, expected: expected, got: got)
    }

    // MARK: Details

    private func required(_ key: String, _ expected: String) throws -> JSON {
        guard let value = value(key) else { throw missing(key, expected) }
        return value
    }

    private func missing(_ key: String, _ expected: String) -> HeedError {
        let near = nearest(key, among: object.keys)
        return HeedError(
            .missing, "the key \(key) is missing", in: file, expected: expected,
            advice: near.map { "The nearest key there is \($0)" })
    }

    private func checkedInteger(_ key: String, _ value: JSON, _ range: ClosedRange<Int>) throws -> Int {
        guard let number = value.intValue, range.contains(number) else {
            throw wrong(key, expected: describe(range), value)
        }
        return number
    }

    private func checkedDouble(_ key: String, _ value: JSON, _ range: ClosedRange<Double>) throws -> Double {
        guard let number = value.doubleValue, number.isFinite, range.contains(number) else {
            throw wrong(key, expected: describe(range), value)
        }
        return number
    }

    private func wrong(_ key: String, expected: String, _ value: JSON) -> HeedError {
        HeedError(.badInput, "the value of \(key) cannot be used", in: file, expected: expected, got: shown(value))
    }

    private func describe(_ range: ClosedRange<Int>) -> String {
        "an integer from \(range.lowerBound) to \(range.upperBound)"
    }

    private func describe(_ range: ClosedRange<Double>) -> String {
        if range.upperBound >= Double.greatestFiniteMagnitude { return "a number of at least \(range.lowerBound)" }
        return "a number from \(range.lowerBound) to \(range.upperBound)"
    }

    /// The value as it stands in the file, shortened.
    private func shown(_ value: JSON) -> String {
        switch value {
        case .string(let text): quoted(text)
        case .array, .object: value.kindName
        default: value.serialised()
        }
    }
}

/// The keys that a reader was asked for.
private final class AskedKeys: Sendable {
    private let keys = Mutex<Set<String>>([])
    func insert(_ key: String) { keys.withLock { _ = $0.insert(key) } }
    func contains(_ key: String) -> Bool { keys.withLock { $0.contains(key) } }
}
