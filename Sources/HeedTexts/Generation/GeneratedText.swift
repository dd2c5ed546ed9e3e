import HeedGenerate

/// A text that a model wrote.
public struct GeneratedText: Sendable, Equatable {
    /// What continues the prompt, or the translation; special tokens left out.
    public let text: String
    /// The new ids; the last is the end id where one came.
    public let ids: [Int32]
    /// For beams Σ log p / lengthᵖᵉⁿᵃˡᵗʸ, else nil.
    public let score: Double?
    /// Why the text ended.
    public let finishReason: FinishReason

    init(_ text: String, _ sequence: GeneratedSequence) {
        self.text = text
        ids = sequence.ids
        score = sequence.score
        finishReason = sequence.finishReason
    }
}
