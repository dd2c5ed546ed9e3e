import HeedSupport

/// WordPiece: the longest token that a word starts with, again and again
/// (Wu et al. 2016, *Google's Neural Machine Translation System*; greedy form of BERT's `tokenization.py`).
public struct WordPieceModel: TokenModel {
    /// The name in `tokenizer.json`.
    public let typeName = "WordPiece"
    /// Tokens and their ids.
    public let vocabulary: Vocabulary
    /// The text of the unknown token.
    public let unknownToken: String
    /// Put before every part of a word but the first.
    public let continuingPrefix: String
    /// Words of more characters are unknown.
    public let longestWord: Int
    private let unknown: TokenID
    /// The most bytes of a token.
    private let longestToken: Int

    /// The id of what has no tokens.
    public var unknownID: TokenID? { unknown }

    /// A model.
    ///
    /// - Throws: `HeedError` where the unknown token is not in the vocabulary.
    public init(
        vocabulary: Vocabulary, unknownToken: String = "[UNK]", continuingPrefix: String = "##",
        longestWord: Int = 100, in place: String? = nil
    ) throws {
        guard let unknown = vocabulary.id(of: unknownToken) else {
            throw HeedError(
                .badInput, "the unknown token \(quoted(unknownToken)) is not in the vocabulary", in: place,
                advice: "Add it to the vocabulary")
        }
        self.vocabulary = vocabulary
        self.unknownToken = unknownToken
        self.continuingPrefix = continuingPrefix
        self.longestWord = longestWord
        self.unknown = unknown
        var longest = 0
        for id in 0..<vocabulary.idLimit { longest = max(longest, vocabulary.bytes(of: TokenID(id))?.count ?? 0) }
        longestToken = longest
    }

    /// The longest token that begins the rest, again and again (Devlin et al. 2018).
    public func tokenize(_ piece: UnsafeBufferPointer<UInt8>, into tokens: inout TokenList) {
        if piece.isEmpty { return }
        var characters = 0
        for byte in piece where byte & 0xC0 != 0x80 { characters += 1 }
        if characters > longestWord {
            tokens.append(unknown, from: 0, to: piece.count)
            return
        }
        // Prefix and word in one buffer, so that a part is a slice of it.
        let prefix = Array(continuingPrefix.utf8)
        var text: [UInt8] = []
        var found: [(id: TokenID, end: Int)] = []
        var start = 0
        while start < piece.count {
            text.removeAll(keepingCapacity: true)
            if start > 0 { text.append(contentsOf: prefix) }
            let lead = text.count
            let most = min(piece.count - start, max(longestToken - lead, 0))
            text.append(contentsOf: piece[start..<start + most])
            let match: (id: TokenID, length: Int)? = text.withUnsafeBufferPointer { text in
                var length = most
                while length > 0 {
                    // Tokens end where characters end.
                    if start + length < piece.count, piece[start + length] & 0xC0 == 0x80 {
                        length -= 1
                        continue
                    }
                    if let id = vocabulary.id(of: UnsafeBufferPointer(rebasing: text[..<(lead + length)])) {
                        return (id, length)
                    }
                    length -= 1
                }
                return nil
            }
            guard let match else {
                tokens.append(unknown, from: 0, to: piece.count)
                return
            }
            start += match.length
            found.append((match.id, start))
        }
        var at = 0
        for part in found {
            tokens.append(part.id, from: at, to: part.end)
            at = part.end
        }
    }

    public func json() -> JSON? {
        [
            "type": "WordPiece", "unk_token": .string(unknownToken),
            "continuing_subword_prefix": .string(continuingPrefix),
            "max_input_chars_per_word": .integer(longestWord), "vocab": vocabulary.json(),
        ]
    }
}

/// Whole pieces as tokens.
public struct WordLevelModel: TokenModel {
    /// The name in `tokenizer.json`.
    public let typeName = "WordLevel"
    /// Words and their ids.
    public let vocabulary: Vocabulary
    /// The text of the unknown token; without one in the vocabulary, unknown pieces give no token.
    public let unknownToken: String
    /// The id of other words; nil: they are left out.
    public let unknownID: TokenID?

    /// A word for a token.
    public init(vocabulary: Vocabulary, unknownToken: String = "<unk>") {
        self.vocabulary = vocabulary
        self.unknownToken = unknownToken
        unknownID = vocabulary.id(of: unknownToken)
    }

    /// Looks the word up.
    public func tokenize(_ piece: UnsafeBufferPointer<UInt8>, into tokens: inout TokenList) {
        guard let id = vocabulary.id(of: piece) ?? unknownID else { return }
        tokens.append(id, from: 0, to: piece.count)
    }

    public func json() -> JSON? {
        ["type": "WordLevel", "vocab": vocabulary.json(), "unk_token": .string(unknownToken)]
    }
}
