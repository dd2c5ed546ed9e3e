import HeedSupport

/// Text to ids and back: the stages of a tokenizer in their order.
///
/// A value that threads share freely. Encoding a text goes through added tokens, normaliser, pre-tokenizer, model,
/// truncation, post-processor and padding; decoding goes back through the decoder.
public struct Tokenizer: Sendable {
    /// Rewrites text.
    public let normalizer: (any NormalizerStage)?
    /// Cuts text into pieces.
    public let preTokenizer: (any PreTokenizerStage)?
    /// Turns pieces into ids.
    public let model: any TokenModel
    /// Puts special tokens around ids.
    public let postProcessor: (any PostProcessorStage)?
    /// Turns ids into text.
    public let decoding: Decoding
    /// Tokens that are found in the text before anything else.
    public internal(set) var addedTokens: AddedTokens
    /// How long texts are cut, if at all.
    public var truncation: Truncation?
    /// How short texts are filled up, if at all.
    public var padding: Padding?
    /// Whether special tokens that are spelled out in a text become those tokens.
    public var recognisesSpecialTokens: Bool
    /// How the tokenizer would be introduced: `byte-level BPE`, `WordPiece`, …
    public var kind: String

    let fastPath: FastPath?
    let wordPath: WordPath?
    let piecePath: PiecePath?
    private let workspaces: WorkspacePool

    /// A tokenizer of the given stages.
    public init(
        model: any TokenModel, normalizer: (any NormalizerStage)? = nil, preTokenizer: (any PreTokenizerStage)? = nil,
        postProcessor: (any PostProcessorStage)? = nil, decoding: Decoding = .spaces, addedTokens: [AddedToken] = [],
        recognisesSpecialTokens: Bool = true,
        kind: String? = nil
    ) {
        self.model = model
        self.normalizer = normalizer
        self.preTokenizer = preTokenizer
        self.postProcessor = postProcessor
        self.decoding = decoding
        self.addedTokens = AddedTokens(addedTokens, normalizer: normalizer)
        self.recognisesSpecialTokens = recognisesSpecialTokens
        self.kind = kind ?? (model.isByteLevel ? "byte-level \(model.typeName)" : model.typeName)
        workspaces = WorkspacePool()
        let fastPath = FastPath(normalizer: normalizer, preTokenizer: preTokenizer, model: model)
        self.fastPath = fastPath
        wordPath =
            fastPath != nil
            ? nil
            : WordPath(
                normalizer: normalizer, preTokenizer: preTokenizer, model: model, addedTokens: self.addedTokens)
        piecePath = PiecePath(
            normalizer: normalizer, preTokenizer: preTokenizer, model: model, addedTokens: self.addedTokens)
    }

    /// The largest id plus one, added tokens included.
    public var vocabularySize: Int {
        addedTokens.tokens.reduce(model.vocabulary.idLimit) { max($0, Int($1.id) + 1) }
    }

    /// The id of a token's text, or nil.
    public func id(of token: String) -> TokenID? {
        addedTokens.token(of: token)?.id ?? model.vocabulary.id(of: token)
    }

    /// The text of an id as the vocabulary spells it, or nil for an id that is not in use.
    public func token(of id: TokenID) -> String? {
        if let added = addedTokens.token(of: id) { return added.content }
        if let model = model as? BPEModel { return model.spelledText(id) }
        return model.vocabulary.text(of: id)
    }

    /// Whether an id is in use.
    public func contains(_ id: TokenID) -> Bool {
        model.vocabulary.contains(id) || addedTokens.token(of: id) != nil
    }

    /// Whether an id is a special token.
    public func isSpecial(_ id: TokenID) -> Bool { addedTokens.token(of: id)?.isSpecial ?? false }

    /// Lends a workspace for the duration of `body`.
    func withWorkspace<Result>(_ body: (Workspace) throws -> Result) rethrows -> Result {
        let workspace = workspaces.take() ?? Workspace()
        defer { workspaces.giveBack(workspace) }
        return try body(workspace)
    }
}
