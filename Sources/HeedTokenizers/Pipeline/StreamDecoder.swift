/// Decodes a stream of ids to text as they come, never half a character.
///
/// The text of all parts together is the text of all ids together, whatever the decoder: a part is given out when the
/// ids that follow can no longer change it. Cost of an id: the decoding of the last few ids.
public struct StreamDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    /// The last ids: those whose text is out, for context, and those whose text is not.
    private var window: [TokenID] = []
    /// The part of the window's text that is out.
    private var shown: [UInt8] = []
    /// The places in `window` between ids at which all text was out: only there may it be cut.
    private var borders: [Int] = []
    /// How many ids at the start of `window` were known before.
    private var given = 0
    /// The length at which the next cut is tried.
    private var limit = StreamDecoder.longestWindow

    private static let longestWindow = 32

    /// A decoder at the start of a text, or after the ids of one that is already known.
    public init(_ tokenizer: Tokenizer, after prompt: [TokenID] = [], skippingSpecialTokens: Bool = true) {
        self.tokenizer = tokenizer
        skipsSpecialTokens = skippingSpecialTokens
        window = prompt.filter { !skippingSpecialTokens || !tokenizer.isSpecial($0) }
        given = window.count
        shown = (try? text(window)) ?? []
        if tokenizer.openCount(shown) == 0, StreamDecoder.incompleteCount(shown) == 0 { borders = [window.count] }
    }

    /// The text that is certain after one more id; empty while a character is incomplete.
    ///
    /// - Throws: `HeedError` for an id outside the vocabulary.
    public mutating func append(_ id: TokenID) throws -> String {
        try tokenizer.checkDecodable(id)
        if skipsSpecialTokens, tokenizer.isSpecial(id) { return "" }
        window.append(id)
        // The last character of a run of bytes may not be valid yet, and then none of the run is.
        if tokenizer.isOpen(id) { return "" }
        let text = try text()
        let open = max(tokenizer.openCount(text), StreamDecoder.incompleteCount(text))
        let result = show(text, upTo: text.count - open)
        if open == 0 {
            borders.append(window.count)
            try shorten()
        }
        return result
    }

    /// The rest of the text at the end of the stream: an incomplete character becomes U+FFFD.
    public mutating func finish() throws -> String {
        let text = try text()
        let result = show(text, upTo: text.count)
        window = []
        shown = []
        borders = []
        given = 0
        return result
    }

    private func text(_ ids: [TokenID]) throws -> [UInt8] {
        try tokenizer.decodeBytes(ids, skippingSpecialTokens: skipsSpecialTokens)
    }

    /// The text of the window, which begins with what is out.
    private mutating func text() throws -> [UInt8] {
        let text = try text(window)
        if text.starts(with: shown) { return text }
        // Bytes that ended the known text became other characters with those that follow: these go on alone.
        window.removeFirst(given)
        given = 0
        shown = []
        borders = []
        return try self.text(window)
    }

    /// Gives out the text up to a place.
    private mutating func show(_ text: [UInt8], upTo end: Int) -> String {
        guard end > shown.count else { return "" }
        let result = String(decoding: text[shown.count..<end], as: UTF8.self)
        shown = Array(text[..<end])
        return result
    }

    /// Forgets ids that no longer matter.
    ///
    /// Decoders treat the first text of all in their own way (they take a space away), so what is kept has some.
    private mutating func shorten() throws {
        guard window.count >= limit else { return }
        for border in borders.reversed() where border > 0 && border < window.count {
            let rest = try text(Array(window[border...]))
            guard rest.contains(where: { $0 > 0x20 }) else { continue }
            window.removeFirst(border)
            shown = rest
            borders = [window.count]
            given = 0
            limit = StreamDecoder.longestWindow
            return
        }
        limit = window.count * 2
    }

    /// How many bytes at the end belong to a character that is not whole, or are U+FFFD, which more bytes may change.
    private static func incompleteCount(_ bytes: [UInt8]) -> Int {
        var end = bytes.count
        while end >= 3, end > bytes.count - 9, bytes[end - 1] == 0xBD, bytes[end - 2] == 0xBF, bytes[end - 3] == 0xEF {
            end -= 3
        }
        if end < bytes.count { return bytes.count - end }
        var start = end - 1
        while start > end - 4, start >= 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
        guard start >= 0 else { return 0 }
        let first = bytes[start]
        let length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1
        return start + length > end ? end - start : 0
    }
}
