import HeedSupport

/// The stage that turns a piece of normalised text into tokens.
public protocol TokenModel: Sendable {
    /// The name of the model in a `tokenizer.json`: `BPE`, `WordPiece`, `Unigram`, `WordLevel`.
    var typeName: String { get }

    /// The tokens and their ids, added tokens not included.
    var vocabulary: Vocabulary { get }

    /// The id that stands for text outside the vocabulary, if there is one.
    var unknownID: TokenID? { get }

    /// Appends the tokens of one piece to `tokens`, with spans relative to the piece.
    ///
    /// `piece` is what the pre-tokenizer cut out, in the alphabet of the vocabulary: well-formed UTF-8, or for
    /// byte-level models (`isByteLevel`) the raw bytes.
    func tokenize(_ piece: UnsafeBufferPointer<UInt8>, into tokens: inout TokenList)

    /// Whether pieces are raw bytes, and the vocabulary spells bytes in GPT-2's alphabet.
    var isByteLevel: Bool { get }

    /// The `model` member of a `tokenizer.json`, or nil where that format has no form for it.
    func json() -> JSON?
}

extension TokenModel {
    /// False: tokens are spelled as text unless a model says otherwise.
    public var isByteLevel: Bool { false }
}
