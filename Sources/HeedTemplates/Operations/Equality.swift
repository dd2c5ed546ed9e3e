import HeedSupport

/// Python's `==`.
func equal(_ left: Value, _ right: Value, _ meter: Meter) throws -> Bool {
    switch (left, right) {
    case (.string(let left), .string(let right)):
        try meter.copy(min(left.bytes.count, right.bytes.count))
        return left == right
    case (.none, .none), (.undefined, .undefined): return true
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
        return try equal(left, right, meter)
    case (.dictionary(let left), .dictionary(let right)): return try equal(left, right, meter)
    case (.object(let left), .object(let right)): return try left === right || left.equals(right, meter)
    case (.float(let left), .float(let right)): return left == right
    case (.float(let float), _): return right.index.map { compare($0, float) == .same } ?? false
    case (_, .float(let float)): return left.index.map { compare($0, float) == .same } ?? false
    default:
        guard let left = left.index, let right = right.index else { return false }
        return left == right
    }
}

private func equal(_ left: ListObject, _ right: ListObject, _ meter: Meter) throws -> Bool {
    if left === right { return true }
    guard left.elements.count == right.elements.count else { return false }
    for (left, right) in zip(left.elements, right.elements) {
        try meter.work()
        if try !equal(left, right, meter) { return false }
    }
    return true
}

private func equal(_ left: DictionaryObject, _ right: DictionaryObject, _ meter: Meter) throws -> Bool {
    if left === right { return true }
    guard left.count == right.count else { return false }
    for (key, value) in zip(left.keys, left.values) {
        try meter.work()
        guard let other = try right.value(of: key, meter), try equal(value, other, meter) else { return false }
    }
    return true
}

/// Python's `is`: the same object. Numbers and strings count as the same where they are equal and of one type, as
/// they are where Python shares them.
func identical(_ left: Value, _ right: Value) -> Bool {
    switch (left, right) {
    case (.none, .none): true
    case (.bool(let left), .bool(let right)): left == right
    case (.integer(let left), .integer(let right)): left == right
    case (.float(let left), .float(let right)): left == right
    case (.string(let left), .string(let right)): left === right || left == right && !left.isMarkup && !right.isMarkup
    case (.list(let left), .list(let right)): left === right
    case (.tuple(let left), .tuple(let right)): left === right || left.elements.isEmpty && right.elements.isEmpty
    case (.dictionary(let left), .dictionary(let right)): left === right
    case (.undefined(let left), .undefined(let right)): left === right
    case (.object(let left), .object(let right)): left === right
    default: false
    }
}

/// The hash of a value under `equal`.
/// - Throws: for lists and dictionaries, which are no keys.
func hash(_ value: Value, _ meter: Meter) throws -> Int {
    var hasher = Hasher()
    try hash(value, into: &hasher, meter)
    return hasher.finalize()
}

private func hash(_ value: Value, into hasher: inout Hasher, _ meter: Meter) throws {
    try meter.work()
    switch value {
    case .none: hasher.combine(1)
    case .undefined: hasher.combine(2)
    case .bool, .integer: hasher.combine(value.index ?? 0)
    case .float(let float):
        if let whole = Int128(exactly: float) { hasher.combine(whole) } else { hasher.combine(float) }
    case .string(let text):
        try meter.copy(text.bytes.count)
        text.bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    case .tuple(let tuple): for element in tuple.elements { try hash(element, into: &hasher, meter) }
    case .object(let object) where !(object is DictionaryView): hasher.combine(ObjectIdentifier(object))
    case .list, .dictionary, .object:
        throw HeedError(.badInput, "a \(value.typeName) cannot be the key of a dictionary")
    }
}
