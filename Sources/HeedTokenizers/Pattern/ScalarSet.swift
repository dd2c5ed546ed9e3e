/// A set of scalars as regular expressions describe it: ranges, categories, classes, and sets within.
struct ScalarSet: Sendable {
    enum Item: Sendable {
        case range(UInt32, UInt32)
        case categories(CategorySet, negated: Bool)
        case whiteSpace(negated: Bool)
        case word(negated: Bool)
        case set(ScalarSet)
        case all
    }

    private(set) var items: [Item] = []
    /// Whether the set is everything but its items.
    var isNegated = false
    /// Whether scalars that differ only in case are alike.
    var ignoresCase = false
    /// Sets that a scalar has to be in as well (`&&`).
    var intersections: [ScalarSet] = []
    /// Membership of ASCII, filled by `seal`.
    private var asciiLow: UInt64 = 0
    private var asciiHigh: UInt64 = 0

    init(_ items: [Item] = [], ignoresCase: Bool = false) {
        self.items = items
        self.ignoresCase = ignoresCase
    }

    mutating func add(_ item: Item) { items.append(item) }

    /// Fills the table of ASCII; call after the last change.
    mutating func seal() {
        for index in items.indices {
            if case .set(var inner) = items[index] {
                inner.seal()
                items[index] = .set(inner)
            }
        }
        for index in intersections.indices { intersections[index].seal() }
        asciiLow = 0
        asciiHigh = 0
        for value in UInt8(0)..<128 where slowContains(Unicode.Scalar(value)) {
            if value < 64 { asciiLow |= 1 << UInt64(value) } else { asciiHigh |= 1 << UInt64(value - 64) }
        }
    }

    @inline(__always)
    func contains(_ scalar: Unicode.Scalar) -> Bool {
        let value = scalar.value
        if value < 64 { return asciiLow >> UInt64(value) & 1 != 0 }
        if value < 128 { return asciiHigh >> UInt64(value - 64) & 1 != 0 }
        return slowContains(scalar)
    }

    private func slowContains(_ scalar: Unicode.Scalar) -> Bool {
        var found = hasItem(scalar)
        if !found, ignoresCase { found = CaseVariants.of(scalar).contains { hasItem($0) } }
        if found { found = intersections.allSatisfy { $0.slowContains(scalar) } }
        return found != isNegated
    }

    private func hasItem(_ scalar: Unicode.Scalar) -> Bool {
        for item in items {
            switch item {
            case .range(let low, let high): if scalar.value >= low && scalar.value <= high { return true }
            case .categories(let set, let negated): if set.contains(scalar) != negated { return true }
            case .whiteSpace(let negated): if scalar.isWhiteSpace != negated { return true }
            case .word(let negated): if scalar.isWord != negated { return true }
            case .set(let inner): if inner.slowContains(scalar) { return true }
            case .all: return true
            }
        }
        return false
    }
}

/// Scalars that differ only in case.
enum CaseVariants {
    private static let upperOfLower: [UInt32: [UInt32]] = {
        var result: [UInt32: [UInt32]] = [:]
        for code in UnicodeTables.lowerCase.codes {
            let mapped = UnicodeTables.lowerCase.find(code)
            if mapped.count == 1, let lower = mapped.first { result[lower, default: []].append(code) }
        }
        // Folded to s although it is lower case itself.
        result[0x73, default: []].append(0x17F)
        return result
    }()

    /// The other scalars that simple case folding makes equal to this one.
    static func of(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        let mapped = UnicodeTables.lowerCase.find(scalar.value)
        var lower = mapped.count == 1 ? mapped[mapped.startIndex] : scalar.value
        if scalar.value == 0x17F { lower = 0x73 }
        let all = [lower] + (upperOfLower[lower] ?? [])
        return all.filter { $0 != scalar.value }.compactMap { Unicode.Scalar($0) }
    }
}
