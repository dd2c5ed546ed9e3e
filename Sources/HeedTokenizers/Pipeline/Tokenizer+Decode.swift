import HeedSupport

extension Tokenizer {
    /// The text of ids; what is no UTF-8 becomes U+FFFD.
    ///
    /// - Parameter skippingSpecialTokens: whether special tokens are left out.
    /// - Throws: `HeedError` for an id outside the vocabulary.
    public func decode(_ ids: [TokenID], skippingSpecialTokens: Bool = true) throws -> String {
        String(decoding: try decodeBytes(ids, skippingSpecialTokens: skippingSpecialTokens), as: UTF8.self)
    }

    /// The bytes of ids: for byte-level models exactly those that were encoded, UTF-8 or not.
    public func decodeBytes(_ ids: [TokenID], skippingSpecialTokens: Bool = true) throws -> [UInt8] {
        var kept: [TokenID] = []
        kept.reserveCapacity(ids.count)
        for id in ids {
            guard contains(id) else {
                throw HeedError(
                    .badInput, "there is no token with the id \(id)",
                    expected: "ids from 0 to \(vocabularySize - 1)", got: String(id))
            }
            if !skippingSpecialTokens || !isSpecial(id) { kept.append(id) }
        }
        switch decoding {
        case .stage(let stage):
            if stage is ByteLevelDecoder, let bpe = model as? BPEModel, bpe.isByteLevel {
                var bytes: [UInt8] = []
                for id in kept {
                    if let added = addedTokens.token(of: id) {
                        var content = added.content
                        content.withUTF8 { ByteAlphabet.appendBytes(of: $0, to: &bytes) }
                    } else {
                        bpe.appendBytes(of: id, to: &bytes)
                    }
                }
                return bytes
            }
            return stage.decode(kept.map { token(of: $0) ?? "" }).flatMap { Array($0.utf8) }
        case .ids(let decoder): return decoder.decode(kept)
        case .spaces: return Array(kept.map { token(of: $0) ?? "" }.joined(separator: " ").utf8)
        }
    }
}

/// Decodes a stream of ids to text as they come, never half a character.
///
/// The text of all parts together is the text of all ids together, whatever the decoder: a part is given out when the
/// ids that it came from can no longer change it.
public struct StreamDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    /// The last ids: those whose text is out, for context, and those whose text is not.
    private var window: [TokenID] = []
    /// How many of `window` are out.
    private var settled = 0

    /// A decoder at the start of a text, or after the ids of one that is already known.
    public init(_ tokenizer: Tokenizer, after prompt: [TokenID] = [], skippingSpecialTokens: Bool = true) {
        self.tokenizer = tokenizer
        skipsSpecialTokens = skippingSpecialTokens
        window = prompt
        settled = prompt.count
        trim()
    }

    /// The text that is certain after one more id; empty while a character is incomplete.
    ///
    /// - Throws: `HeedError` for an id outside the vocabulary.
    public mutating func append(_ id: TokenID) throws -> String {
        let before = try text(window[..<settled])
        window.append(id)
        let after = try text(window[...])
        guard after.count > before.count, !StreamDecoder.endsInside(after) else { return "" }
        settled = window.count
        let result = String(decoding: after[before.count...], as: UTF8.self)
        trim()
        return result
    }

    /// The rest of the text at the end of the stream: an incomplete character becomes U+FFFD.
    public mutating func finish() throws -> String {
        let before = try text(window[..<settled])
        let after = try text(window[...])
        window = []
        settled = 0
        return String(decoding: after.dropFirst(before.count), as: UTF8.self)
    }

    private func text(_ ids: ArraySlice<TokenID>) throws -> [UInt8] {
        try tokenizer.decodeBytes(Array(ids), skippingSpecialTokens: skipsSpecialTokens)
    }

    /// Keeps a few settled ids: decoders look at the first token of a text and at neighbours, not further.
    private mutating func trim() {
        let keep = 4
        if settled > 2 * keep {
            window.removeFirst(settled - keep)
            settled = keep
        }
    }

    /// Whether the bytes end inside a character, or in U+FFFD that more bytes may turn into one.
    private static func endsInside(_ bytes: [UInt8]) -> Bool {
        if bytes.suffix(3) == [0xEF, 0xBF, 0xBD] { return true }
        var start = bytes.count - 1
        var steps = 0
        while start >= 0, steps < 3, bytes[start] & 0xC0 == 0x80 {
            start -= 1
            steps += 1
        }
        guard start >= 0 else { return false }
        let first = bytes[start]
        let length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1
        return start + length > bytes.count
    }
}
