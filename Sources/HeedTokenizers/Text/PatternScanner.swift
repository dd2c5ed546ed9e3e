/// A pattern that cuts text into pieces, as a function: given a place where a piece starts, where does it end?
///
/// The whole text is covered: what the pattern of a published tokenizer would leave out is a piece as well.
protocol PatternScanner: Sendable {
    /// The end of the piece that starts at `start`; `text` is never read outside `0 ..< count`.
    func pieceEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Int
}

/// What a scanner has to know about a byte or scalar.
enum ScanClass {
    static let other: UInt8 = 0
    static let letter: UInt8 = 1
    static let number: UInt8 = 2
    static let space: UInt8 = 3
    /// The byte is not ASCII: look at the scalar.
    static let high: UInt8 = 4

    /// The class of each byte.
    nonisolated(unsafe) static let ofByte: UnsafePointer<UInt8> = {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
        for byte in 0..<256 {
            let value: UInt8
            switch UInt8(byte) {
            case 0x80...: value = high
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): value = letter
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = number
            case 0x20, 0x09...0x0D: value = space
            default: value = other
            }
            (table + byte).initialize(to: value)
        }
        return UnsafePointer(table)
    }()

    /// The class of each general category, white space apart.
    private static let letterBits = CategorySet.letter.bits
    private static let numberBits = CategorySet.number.bits

    /// The class and length of the scalar at `at`, which is not ASCII; a byte that is no UTF-8 is `other`.
    @inline(never)
    static func ofScalar(_ text: UnsafePointer<UInt8>, _ at: Int, _ count: Int) -> (kind: UInt8, length: Int) {
        let (scalar, length) = decodeScalar(UnsafeBufferPointer(start: text, count: count), at)
        // A stray byte decodes to U+FFFD of length 1, which is a symbol and so `other`.
        if scalar.isWhiteSpace { return (space, length) }
        let bit: UInt32 = 1 << UInt32(scalar.category)
        if bit & letterBits != 0 { return (letter, length) }
        if bit & numberBits != 0 { return (number, length) }
        return (other, length)
    }

    /// The class and length of the scalar at `at`.
    @inline(__always)
    static func at(_ text: UnsafePointer<UInt8>, _ at: Int, _ count: Int) -> (kind: UInt8, length: Int) {
        let kind = ofByte[Int(text[at])]
        return kind == high ? ofScalar(text, at, count) : (kind, 1)
    }

    /// The end of the run of scalars of one class that starts at `start`.
    @inline(__always)
    static func runEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ count: Int, _ kind: UInt8) -> Int {
        var at = start
        while at < count {
            let found = ofByte[Int(text[at])]
            if found == kind {
                at += 1
            } else if found == high {
                let scalar = ofScalar(text, at, count)
                if scalar.kind != kind { return at }
                at += scalar.length
            } else {
                return at
            }
        }
        return at
    }

    /// The end of the run of letters that starts at `start`, eight bytes at a time.
    @inline(__always)
    static func letterEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Int {
        var at = start
        while at + 8 <= count {
            let word = UnsafeRawPointer(text + at).loadUnaligned(as: UInt64.self)
            let letters = asciiLetters(word)
            if letters != 0x8080_8080_8080_8080 {
                at += (~letters & 0x8080_8080_8080_8080).trailingZeroBitCount / 8
                if text[at] < 0x80 { return at }
                break
            }
            at += 8
        }
        return runEnd(text, at, count, letter)
    }

    /// The high bit of each byte that is an ASCII letter.
    @inline(__always)
    static func asciiLetters(_ word: UInt64) -> UInt64 {
        let low = (word & 0x7F7F_7F7F_7F7F_7F7F) | 0x2020_2020_2020_2020
        let fromA = low &+ 0x1F1F_1F1F_1F1F_1F1F
        let afterZ = low &+ 0x0505_0505_0505_0505
        return fromA & ~afterZ & ~word & 0x8080_8080_8080_8080
    }

    /// The end of a run of white space at `start`, less its last scalar where more text follows it: `\s+(?!\S)|\s`.
    ///
    /// - Returns: the end of the piece: the whole run at the end of the text or if it is one scalar long.
    static func spaceEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Int {
        var at = start
        var last = start
        while at < count {
            let scalar = ScanClass.at(text, at, count)
            if scalar.kind != space { return last > start ? last : at }
            last = at
            at += scalar.length
        }
        return at
    }
}

/// GPT-2's pattern: `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
struct GPT2Scanner: PatternScanner {
    @inline(__always)
    func pieceEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Int {
        let classes = ScanClass.ofByte
        var at = start
        var first = text[at]
        if first == 0x20 {
            at += 1
            if at == count { return at }
            first = text[at]
        }
        var kind = classes[Int(first)]
        if kind == ScanClass.letter { return ScanClass.letterEnd(text, at, count) }
        if kind == ScanClass.high {
            let scalar = ScanClass.ofScalar(text, at, count)
            kind = scalar.kind
        }
        switch kind {
        case ScanClass.letter: return ScanClass.letterEnd(text, at, count)
        case ScanClass.number: return ScanClass.runEnd(text, at, count, ScanClass.number)
        case ScanClass.space: return ScanClass.spaceEnd(text, start, count)
        default:
            if first == UInt8(ascii: "'"), at == start {
                let length = contraction(text, at, count)
                if length > 0 { return at + length }
            }
            return ScanClass.runEnd(text, at, count, ScanClass.other)
        }
    }

    /// The length of `'s`, `'d`, `'m`, `'t`, `'ll`, `'ve` or `'re` at `at`, or 0.
    @inline(__always)
    private func contraction(_ text: UnsafePointer<UInt8>, _ at: Int, _ count: Int) -> Int {
        guard at + 1 < count else { return 0 }
        switch text[at + 1] {
        case UInt8(ascii: "s"), UInt8(ascii: "d"), UInt8(ascii: "m"), UInt8(ascii: "t"): return 2
        case UInt8(ascii: "l"): return at + 2 < count && text[at + 2] == UInt8(ascii: "l") ? 3 : 0
        case UInt8(ascii: "v"), UInt8(ascii: "r"): return at + 2 < count && text[at + 2] == UInt8(ascii: "e") ? 3 : 0
        default: return 0
        }
    }
}
