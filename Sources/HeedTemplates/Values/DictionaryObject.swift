import HeedSupport

/// A dictionary: pairs in the order in which their keys first came, found by key.
///
/// Keys are equal as in Python: 1, 1.0 and true are one key. Beyond a few members a table of hashes finds them; the
/// hash is seeded for each process, so that keys made to collide do not.
final class DictionaryObject {
    private(set) var keys: [Value] = []
    private(set) var values: [Value] = []
    private(set) var depth = 1
    /// The first position of each hash, and for each position the next of the same hash; only for larger ones.
    private var first: [Int: Int32] = [:]
    private var following: [Int32] = []
    private let meter: Meter?
    private static let linearLimit = 8

    init(meter: Meter? = nil) {
        self.meter = meter
        meter?.hold(128)
    }

    deinit { meter?.release(128 + keys.count * DictionaryObject.bytesPerMember) }

    private static let bytesPerMember = 2 * MemoryLayout<Value>.stride + 32

    var count: Int { keys.count }

    /// The position of a key, or nil.
    /// - Throws: where the key is of a kind that cannot be one.
    func position(of key: Value, _ meter: Meter) throws -> Int? {
        if keys.count <= DictionaryObject.linearLimit {
            if case .string(let wanted) = key {
                for (position, key) in keys.enumerated() {
                    if case .string(let text) = key, text == wanted { return position }
                }
                return nil
            }
            _ = try hash(key, meter)
            for (position, other) in keys.enumerated() where try equal(other, key, meter) { return position }
            return nil
        }
        guard var at = first[try hash(key, meter)] else { return nil }
        while at >= 0 {
            try meter.work()
            if try equal(keys[Int(at)], key, meter) { return Int(at) }
            at = following[Int(at)]
        }
        return nil
    }

    func value(of key: Value, _ meter: Meter) throws -> Value? {
        try position(of: key, meter).map { values[$0] }
    }

    /// Sets a member; a key that is there keeps its place.
    func set(_ key: Value, to value: Value, _ meter: Meter) throws {
        let inner = max(key.depth, value.depth) + 1
        guard inner <= TemplateLimits.valueDepth else { throw nestedTooDeep() }
        if let position = try position(of: key, meter) {
            values[position] = value
        } else {
            try meter.copy(DictionaryObject.bytesPerMember)
            self.meter?.hold(DictionaryObject.bytesPerMember)
            keys.append(key)
            values.append(value)
            if keys.count == DictionaryObject.linearLimit + 1 {
                for position in keys.indices { try enter(position, meter) }
            } else if keys.count > DictionaryObject.linearLimit {
                try enter(keys.count - 1, meter)
            }
        }
        depth = max(depth, inner)
    }

    private func enter(_ position: Int, _ meter: Meter) throws {
        let hash = try hash(keys[position], meter)
        following.append(first[hash] ?? -1)
        first[hash] = Int32(truncatingIfNeeded: position)
    }

    /// Lets go of all members.
    func removeAll() {
        meter?.release(keys.count * DictionaryObject.bytesPerMember)
        keys = []
        values = []
        first = [:]
        following = []
    }
}

extension DictionaryObject {
    /// A copy of the members.
    func copy(_ renderer: Renderer) throws -> DictionaryObject {
        let copy = DictionaryObject(meter: renderer.meter)
        for (key, value) in zip(keys, values) { try copy.set(key, to: value, renderer.meter) }
        return copy
    }

    /// The value of a name that is a constant of the interpreter.
    func value(named name: String, _ meter: Meter) throws -> Value? {
        try value(of: .string(name), meter)
    }
}
