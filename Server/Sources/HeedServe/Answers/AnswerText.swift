import Heed

/// The text of an answer as its ids come, up to the first stop string, of which nothing is shown.
///
/// Text that may be the beginning of a stop string is held back until it is known.
public struct AnswerText: Sendable {
    private var decoder: StreamDecoder?
    private let stops: [[UInt8]]
    private var held: [UInt8] = []
    /// Whether a stop string has come.
    public private(set) var isStopped = false

    /// The text after a prompt.
    ///
    /// - Parameters:
    ///   - tokenizer: nil for a model without one, whose answers have no text.
    ///   - showsSpecialTokens: whether special tokens are part of the text.
    public init(_ tokenizer: Tokenizer?, after prompt: [Int32], stops: [String], showsSpecialTokens: Bool = false) {
        decoder = tokenizer.map {
            StreamDecoder($0, after: prompt, skippingSpecialTokens: !showsSpecialTokens)
        }
        self.stops = stops.map { Array($0.utf8) }
    }

    /// The text that is certain after one more id.
    public mutating func append(_ id: Int32) throws -> String {
        guard !isStopped, let text = try decoder?.append(id) else { return "" }
        return show(text, isLast: false)
    }

    /// The text that was held back at the end.
    public mutating func finish() throws -> String {
        guard !isStopped, let text = try decoder?.finish() else { return "" }
        return show(text, isLast: true)
    }

    private mutating func show(_ text: String, isLast: Bool) -> String {
        if stops.isEmpty { return text }
        held += text.utf8
        if let place = stops.compactMap({ AnswerText.place(of: $0, in: held) }).min() {
            isStopped = true
            defer { held = [] }
            return String(decoding: held[..<place], as: UTF8.self)
        }
        // A stop string begins with the first byte of a character, so what goes out ends with a whole one.
        let kept = isLast ? 0 : stops.map(beginning).max() ?? 0
        defer { held.removeFirst(held.count - kept) }
        return String(decoding: held.dropLast(kept), as: UTF8.self)
    }

    /// How many bytes at the end may begin a stop string.
    private func beginning(of stop: [UInt8]) -> Int {
        var count = min(held.count, stop.count - 1)
        while count > 0, !held.suffix(count).elementsEqual(stop.prefix(count)) { count -= 1 }
        return count
    }

    private static func place(of stop: [UInt8], in text: [UInt8]) -> Int? {
        guard text.count >= stop.count else { return nil }
        return (0...(text.count - stop.count)).first { text[$0..<($0 + stop.count)].elementsEqual(stop) }
    }
}
