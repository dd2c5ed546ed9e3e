import HeedSupport

/// One step of normalisation: anything that rewrites text and keeps track of where it came from.
public protocol NormalizerStage: Sendable {
    /// Rewrites `text`.
    func normalize(_ text: inout NormalizedText)
    /// The step as a member of a `tokenizer.json`, or nil where that format has no form for it.
    func json() -> JSON?
}
