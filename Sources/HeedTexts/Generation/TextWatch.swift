import HeedTokenizers

/// Watches the text of one sequence as its ids come: for streaming, and for stop strings.
public struct TextWatch: Sendable {
    private var decoder: StreamDecoder
    private let stops: [[UInt8]]
    /// The end of the text, no longer than needed to find a stop string.
    private var tail: [UInt8] = []

    /// Watches what follows the ids of `prompt`, for any of `stops`.
    public init(_ tokenizer: Tokenizer, prompt: [Int32], stops: [String] = []) {
        decoder = StreamDecoder(tokenizer, after: prompt)
        self.stops = stops.map { Array($0.utf8) }
    }

    /// The text that is certain after one more id, and whether a stop string has come.
    ///
    /// - Throws: `HeedError` where the tokenizer has no such id.
    public mutating func append(_ id: Int32) throws -> (text: String, stops: Bool) {
        let text = try decoder.append(id)
        guard !stops.isEmpty, !text.isEmpty else { return (text, false) }
        tail += text.utf8
        for stop in stops where contains(stop) { return (text, true) }
        let needed = (stops.map(\.count).max() ?? 1) - 1
        if tail.count > needed { tail.removeFirst(tail.count - needed) }
        return (text, false)
    }

    /// The text that is left at the end.
    public mutating func finish() throws -> String { try decoder.finish() }

    private func contains(_ stop: [UInt8]) -> Bool {
        guard tail.count >= stop.count else { return false }
        return (0...(tail.count - stop.count)).contains { tail[$0..<($0 + stop.count)].elementsEqual(stop) }
    }
}

extension Tokenizer {
    /// The text of generated ids, as a continuation of the prompt's.
    ///
    /// Prompt text + continuation is the decoding of all ids, special tokens left out; so a space that a decoder drops
    /// at the beginning of a text is not lost between the two.
    /// - Throws: `HeedError` where the vocabulary lacks an id.
    public func continuation(of prompt: [Int32], by ids: [Int32]) throws -> String {
        let before = try decodeBytes(prompt)
        let all = try decodeBytes(prompt + ids)
        if all.starts(with: before) { return String(decoding: all[before.count...], as: UTF8.self) }
        return try decode(ids)
    }
}
