import ArgumentParser
import Heed
import HeedSupport
import Synchronization

/// How many characters a vocabulary may lack: for commands that learn from text or measure on it.
struct UnknownOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The largest share of the text's characters that the vocabulary may lack; more is an error.",
            valueName: "share"))
    var maxUnknown = 0.05

    func validate() throws { try check("--max-unknown", maxUnknown, in: 0...1) }
}

/// Counts the characters of texts that a vocabulary lacks, which vanish or become the unknown token.
final class UnknownCharacters: Sendable {
    private struct Count {
        var characters = 0
        var unknown = 0
        var unknownBytes = 0
        /// Whether a character is unknown by itself.
        var known: [Unicode.Scalar: Bool] = [:]
    }

    private let count = Mutex(Count())
    /// Texts are looked at in parts of about this many bytes, cut at line ends.
    private static let part = 1 << 20

    /// The characters that were unknown.
    var unknown: Int { count.withLock { $0.unknown } }
    /// The bytes of these characters.
    var bytes: Int { count.withLock { $0.unknownBytes } }

    /// Looks at a text in UTF-8. Cost: an encoding, or nothing where the vocabulary has tokens for any text.
    func add(_ text: UnsafeBufferPointer<UInt8>, _ tokenizer: Tokenizer) {
        if tokenizer.coversAllText { return }
        var start = 0
        while start < text.count {
            var end = min(start + UnknownCharacters.part, text.count)
            if end < text.count { end = text[end...].firstIndex(of: 0x0A).map { $0 + 1 } ?? text.count }
            let part = Array(text[start..<end])
            start = end
            let unknown = tokenizer.unknownCharacters(in: part)
            let characters = part.count { $0 & 0xC0 != 0x80 }
            count.withLock { count in
                count.characters += characters
                count.unknown += unknown
                if unknown > 0 { count.unknownBytes += bytes(of: unknown, in: part, tokenizer, &count.known) }
            }
        }
    }

    /// Takes note of a text of which so many characters are unknown.
    func add(unknown: Int, of characters: Int) {
        count.withLock { count in
            count.characters += characters
            count.unknown += unknown
        }
    }

    /// The bytes of `unknown` characters of a part: those that are unknown by themselves say how many bytes one takes.
    private func bytes(
        of unknown: Int, in part: [UInt8], _ tokenizer: Tokenizer, _ known: inout [Unicode.Scalar: Bool]
    ) -> Int {
        var (alone, bytes) = (0, 0)
        for scalar in String(decoding: part, as: UTF8.self).unicodeScalars {
            let isKnown =
                known[scalar] ?? (tokenizer.unknownCharacters(in: Array(String(Character(scalar)).utf8)) == 0)
            known[scalar] = isKnown
            if !isKnown { (alone, bytes) = (alone + 1, bytes + UTF8.width(scalar)) }
        }
        guard alone > 0 else { return min(unknown, part.count) }
        return min(Int((Double(bytes) / Double(alone) * Double(unknown)).rounded()), part.count)
    }

    /// Says how many characters were unknown, if any.
    ///
    /// - Parameter limit: the largest share that is no error.
    /// - Throws: `HeedError` (`badInput`) where there were more.
    func check(limit: Double, place: String) throws {
        let (characters, unknown) = count.withLock { ($0.characters, $0.unknown) }
        guard unknown > 0 else { return }
        let share = Double(unknown) / Double(max(characters, 1))
        let told =
            "\(grouped(unknown)) of \(counted(characters, "character")) (\(fixed(100 * share, share < 0.01 ? 3 : 1)) %)"
        guard share <= limit else {
            throw HeedError(
                .badInput, "the vocabulary lacks \(told) of the text", in: place,
                expected: "at most \(fixed(100 * limit, 1)) %, the limit of --max-unknown",
                advice:
                    "Give the tokenizer that belongs to the text, or allow it with --max-unknown \(fixed(share + 0.005, 2))"
            )
        }
        StandardError.writeNote("\(place): \(told) are not in the vocabulary; the model does not see them.")
    }
}

extension TextEncoding {
    /// How a tokenizer makes ids of text, counting what it does not know.
    init(_ tokenizer: Tokenizer, documentEnd: TokenID? = nil, _ unknown: UnknownCharacters) {
        self.init(documentEnd: documentEnd) { text in
            unknown.add(text, tokenizer)
            return tokenizer.ids(of: text)
        }
    }
}
