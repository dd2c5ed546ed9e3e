/// The members of a JSON object in the order of the file, found by name in constant time.
public struct JSONObject: Sendable, Equatable, Sequence, ExpressibleByDictionaryLiteral {
    /// The names in order.
    public private(set) var keys: [String] = []
    /// The values, in the order of `keys`.
    public private(set) var values: [JSON] = []
    /// Positions by name; only built for objects of more than `linearLimit` members.
    private var positions: [ExactText: Int] = [:]
    private static let linearLimit = 8

    /// An object without members.
    public init() {}

    /// An object with the given members; the last of two equal names wins.
    public init(dictionaryLiteral elements: (String, JSON)...) {
        for (key, value) in elements { self[key] = value }
    }

    /// How many members there are.
    public var count: Int { keys.count }
    /// Whether there are none.
    public var isEmpty: Bool { keys.isEmpty }

    /// Prepares for `count` members.
    public mutating func reserveCapacity(_ count: Int) {
        keys.reserveCapacity(count)
        values.reserveCapacity(count)
        if count > JSONObject.linearLimit { positions.reserveCapacity(count) }
    }

    /// The position of a name, or nil.
    public func position(of key: String) -> Int? {
        if keys.count > JSONObject.linearLimit { return positions[ExactText(key)] }
        return keys.firstIndex { ExactText($0) == ExactText(key) }
    }

    /// The value of a name; setting nil removes the member, setting a new name appends it.
    public subscript(key: String) -> JSON? {
        get { position(of: key).map { values[$0] } }
        set {
            switch (position(of: key), newValue) {
            case (let index?, let value?):
                values[index] = value
            case (let index?, nil):
                keys.remove(at: index)
                values.remove(at: index)
                rebuildPositions()
            case (nil, let value?):
                keys.append(key)
                values.append(value)
                if keys.count == JSONObject.linearLimit + 1 {
                    rebuildPositions()
                } else if keys.count > JSONObject.linearLimit {
                    positions[ExactText(key)] = keys.count - 1
                }
            case (nil, nil):
                break
            }
        }
    }

    private mutating func rebuildPositions() {
        positions = [:]
        guard keys.count > JSONObject.linearLimit else { return }
        for (index, key) in keys.enumerated() { positions[ExactText(key)] = index }
    }

    /// Walks the members in order.
    public func makeIterator() -> AnyIterator<(key: String, value: JSON)> {
        var index = 0
        return AnyIterator {
            guard index < keys.count else { return nil }
            defer { index += 1 }
            return (keys[index], values[index])
        }
    }

    /// Equal when the same names have equal values, in any order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.count == right.count && left.keys.indices.allSatisfy { right[left.keys[$0]] == left.values[$0] }
    }
}

/// Text that is equal only to the same bytes, where `String` also holds canonically equivalent spellings for equal: a
/// vocabulary may have both `Å` (U+00C5) and `Å` (U+212B).
public struct ExactText: Hashable, Sendable {
    /// The text.
    public let text: String

    /// A text that equals only the same scalars.
    public init(_ text: String) { self.text = text }

    public static func == (left: ExactText, right: ExactText) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}
