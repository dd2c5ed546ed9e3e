import HeedSupport

/// One step of pre-tokenization: cuts pieces into smaller ones, and may rewrite them.
public protocol PreTokenizerStage: Sendable {
    /// Cuts and rewrites.
    func cut(_ list: inout PieceList)
    /// The step as a member of a `tokenizer.json`, or nil where that format has no form for it.
    func json() -> JSON?
}
