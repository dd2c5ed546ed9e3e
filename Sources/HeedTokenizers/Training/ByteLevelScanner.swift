/// GPT-2's byte alphabet: every byte has a visible character of its own, bytes that print stand for themselves.
enum TrainingByteAlphabet {
    /// Bytes with the UTF-8 of their characters, in ascending order of code point.
    static let bytesInOrder: [(byte: UInt8, character: [UInt8])] = {
        var shifted: UInt32 = 256
        var pairs: [(byte: UInt8, scalar: UInt32)] = []
        for byte in UInt8.min...UInt8.max {
            switch byte {
            case 33...126, 161...172, 174...255:
                pairs.append((byte, UInt32(byte)))
            default:
                pairs.append((byte, shifted))
                shifted += 1
            }
        }
        pairs.sort { $0.scalar < $1.scalar }
        return pairs.map { pair in
            let character = Unicode.Scalar(pair.scalar).map(String.init) ?? ""
            return (pair.byte, Array(character.utf8))
        }
    }()
}

/// Splits a line by GPT-2's pattern: contractions, then runs of letters, of numbers and of other characters, each with
/// one space before it, then runs of white space.
struct ByteLevelScanner: WordScanner {
    /// 0 other, 1 letter, 2 number, 3 space
    static let classes: [UInt8] = {
        var t = [UInt8](repeating: 0, count: 0x110000)
        for v in 0..<UInt32(0x110000) {
            guard let s = Unicode.Scalar(v) else { continue }
            switch s.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: t[Int(v)] = 1
            case .decimalNumber, .letterNumber, .otherNumber: t[Int(v)] = 2
            default: if s.properties.isWhitespace { t[Int(v)] = 3 }
            }
        }
        return t
    }()
    let table = ByteLevelScanner.classes

    func scan(_ line: UnsafeBufferPointer<UInt8>, into words: inout WordTable) {
        table.withUnsafeBufferPointer { table in
            guard let base = line.baseAddress else { return }
            let n = line.count
            var at = 0
            func cls(_ i: Int) -> (UInt8, Int) {
                let b = base[i]
                if b < 0x80 { return (table[Int(b)], 1) }
                if b >= 0xC2, b < 0xE0, i + 1 < n {
                    return (table[Int(b & 0x1F) << 6 | Int(base[i + 1] & 0x3F)], 2)
                }
                if b >= 0xE0, b < 0xF0, i + 2 < n {
                    return (table[Int(b & 0xF) << 12 | Int(base[i + 1] & 0x3F) << 6 | Int(base[i + 2] & 0x3F)], 3)
                }
                if b >= 0xF0, b < 0xF5, i + 3 < n {
                    let v =
                        Int(b & 7) << 18 | Int(base[i + 1] & 0x3F) << 12 | Int(base[i + 2] & 0x3F) << 6
                        | Int(base[i + 3] & 0x3F)
                    return (v < 0x110000 ? table[v] : 0, 4)
                }
                return (0, 1)
            }
            while at < n {
                let start = at
                let b = base[at]
                if b == 39, at + 1 < n {
                    let c = base[at + 1]
                    if c == 115 || c == 116 || c == 109 || c == 100 {
                        words.add(base + at, 2, times: 1)
                        at += 2
                        continue
                    }
                    if at + 2 < n {
                        let d = base[at + 2]
                        if (c == 114 && d == 101) || (c == 118 && d == 101) || (c == 108 && d == 108) {
                            words.add(base + at, 3, times: 1)
                            at += 3
                            continue
                        }
                    }
                }
                var p = at
                var (k, l) = cls(p)
                if b == 32, at + 1 < n {
                    let (k2, l2) = cls(p + 1)
                    if k2 != 3 { p += 1; k = k2; l = l2 }
                }
                if k != 3 {
                    p += l
                    while p < n {
                        let (k2, l2) = cls(p)
                        if k2 != k { break }
                        p += l2
                    }
                } else {
                    var lastStart = p
                    p += l
                    while p < n {
                        let (k2, l2) = cls(p)
                        if k2 != 3 { break }
                        lastStart = p
                        p += l2
                    }
                    if p < n, lastStart > start { p = lastStart }
                }
                words.add(base + start, p - start, times: 1)
                at = p
            }
        }
    }
}
