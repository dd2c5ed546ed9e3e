/// The pattern of cl100k (GPT-4), and with other lengths of numbers that of LLaMA 3 and Qwen 2:
/// `(?i:'[sdmt]|'ll|'ve|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
struct CL100KScanner: PatternScanner {
    /// The most digits in a piece: 3, or 1 in Qwen 2.
    let digits: Int
    /// Whether a run of line ends is one piece (`\s*[\r\n]+`) or ends after the last line end (`\s*[\r\n]`): both end
    /// at the last line end of the white space, so they cut alike; at the end of a text tiktoken's form takes
    /// the white space after it too.
    let takesTrailingSpace: Bool

    @inline(__always)
    func pieceEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Int {
        let first = text[start]
        var (kind, length) = ScanClass.at(text, start, count)
        if kind == ScanClass.letter { return ScanClass.letterEnd(text, start + length, count) }
        if first == UInt8(ascii: "'") {
            let contracted = contraction(text, start, count)
            if contracted > 0 { return start + contracted }
        }
        if kind == ScanClass.number { return numberEnd(text, start, count) }
        // Any scalar but a line end, letter or number may lead a run of letters.
        let next = start + length
        if next < count, first != 0x0A, first != 0x0D {
            let following = ScanClass.at(text, next, count)
            if following.kind == ScanClass.letter { return ScanClass.letterEnd(text, next + following.length, count) }
            if first == 0x20, following.kind == ScanClass.other { kind = ScanClass.other }
        }
        if kind == ScanClass.other {
            var at = ScanClass.runEnd(text, next, count, ScanClass.other)
            while at < count, text[at] == 0x0A || text[at] == 0x0D { at += 1 }
            return at
        }
        length = 0
        return whiteSpaceEnd(text, start, count)
    }

    private func numberEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Int {
        var at = start
        var left = digits
        while left > 0, at < count {
            let scalar = ScanClass.at(text, at, count)
            if scalar.kind != ScanClass.number { break }
            at += scalar.length
            left -= 1
        }
        return at
    }

    /// `\s++$|\s*[\r\n]+|\s+(?!\S)|\s`
    private func whiteSpaceEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Int {
        var at = start
        var last = start
        var afterLineEnd = 0
        while at < count {
            let scalar = ScanClass.at(text, at, count)
            if scalar.kind != ScanClass.space { break }
            last = at
            if text[at] == 0x0A || text[at] == 0x0D { afterLineEnd = at + 1 }
            at += scalar.length
        }
        if at == count, takesTrailingSpace { return at }
        if afterLineEnd > 0 { return afterLineEnd }
        if at == count { return at }
        return last > start ? last : at
    }

    /// The length of a contraction in any case, or 0; `ſ` (U+017F) is an `s` without regard to case.
    private func contraction(_ text: UnsafePointer<UInt8>, _ at: Int, _ count: Int) -> Int {
        guard at + 1 < count else { return 0 }
        let second = text[at + 1]
        switch second | 0x20 {
        case UInt8(ascii: "s"), UInt8(ascii: "d"), UInt8(ascii: "m"), UInt8(ascii: "t"):
            return second >= 0x40 && second < 0x80 ? 2 : 0
        case UInt8(ascii: "l"):
            return at + 2 < count && text[at + 2] | 0x20 == UInt8(ascii: "l") ? 3 : 0
        case UInt8(ascii: "v"), UInt8(ascii: "r"):
            return at + 2 < count && text[at + 2] | 0x20 == UInt8(ascii: "e") ? 3 : 0
        default:
            return second == 0xC5 && at + 2 < count && text[at + 2] == 0xBF ? 3 : 0
        }
    }
}
