import HeedSupport

/// One step from tokens back to text.
public protocol DecoderStage: Sendable {
    /// Rewrites the texts of tokens; what the last step leaves is joined.
    func decode(_ tokens: [String]) -> [String]
    /// The step as a member of a `tokenizer.json`, or nil where that format has no form for it.
    func json() -> JSON?
}

/// A way from ids to text that needs more than the texts of tokens, such as SentencePiece's.
public protocol IDDecoder: Sendable {
    /// The bytes of the text of some ids, all of which are in the vocabulary.
    func decode(_ ids: [TokenID]) -> [UInt8]
    /// The decoder of a `tokenizer.json` that gives the same text, or nil.
    func json() -> JSON?
}

/// How a tokenizer turns ids into text.
public enum Decoding: Sendable {
    /// Texts of tokens go through a stage and are joined.
    case stage(any DecoderStage)
    /// Ids are decoded as a whole.
    case ids(any IDDecoder)
    /// Texts of tokens are joined with spaces.
    case spaces
}
