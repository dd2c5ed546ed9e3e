/// The stages of a SentencePiece model used alone: normaliser and model work on plain bytes, and words that the model
/// cuts on their own are remembered.
struct PiecePath: Sendable {
    let normalizer: SentencePieceNormalizer
    let model: SentencePieceModel

    /// The path of these stages, or nil for others.
    init?(
        normalizer: (any NormalizerStage)?, preTokenizer: (any PreTokenizerStage)?, model: any TokenModel,
        addedTokens: AddedTokens
    ) {
        guard let normalizer = normalizer as? SentencePieceNormalizer, preTokenizer == nil,
            let model = model as? SentencePieceModel, addedTokens.normalized.isEmpty
        else { return nil }
        self.normalizer = normalizer
        self.model = model
    }
}

extension Tokenizer {
    /// Appends the ids of a text under a SentencePiece model.
    func encodePieces(
        _ bytes: UnsafeBufferPointer<UInt8>, _ path: PiecePath, _ workspace: Workspace, into ids: inout IDBuffer
    ) {
        for segment in addedTokens.segments(
            of: bytes, by: addedTokens.source, ignoresSpecial: !recognisesSpecialTokens)
        {
            if let token = segment.token {
                ids.append(token)
                continue
            }
            let text = path.normalizer.normalize(
                UnsafeBufferPointer(rebasing: bytes[segment.range]), isAtStart: segment.range.lowerBound == 0,
                tracksPlaces: false
            ).bytes
            text.withUnsafeBufferPointer { path.model.appendIDs(of: $0, workspace, to: &ids) }
        }
    }
}
