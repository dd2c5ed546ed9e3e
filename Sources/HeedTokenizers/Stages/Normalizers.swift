import HeedSupport

/// Several normalisers, one after another.
public struct SequenceNormalizer: NormalizerStage {
    /// The stages in their order.
    public let stages: [any NormalizerStage]

    /// One stage after the other.
    public init(_ stages: [any NormalizerStage]) { self.stages = stages }

    public func normalize(_ text: inout NormalizedText) {
        for stage in stages { stage.normalize(&text) }
    }

    public func json() -> JSON? {
        var list: [JSON] = []
        for stage in stages {
            guard let json = stage.json() else { return nil }
            list.append(json)
        }
        return ["type": "Sequence", "normalizers": .array(list)]
    }
}

/// Maps every scalar to lower case, without regard to its neighbours.
public struct LowercaseNormalizer: NormalizerStage {
    /// The one way.
    public init() {}

    public func normalize(_ text: inout NormalizedText) {
        var changes: [NormalizedText.Change] = []
        changes.reserveCapacity(text.bytes.count)
        text.forEachScalar { scalar in
            let value = scalar.value
            if value < 0x80 {
                let isUpper = value >= 0x41 && value <= 0x5A
                changes.append(.init(isUpper ? Unicode.Scalar(UInt8(value + 32)) : scalar, 0))
            } else if UnicodeTables.flags[Int(value)] & UnicodeTables.Flag.hasLowerCase != 0 {
                for (index, mapped) in UnicodeTables.lowerCase.find(value).enumerated() {
                    changes.append(.init(Unicode.Scalar(mapped) ?? scalar, index == 0 ? 0 : 1))
                }
            } else {
                changes.append(.init(scalar, 0))
            }
        }
        text.transform(changes)
    }

    public func json() -> JSON? { ["type": "Lowercase"] }
}

/// Drops scalars.
public struct FilterNormalizer: NormalizerStage {
    /// What is taken away.
    public enum Kind: Sendable, Equatable {
        /// Combining marks, to be used after NFD or NFKD.
        case accents
        /// Combining marks that take no place (`Mn`), as BERT drops them.
        case nonspacingMarks
    }

    let kind: Kind

    /// Takes away what `kind` says.
    public init(_ kind: Kind) { self.kind = kind }

    public func normalize(_ text: inout NormalizedText) {
        text.filter { scalar in
            switch kind {
            case .accents: !scalar.isAccent
            case .nonspacingMarks: !scalar.isBertAccent
            }
        }
    }

    public func json() -> JSON? { kind == .accents ? ["type": "StripAccents"] : nil }
}

/// Drops white space at the ends.
public struct StripNormalizer: NormalizerStage {
    let left: Bool
    let right: Bool

    /// Takes white space away on these sides.
    public init(left: Bool, right: Bool) {
        self.left = left
        self.right = right
    }

    public func normalize(_ text: inout NormalizedText) {
        var scalars: [Unicode.Scalar] = []
        text.forEachScalar { scalars.append($0) }
        var start = 0
        var end = scalars.count
        if left { while start < end, scalars[start].isWhiteSpace { start += 1 } }
        if right { while end > start, scalars[end - 1].isWhiteSpace { end -= 1 } }
        if start == 0, end == scalars.count { return }
        text.transform(scalars[start..<end].map { .init($0, 0) }, droppingFirst: start)
    }

    public func json() -> JSON? { ["type": "Strip", "strip_left": .bool(left), "strip_right": .bool(right)] }
}

/// Puts a string before a text that is not empty.
public struct PrependNormalizer: NormalizerStage {
    let prefix: String

    /// Puts `prefix` before a text that is not empty.
    public init(_ prefix: String) { self.prefix = prefix }

    public func normalize(_ text: inout NormalizedText) { text.prepend(Array(prefix.unicodeScalars)) }

    public func json() -> JSON? { ["type": "Prepend", "prepend": .string(prefix)] }
}

/// Puts a string in the place of every match of a pattern.
public struct ReplaceNormalizer: NormalizerStage {
    let pattern: Pattern
    let content: String

    /// Puts `content` where `pattern` is found.
    public init(_ pattern: Pattern, with content: String) {
        self.pattern = pattern
        self.content = content
    }

    public func normalize(_ text: inout NormalizedText) {
        text.replace(pattern, with: Array(content.unicodeScalars))
    }

    public func json() -> JSON? { ["type": "Replace", "pattern": pattern.json(), "content": .string(content)] }
}

/// What SentencePiece's `nmt_nfkc` does besides NFKC: drops control characters, makes other spaces plain.
public struct NMTNormalizer: NormalizerStage {
    /// The one way.
    public init() {}

    public func normalize(_ text: inout NormalizedText) {
        text.filter { scalar in
            switch scalar.value {
            case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: false
            default: true
            }
        }
        var changes: [NormalizedText.Change] = []
        text.forEachScalar { scalar in
            switch scalar.value {
            case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD:
                changes.append(.init(" ", 0))
            default: changes.append(.init(scalar, 0))
            }
        }
        text.transform(changes)
    }

    public func json() -> JSON? { ["type": "Nmt"] }
}

/// Spells the text in GPT-2's alphabet of bytes.
public struct ByteLevelNormalizer: NormalizerStage {
    /// The one way.
    public init() {}

    public func normalize(_ text: inout NormalizedText) {
        var bytes: [UInt8] = []
        var sources: [ByteSpan] = []
        for (index, byte) in text.bytes.enumerated() {
            let length = appendScalar(ByteAlphabet.scalars[Int(byte)], to: &bytes)
            if text.tracksSources { for _ in 0..<length { sources.append(text.sources[index]) } }
        }
        text.replaceAll(bytes: bytes, sources: sources)
    }

    public func json() -> JSON? { ["type": "ByteLevel"] }
}

/// BERT's normaliser (Devlin et al. 2018, `tokenization.py`): clean text, spaces around Han, accents off, lower case.
public struct BertNormalizer: NormalizerStage {
    /// Whether control characters go and white space becomes spaces.
    public let cleansText: Bool
    /// Whether Han characters get spaces around them.
    public let setsHanApart: Bool
    /// Whether accents are stripped; nil means where the text is made lower case.
    public let stripsAccents: Bool?
    /// Whether letters become small.
    public let makesLowercase: Bool

    /// BERT's steps, each on or off.
    public init(
        cleansText: Bool = true, setsHanApart: Bool = true, stripsAccents: Bool? = nil, makesLowercase: Bool = true
    ) {
        self.cleansText = cleansText
        self.setsHanApart = setsHanApart
        self.stripsAccents = stripsAccents
        self.makesLowercase = makesLowercase
    }

    public func normalize(_ text: inout NormalizedText) {
        if cleansText { clean(&text) }
        if setsHanApart { spaceHan(&text) }
        if stripsAccents ?? makesLowercase {
            UnicodeNormalizer(.nfd).normalize(&text)
            FilterNormalizer(.nonspacingMarks).normalize(&text)
        }
        if makesLowercase { LowercaseNormalizer().normalize(&text) }
    }

    private func clean(_ text: inout NormalizedText) {
        text.filter { scalar in
            scalar.value != 0 && scalar.value != 0xFFFD && !scalar.isBertControl
        }
        var changes: [NormalizedText.Change] = []
        changes.reserveCapacity(text.bytes.count)
        text.forEachScalar { changes.append(.init($0.isWhiteSpace ? " " : $0, 0)) }
        text.transform(changes)
    }

    private func spaceHan(_ text: inout NormalizedText) {
        guard text.bytes.contains(where: { $0 >= 0xE3 }) else { return }
        var changes: [NormalizedText.Change] = []
        changes.reserveCapacity(text.bytes.count)
        text.forEachScalar { scalar in
            if scalar.isHan {
                changes.append(.init(" ", 0))
                changes.append(.init(scalar, 1))
                changes.append(.init(" ", 1))
            } else {
                changes.append(.init(scalar, 0))
            }
        }
        text.transform(changes)
    }

    public func json() -> JSON? {
        [
            "type": "BertNormalizer", "clean_text": .bool(cleansText), "handle_chinese_chars": .bool(setsHanApart),
            "strip_accents": stripsAccents.map { .bool($0) } ?? .null, "lowercase": .bool(makesLowercase),
        ]
    }
}
