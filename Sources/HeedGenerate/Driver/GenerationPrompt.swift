/// What starts a sequence.
public struct GenerationPrompt: Sendable, Equatable {
    /// The first ids of the sequence that is continued. For an encoder-decoder: of the decoder, its start id first.
    public var ids: [Int32]
    /// The ids that the encoder reads, for an encoder-decoder.
    public var source: [Int32]?

    /// A prompt from its ids.
    public init(ids: [Int32], source: [Int32]? = nil) {
        self.ids = ids
        self.source = source
    }
}
