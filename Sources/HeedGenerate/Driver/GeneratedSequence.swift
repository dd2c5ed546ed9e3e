import HeedSupport

/// Why a sequence ended.
public enum FinishReason: String, Sendable {
    /// An end id, or the caller's stop rule.
    case stop
    /// The number of new tokens that was asked for.
    case length
    /// The work was interrupted.
    case interrupted
    /// Its logits were not finite, or no id was left to choose.
    case failed
}

/// New ids of one decoded sequence.
public struct GeneratedSequence: Sendable, Equatable {
    /// The new ids only; the last is the end id when one was generated.
    public var ids: [Int32]
    /// For beams Σ log p / lengthᵖᵉⁿᵃˡᵗʸ, else nil.
    public var score: Double?
    /// Why it ended.
    public var finishReason: FinishReason

    /// A sequence from its parts.
    public init(ids: [Int32], score: Double? = nil, finishReason: FinishReason) {
        self.ids = ids
        self.score = score
        self.finishReason = finishReason
    }
}

/// What one call generated.
public struct GenerationResult: Sendable {
    /// The sequences of every prompt.
    public internal(set) var sequences: [[GeneratedSequence]] = []
    /// Seconds until the prompts were read.
    public internal(set) var prefillSeconds = 0.0
    /// Seconds of all steps after that.
    public internal(set) var decodeSeconds = 0.0
    /// How many ids the steps after the prompts computed, beams and finished rows not counted.
    public internal(set) var decodedTokens = 0
    /// When the prompts were read.
    var readingEnd: ContinuousClock.Instant

    init(readingEnd: ContinuousClock.Instant) { self.readingEnd = readingEnd }

    /// Takes the times of a call that began at `start` and ends now.
    mutating func measure(from start: ContinuousClock.Instant) {
        prefillSeconds = (readingEnd - start).inSeconds
        decodeSeconds = (ContinuousClock.now - readingEnd).inSeconds
    }

    /// New ids per second, the first of every sequence (which the prompt's pass gives) not counted.
    public var decodeTokensPerSecond: Double { decodeSeconds > 0 ? Double(decodedTokens) / decodeSeconds : 0 }
}
