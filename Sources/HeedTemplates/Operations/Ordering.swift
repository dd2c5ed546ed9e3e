import HeedSupport

/// How two values stand to each other.
enum Order {
    case before, same, after
    /// A number that is not a number is involved.
    case unordered
}

/// The exact order of an integer and a float: neither is rounded to the other's type.
func compare(_ integer: Int128, _ float: Double) -> Order {
    if float.isNaN { return .unordered }
    guard let whole = Int128(exactly: float.rounded(.down)) else { return float > 0 ? .before : .after }
    if integer != whole { return integer < whole ? .before : .after }
    return float > float.rounded(.down) ? .before : .same
}

/// Python's order of two values.
///
/// - Parameter sign: the operator to name in the error.
/// - Throws: where Python has no order for the two types.
func order(_ left: Value, _ right: Value, _ sign: String, _ meter: Meter) throws -> Order {
    switch (left, right) {
    case (.string(let left), .string(let right)):
        try meter.copy(min(left.bytes.count, right.bytes.count))
        if left == right { return .same }
        return left.bytes.lexicographicallyPrecedes(right.bytes) ? .before : .after
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
        for (left, right) in zip(left.elements, right.elements) {
            try meter.work()
            if try !equal(left, right, meter) { return try order(left, right, sign, meter) }
        }
        return order(left.elements.count, right.elements.count)
    case (.float(let left), .float(let right)):
        if left.isNaN || right.isNaN { return .unordered }
        return order(left, right)
    case (.undefined(let undefined), _), (_, .undefined(let undefined)): throw undefined.failure
    default: break
    }
    switch (left.index, right.index) {
    case (let left?, let right?): return order(left, right)
    case (let integer?, nil):
        if case .float(let float) = right { return compare(integer, float) }
    case (nil, let integer?):
        if case .float(let float) = left {
            switch compare(integer, float) {
            case .before: return .after
            case .after: return .before
            case let other: return other
            }
        }
    default: break
    }
    throw HeedError(.badInput, "`\(sign)` has no order for \(left.typeName) and \(right.typeName)")
}

private func order<Number: Comparable>(_ left: Number, _ right: Number) -> Order {
    left == right ? .same : left < right ? .before : .after
}

/// Python's `sorted`: stable, by `<`.
///
/// - Parameter isBefore: whether the first of two values goes before the second.
func sorted<Element>(_ elements: [Element], _ isBefore: (Element, Element) throws -> Bool) rethrows -> [Element] {
    var source = elements
    var width = 1
    while width < source.count {
        var merged: [Element] = []
        merged.reserveCapacity(source.count)
        var start = 0
        while start < source.count {
            let middle = min(start + width, source.count)
            let end = min(start + 2 * width, source.count)
            var left = start
            var right = middle
            while left < middle, right < end {
                if try isBefore(source[right], source[left]) {
                    merged.append(source[right])
                    right += 1
                } else {
                    merged.append(source[left])
                    left += 1
                }
            }
            merged.append(contentsOf: source[left..<middle])
            merged.append(contentsOf: source[right..<end])
            start = end
        }
        source = merged
        width *= 2
    }
    return source
}
