/// The pieces that a pre-tokenizer has cut so far, over one text.
public struct PieceList: Sendable {
    /// The text that the pieces lie in.
    public internal(set) var text: NormalizedText
    /// The pieces in order: ranges of bytes of `text`, without overlap.
    public internal(set) var pieces: [Range<Int>]

    /// The whole text as one piece, or none if it is empty.
    public init(_ text: NormalizedText) {
        self.text = text
        pieces = text.bytes.isEmpty ? [] : [0..<text.bytes.count]
    }
}
