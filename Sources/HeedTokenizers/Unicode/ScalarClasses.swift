/// The classes of scalars that tokenizers ask for, all from the generated tables.
extension Unicode.Scalar {
    /// The general category.
    @inline(__always)
    var category: UInt8 { UnicodeTables.categories[Int(value)] }

    /// `\p{L}`
    @inline(__always)
    var isLetter: Bool { CategorySet.letter.contains(self) }

    /// `\p{N}`
    @inline(__always)
    var isNumber: Bool { CategorySet.number.contains(self) }

    /// `\p{P}`
    @inline(__always)
    var isPunctuation: Bool { CategorySet.punctuation.contains(self) }

    /// `\p{M}`
    @inline(__always)
    var isMark: Bool { CategorySet.mark.contains(self) }

    /// `\s`: the property White_Space.
    @inline(__always)
    var isWhiteSpace: Bool {
        if value < 0x85 { return value == 0x20 || (value >= 0x09 && value <= 0x0D) }
        switch value {
        case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: return true
        default: return false
        }
    }

    /// `\w` of regular expressions (UTS 18): letters, marks, decimal and letter numbers, connectors, joiners.
    var isWord: Bool {
        if CategorySet(bits: 0x17FE).contains(self) { return true }
        switch value {
        case 0x200C, 0x200D, 0x24B6...0x24E9, 0x1F130...0x1F149, 0x1F150...0x1F169, 0x1F170...0x1F189: return true
        default: return false
        }
    }

    /// The blocks of Han ideographs that BERT puts spaces around.
    var isHan: Bool {
        switch value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            return true
        default: return false
        }
    }

    /// ASCII punctuation and symbols: `!`…`/`, `:`…`@`, `[`…`` ` ``, `{`…`~`.
    var isASCIIPunctuation: Bool {
        switch value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
        default: false
        }
    }

    /// What the pre-tokenizers `BertPreTokenizer` and `Punctuation` of the Hugging Face library set apart: ASCII
    /// punctuation, and what was punctuation in Unicode 8.0.
    var isBertPunctuation: Bool {
        if value < 0x80 { return isASCIIPunctuation }
        return (isPunctuation && UnicodeTables.ages[Int(value)] == 0) || value == 0x166D || value == 0x111C9
    }

    /// What BERT's normaliser of that library strips as an accent: a non-spacing mark of Unicode 8.0.
    var isBertAccent: Bool {
        switch value {
        case 0x1885, 0x1886, 0xA9BD, 0x111C9: false
        case 0x1734, 0x1171E: true
        default:
            category == GeneralCategory.nonspacingMark.rawValue && UnicodeTables.ages[Int(value)] == 0
        }
    }

    /// What `StripAccents` of that library drops: a mark of Unicode 9.0.
    var isAccent: Bool {
        switch value {
        case 0x111C9: false
        case 0x1CF2, 0x1CF3: true
        default: isMark && UnicodeTables.ages[Int(value)] < 2
        }
    }

    /// What BERT's normaliser of that library drops as a control character: one of Unicode 8.0, not unassigned.
    var isBertControl: Bool {
        if value < 0x7F { return value < 0x20 && value != 0x09 && value != 0x0A && value != 0x0D }
        let set = CategorySet(bits: CategorySet.other.bits & ~1)
        return set.contains(self) && UnicodeTables.ages[Int(value)] == 0
    }
}
