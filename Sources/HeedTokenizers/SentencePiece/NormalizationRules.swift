/// The rules named `nmt_nfkc`, which SentencePiece trains with by default: NFKC, with control characters dropped and
/// all other white space made plain, compiled into a characters map.
///
/// A rule replaces one character, or a sequence of characters that each stand for one part of a decomposition (a letter
/// and its accents, the parts of a Hangul syllable) by the composed character, as the reference compiler makes them.
enum NormalizationRules {
    /// The compiled rules.
    static let nmtNFKC: [UInt8] = {
        let rules = nmtRules()
        return (try? PrecompiledCharactersMap(rules: rules).blob) ?? []
    }()

    private static let spaces: [UInt32] = [
        0x09, 0x0A, 0x0C, 0x0D, 0x061C, 0x1680, 0x200B, 0x200C, 0x200E, 0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD,
    ]

    private static let dropped: [UInt32] =
        Array(0x01...0x08) + [0x0B] + Array(0x0E...0x1F) + [0x7F, 0x8F, 0x9F]

    /// The full-width tilde stays: Japanese texts use it as a character of its own.
    private static let kept: UInt32 = 0xFF5E

    private static func nmtRules() -> [(source: [UInt8], replacement: [UInt8])] {
        var rules: [(source: [UInt8], replacement: [UInt8])] = []
        func utf8(_ code: UInt32) -> [UInt8] { Unicode.Scalar(code).map { Array(String($0).utf8) } ?? [] }
        for code in spaces { rules.append((utf8(code), [0x20])) }
        for code in dropped { rules.append((utf8(code), [])) }

        typealias Flag = UnicodeTables.Flag
        let mask = Flag.hasCanonical | Flag.hasCompatible | Flag.combines | Flag.composesBackward
        var originals: [UInt32: [UInt32]] = [:]
        var decompositions: [[UInt32]] = []
        var seen: Set<[UInt32]> = []
        for code in UInt32(1)...0x10FFFF where UnicodeTables.flags[Int(code)] & mask != 0 {
            guard Unicode.Scalar(code) != nil else { continue }
            let source = utf8(code)
            let composed = normalized(source, .nfkc)
            if composed != source, code != kept { rules.append((source, composed)) }
            let parts = codes(normalized(source, .nfkd))
            if parts.count == 1 {
                if parts[0] != code { originals[parts[0], default: []].append(code) }
            } else if seen.insert(parts).inserted {
                decompositions.append(parts)
            }
        }
        for parts in decompositions {
            let source = parts.flatMap(utf8)
            let composed = normalized(source, .nfkc)
            if composed == source { continue }
            for sequence in sequences(parts, originals) {
                let source = sequence.flatMap(utf8)
                if source != composed { rules.append((source, composed)) }
            }
        }
        return rules
    }

    /// All sequences of single characters that decompose into the given parts.
    private static func sequences(_ parts: [UInt32], _ originals: [UInt32: [UInt32]]) -> [[UInt32]] {
        var result: [[UInt32]] = [[]]
        for part in parts {
            let choices = [part] + (originals[part] ?? [])
            result = result.flatMap { start in choices.map { start + [$0] } }
        }
        return result
    }

    private static func normalized(_ text: [UInt8], _ form: UnicodeNormalizer.Form) -> [UInt8] {
        var normalized = text.withUnsafeBufferPointer { NormalizedText($0, tracksSources: false) }
        UnicodeNormalizer(form).normalize(&normalized)
        return normalized.bytes
    }

    private static func codes(_ text: [UInt8]) -> [UInt32] {
        String(decoding: text, as: UTF8.self).unicodeScalars.map(\.value)
    }
}

extension SentencePieceFile.Normalization {
    /// SentencePiece's default: NFKC with control characters dropped and white space made plain.
    public static var nmtNFKC: SentencePieceFile.Normalization {
        var normalization = SentencePieceFile.Normalization()
        normalization.name = "nmt_nfkc"
        normalization.charactersMap = NormalizationRules.nmtNFKC
        return normalization
    }
}
