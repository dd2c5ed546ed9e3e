/// The decimal forms of the integers of a range as a grammar.
enum IntegerRange {
    private static let mostDigits = 18

    /// The integers from `low` to `high`; nil is no bound.
    static func expression(_ low: Int?, _ high: Int?) -> GrammarExpression {
        let limit = (0..<mostDigits).reduce(1) { product, _ in product * 10 } - 1
        let (low, high) = (max(low ?? -limit, -limit), min(high ?? limit, limit))
        var parts: [GrammarExpression] = []
        if low < 0 {
            parts.append(.sequence([.text("-"), .choice(magnitudes(max(1, -min(high, -1)), -low))]))
        }
        if high >= 0 { parts.append(.choice(magnitudes(max(0, low), high))) }
        return .choice(parts)
    }

    /// Numbers of 0 or more, by their numbers of digits.
    private static func magnitudes(_ low: Int, _ high: Int) -> [GrammarExpression] {
        var parts: [GrammarExpression] = []
        var (first, last) = (0, 9)
        while first <= high {
            if max(low, first) <= min(high, last) {
                parts.append(same(digits(max(low, first)), digits(min(high, last))))
            }
            if last >= high { break }
            first = last + 1
            last = last * 10 + 9
        }
        return parts
    }

    private static func digits(_ number: Int) -> ArraySlice<UInt8> { ArraySlice(Array("\(number)".utf8)) }

    /// Numbers between two of as many digits.
    private static func same(_ low: ArraySlice<UInt8>, _ high: ArraySlice<UInt8>) -> GrammarExpression {
        guard let from = low.first, let to = high.first else { return .empty }
        let (lowRest, highRest) = (low.dropFirst(), high.dropFirst())
        func one(_ from: UInt8, _ to: UInt8) -> GrammarExpression {
            .characters(CodePointSet([UInt32(from)...UInt32(to)]))
        }
        func any(_ count: Int) -> GrammarExpression { .repeated(JSONGrammar.digit, least: count, most: count) }
        let zeros = ArraySlice(repeatElement(UInt8(0x30), count: lowRest.count))
        let nines = ArraySlice(repeatElement(UInt8(0x39), count: lowRest.count))
        if from == to { return .sequence([one(from, to), same(lowRest, highRest)]) }
        var parts: [GrammarExpression] = []
        var (first, last) = (from, to)
        if !lowRest.elementsEqual(zeros) {
            parts.append(.sequence([one(from, from), same(lowRest, nines)]))
            first += 1
        }
        if !highRest.elementsEqual(nines) {
            parts.append(.sequence([one(to, to), same(zeros, highRest)]))
            last -= 1
        }
        if first <= last { parts.append(.sequence([one(first, last), any(lowRest.count)])) }
        return .choice(parts)
    }
}

extension GrammarExpression {
    /// The same text within quotation marks of JSON: what must be escaped there is, or cannot come.
    func escapedForJSON() -> GrammarExpression {
        switch self {
        case .empty, .rule: return self
        case .bytes(let bytes):
            return .sequence(
                String(decoding: bytes, as: UTF8.self).unicodeScalars.map {
                    GrammarExpression.characters(CodePointSet([$0.value...$0.value])).escapedForJSON()
                })
        case .sequence(let parts): return .sequence(parts.map { $0.escapedForJSON() })
        case .choice(let parts): return .choice(parts.map { $0.escapedForJSON() })
        case .repeated(let part, let least, let most):
            return .repeated(part.escapedForJSON(), least: least, most: most)
        case .characters(let set):
            let special = CodePointSet([0...0x1F, 0x22...0x22, 0x5C...0x5C])
            func holds(_ value: UInt32) -> Bool { set.ranges.contains { $0.contains(value) } }
            // The plain ones: those of the set that are not special.
            let plain = set.inverted.union(special).inverted
            var parts: [GrammarExpression] = plain.ranges.isEmpty ? [] : [.characters(plain)]
            let escapes: [(UInt32, String)] = [
                (0x22, "\\\""), (0x5C, "\\\\"), (0x08, "\\b"), (0x09, "\\t"), (0x0A, "\\n"), (0x0C, "\\f"),
                (0x0D, "\\r"),
            ]
            for (value, text) in escapes where holds(value) { parts.append(.text(text)) }
            return .choice(parts)
        }
    }
}
