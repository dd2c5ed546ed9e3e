#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The general categories of the Unicode standard (chapter 4.5), numbered as in the generated tables.
enum GeneralCategory: UInt8, CaseIterable, Sendable {
    case unassigned, uppercaseLetter, lowercaseLetter, titlecaseLetter, modifierLetter, otherLetter
    case nonspacingMark, spacingMark, enclosingMark
    case decimalNumber, letterNumber, otherNumber
    case connectorPunctuation, dashPunctuation, openPunctuation, closePunctuation, initialPunctuation
    case finalPunctuation, otherPunctuation
    case mathSymbol, currencySymbol, modifierSymbol, otherSymbol
    case spaceSeparator, lineSeparator, paragraphSeparator
    case control, format, surrogate, privateUse

    /// The bit of this category in a `CategorySet`.
    var bit: UInt32 { 1 << UInt32(rawValue) }

    /// The abbreviation that regular expressions use: `Lu`.
    static let abbreviations = [
        "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf",
        "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co",
    ]
}

/// A set of general categories as bits.
struct CategorySet: Sendable, Equatable {
    var bits: UInt32

    static let letter = CategorySet(bits: 0x3E)
    static let mark = CategorySet(bits: 0x1C0)
    static let number = CategorySet(bits: 0xE00)
    static let punctuation = CategorySet(bits: 0x7F000)
    static let symbol = CategorySet(bits: 0x780000)
    static let separator = CategorySet(bits: 0x3800000)
    static let other = CategorySet(bits: 0x3C000001)

    /// The set of a name such as `L`, `Lu`, `Punctuation` of a regular expression, or nil.
    init?(named name: String) {
        switch name {
        case "L", "Letter": self = .letter
        case "M", "Mark": self = .mark
        case "N", "Number": self = .number
        case "P", "Punctuation", "Punct": self = .punctuation
        case "S", "Symbol": self = .symbol
        case "Z", "Separator": self = .separator
        case "C", "Other": self = .other
        default:
            guard let index = GeneralCategory.abbreviations.firstIndex(of: name) else { return nil }
            bits = 1 << UInt32(index)
        }
    }

    init(bits: UInt32) { self.bits = bits }

    @inline(__always)
    func contains(_ scalar: Unicode.Scalar) -> Bool {
        bits >> UInt32(UnicodeTables.categories[Int(scalar.value)]) & 1 != 0
    }
}

/// Flat tables over all code points, expanded from `UnicodeData` on first use (some 0.2 ms; pages of code points
/// that have no entry are never touched).
enum UnicodeTables {
    /// The general category of each code point.
    nonisolated(unsafe) static let categories: UnsafePointer<UInt8> = flat { table in
        var stream = NumberStream(UnicodeData.categories)
        var at = 0
        while let length = stream.next(), let value = stream.next() {
            if value != 0 { (table + at).update(repeating: UInt8(value), count: Int(length)) }
            at += Int(length)
        }
    }

    /// The canonical combining class of each code point.
    nonisolated(unsafe) static let combiningClasses: UnsafePointer<UInt8> = flat { table in
        var stream = NumberStream(UnicodeData.combiningClasses)
        var at = 0
        while let length = stream.next(), let value = stream.next() {
            if value != 0 { (table + at).update(repeating: UInt8(value), count: Int(length)) }
            at += Int(length)
        }
    }

    /// The age of each code point: 0 up to Unicode 8.0, 1 for 9.0, 2 for later and for unassigned ones.
    nonisolated(unsafe) static let ages: UnsafePointer<UInt8> = flat { table in
        var stream = NumberStream(UnicodeData.ages)
        var at = 0
        while let length = stream.next(), let value = stream.next() {
            if value != 0 { (table + at).update(repeating: UInt8(value), count: Int(length)) }
            at += Int(length)
        }
    }

    /// What normalisation has to know about each code point.
    enum Flag {
        static let hasLowerCase: UInt8 = 1
        static let hasCanonical: UInt8 = 2
        static let hasCompatible: UInt8 = 4
        /// It can be the second part of a composite.
        static let composesBackward: UInt8 = 8
        /// Its combining class is not 0.
        static let combines: UInt8 = 16
    }

    /// `Flag`s of each code point.
    nonisolated(unsafe) static let flags: UnsafePointer<UInt8> = flat { table in
        for code in lowerCase.codes { table[Int(code)] |= Flag.hasLowerCase }
        for code in canonical.codes { table[Int(code)] |= Flag.hasCanonical }
        for code in compatible.codes { table[Int(code)] |= Flag.hasCompatible }
        for pair in compositions.keys { table[Int(truncatingIfNeeded: pair & 0xFFFF_FFFF)] |= Flag.composesBackward }
        // Hangul vowels and trailing consonants compose by formula.
        for code in 0x1161...0x1175 { table[code] |= Flag.composesBackward }
        for code in 0x11A8...0x11C2 { table[code] |= Flag.composesBackward }
        for code in 0xAC00...0xD7A3 { table[code] |= Flag.hasCanonical }
        var stream = NumberStream(UnicodeData.combiningClasses)
        var at = 0
        while let length = stream.next(), let value = stream.next() {
            if value != 0 { for code in at..<at + Int(length) { table[code] |= Flag.combines } }
            at += Int(length)
        }
    }

    /// Mappings of one code point to one or more.
    struct Mappings: Sendable {
        fileprivate(set) var codes: [UInt32] = []
        private var starts: [Int32] = [0]
        private var targets: [UInt32] = []

        fileprivate mutating func append(_ code: UInt32, _ mapped: [UInt32]) {
            codes.append(code)
            targets.append(contentsOf: mapped)
            starts.append(Int32(targets.count))
        }

        /// The mapping of a code point, by binary search; empty where there is none.
        func find(_ code: UInt32) -> ArraySlice<UInt32> {
            var low = 0
            var high = codes.count
            while low < high {
                let middle = (low + high) / 2
                if codes[middle] < code { low = middle + 1 } else { high = middle }
            }
            guard low < codes.count, codes[low] == code else { return [] }
            return targets[Int(starts[low])..<Int(starts[low + 1])]
        }
    }

    /// Lower-case mappings without context.
    static let lowerCase = mappings(UnicodeData.lowerCase, signed: true)
    /// Full canonical decompositions, without Hangul.
    static let canonical = mappings(UnicodeData.canonical, signed: false)
    /// Full compatibility decompositions where they differ from the canonical ones.
    static let compatible = mappings(UnicodeData.compatible, signed: false)

    /// Primary composites by `first << 32 | second`.
    static let compositions: [UInt64: UInt32] = {
        var stream = NumberStream(UnicodeData.compositions)
        var result: [UInt64: UInt32] = [:]
        var code: UInt32 = 0
        while let distance = stream.next(), let first = stream.next(), let second = stream.next() {
            code += distance
            result[UInt64(first) << 32 | UInt64(second)] = code
        }
        return result
    }()

    private static func mappings(_ data: StaticString, signed: Bool) -> Mappings {
        var stream = NumberStream(data)
        var result = Mappings()
        var code: UInt32 = 0
        while let distance = stream.next(), let count = stream.next() {
            code += distance
            var mapped: [UInt32] = []
            for _ in 0..<count {
                let number = stream.next() ?? 0
                if signed {
                    let shift = number & 1 == 0 ? Int32(number >> 1) : -Int32((number + 1) >> 1)
                    mapped.append(UInt32(Int32(code) + shift))
                } else {
                    mapped.append(number)
                }
            }
            result.append(code, mapped)
        }
        return result
    }

    /// Memory of the system that is zero until written, so untouched planes cost nothing.
    private static func flat(_ fill: (UnsafeMutablePointer<UInt8>) -> Void) -> UnsafePointer<UInt8> {
        guard let memory = calloc(0x110000, 1) else {
            // Without a megabyte nothing else of a program runs either; the table of zeros keeps this total.
            let empty = UnsafeMutablePointer<UInt8>.allocate(capacity: 0x110000)
            empty.initialize(repeating: 0, count: 0x110000)
            return UnsafePointer(empty)
        }
        let table = memory.bindMemory(to: UInt8.self, capacity: 0x110000)
        fill(table)
        return UnsafePointer(table)
    }
}

/// Reads numbers of 7-bit groups out of base64 text.
private struct NumberStream {
    private let text: StaticString
    private var at = 0
    private var bits: UInt32 = 0
    private var bitCount = 0

    init(_ text: StaticString) { self.text = text }

    mutating func next() -> UInt32? {
        var value: UInt32 = 0
        var shift: UInt32 = 0
        while let byte = nextByte() {
            value |= UInt32(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        return nil
    }

    private mutating func nextByte() -> UInt8? {
        while bitCount < 8 {
            guard at < text.utf8CodeUnitCount, let digit = base64Value(text.utf8Start[at]) else { return nil }
            at += 1
            bits = bits << 6 | UInt32(digit)
            bitCount += 6
        }
        bitCount -= 8
        return UInt8(truncatingIfNeeded: bits >> UInt32(bitCount))
    }
}

/// The value of a base64 digit, or nil for any other byte.
@inline(__always)
func base64Value(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
}
