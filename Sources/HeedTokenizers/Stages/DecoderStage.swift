import HeedSupport

/// One step from tokens back to text.
public protocol DecoderStage: Sendable {
    /// Rewrites the texts of tokens; what the last step leaves is joined.
    func decode(_ tokens: [String]) -> [String]
    /// Whether the text of a token is open until a token of another kind follows, as that of a byte in a run is.
    func isOpen(_ token: String) -> Bool
    /// How many bytes at the end of decoded text the tokens that follow may still change.
    func openCount(_ text: [UInt8]) -> Int
    /// The step as a member of a `tokenizer.json`, or nil where that format has no form for it.
    func json() -> JSON?
}

extension DecoderStage {
    /// False: the text of a token is certain unless a stage says otherwise.
    public func isOpen(_ token: String) -> Bool { false }
    /// 0: what follows changes no text unless a stage says otherwise.
    public func openCount(_ text: [UInt8]) -> Int { 0 }
}

/// A way from ids to text that needs more than the texts of tokens, such as SentencePiece's.
public protocol IDDecoder: Sendable {
    /// The bytes of the text of some ids, all of which are in the vocabulary.
    func decode(_ ids: [TokenID]) -> [UInt8]
    /// The ids that it decodes, where they are not those that the tokenizer encodes to.
    var vocabulary: Vocabulary? { get }
    /// How many bytes at the end of decoded text the ids that follow may still change.
    func openCount(_ text: [UInt8]) -> Int
    /// The decoder of a `tokenizer.json` that gives the same text, or nil.
    func json() -> JSON?
}

extension IDDecoder {
    /// Nil: ids are those of the tokenizer.
    public var vocabulary: Vocabulary? { nil }
    /// 0: what follows changes no text unless a decoder says otherwise.
    public func openCount(_ text: [UInt8]) -> Int { 0 }
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
