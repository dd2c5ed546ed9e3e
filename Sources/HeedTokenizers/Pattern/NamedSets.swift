// The sets that patterns call by a name.

extension ScalarSet.Item {
    /// What `\p{name}` stands for, or nil where the name is not known.
    init?(property name: String, negated: Bool) {
        switch name {
        case "Han", "Script=Han", "sc=Han":
            var set = ScalarSet([
                .range(0x2E80, 0x2E99), .range(0x2E9B, 0x2EF3), .range(0x2F00, 0x2FD5), .range(0x3005, 0x3005),
                .range(0x3007, 0x3007), .range(0x3021, 0x3029), .range(0x3038, 0x303B), .range(0x3400, 0x4DBF),
                .range(0x4E00, 0x9FFF), .range(0xF900, 0xFA6D), .range(0xFA70, 0xFAD9), .range(0x16FE2, 0x16FE3),
                .range(0x16FF0, 0x16FF1), .range(0x20000, 0x2A6DF), .range(0x2A700, 0x2B739),
                .range(0x2B740, 0x2B81D), .range(0x2B820, 0x2CEA1), .range(0x2CEB0, 0x2EBE0),
                .range(0x2EBF0, 0x2EE5D), .range(0x2F800, 0x2FA1D), .range(0x30000, 0x3134A),
                .range(0x31350, 0x323AF),
            ])
            set.isNegated = negated
            self = .set(set)
        case "White_Space", "Space", "space": self = .whiteSpace(negated: negated)
        case "Any": self = negated ? .range(1, 0) : .all
        default:
            guard let set = CategorySet(named: name) else { return nil }
            self = .categories(set, negated: negated)
        }
    }

    /// What `[:name:]` stands for, or nil where the name is not known.
    init?(posixClass name: String, negated: Bool) {
        switch name {
        case "alpha": self = .categories(.letter, negated: negated)
        case "digit": self = .categories(CategorySet(bits: GeneralCategory.decimalNumber.bit), negated: negated)
        case "punct": self = .categories(.punctuation, negated: negated)
        case "space": self = .whiteSpace(negated: negated)
        case "word": self = .word(negated: negated)
        case "upper": self = .categories(CategorySet(bits: GeneralCategory.uppercaseLetter.bit), negated: negated)
        case "lower": self = .categories(CategorySet(bits: GeneralCategory.lowercaseLetter.bit), negated: negated)
        default: return nil
        }
    }
}
