/// One sequence of a decoding batch.
///
/// The batch owns it; a caller keeps it to know the sequence by.
public final class DecodingRow {
    /// All ids: those of the prompt, then the new ones.
    public internal(set) var history: [Int32]
    /// How many ids are the prompt's.
    public let promptCount: Int
    /// What an encoder-decoder reads; empty for a decoder.
    public let source: [Int32]
    /// Ids that may follow, as a drafter guesses.
    public var guesses: [Int32] = []
    /// How many ids a drafter may guess.
    public internal(set) var guessLimit = 0
    /// The number that its random numbers depend on, besides the seed.
    public let number: Int
    /// Why it ended; nil while it goes on.
    public internal(set) var finishReason: FinishReason?
    /// Whether the batch chooses its ids; else the caller does, from `DecodingBatch.logits(of:)`.
    public let choosesItself: Bool
    /// Whether the logits after its last id are there, for the caller to choose from.
    public internal(set) var isReady = false

    /// What went wrong, when it ended as `failed`.
    public internal(set) var failure: (any Error)?

    let options: GenerationOptions
    var chooser: TokenChooser
    let random: SequenceRandom
    /// Where the model holds it; nil while it waits for another row to have read the same.
    var slot: Int?
    /// The row that reads for this one.
    var leader: DecodingRow?
    /// How many of the oldest ids are forgotten.
    var forgotten = 0
    /// How many ids after those the slot holds.
    var held = 0
    /// The number of its logits in the last pass.
    var output = 0
    /// How many ids it chose after the last pass.
    var chosen = 0
    /// Where the distribution `[V]` of every choice is written.
    var distribution: UnsafeMutableBufferPointer<Float>?

    init(
        history: [Int32], promptCount: Int, source: [Int32], number: Int, options: GenerationOptions,
        chooser: TokenChooser, choosesItself: Bool
    ) {
        self.history = history
        self.source = source
        self.promptCount = promptCount
        self.number = number
        self.options = options
        self.chooser = chooser
        self.choosesItself = choosesItself
        random = SequenceRandom(seed: options.seed, row: number)
        guesses.reserveCapacity(options.draftTokens)
        self.history.reserveCapacity(promptCount + min(options.maxNewTokens, 1 << 20))
    }

    deinit { distribution?.deallocate() }

    /// The new ids.
    public var newIds: ArraySlice<Int32> { history[promptCount...] }

    /// How many new ids there are.
    public var generated: Int { history.count - promptCount }

    /// Whether it has ended by its last id: an end id or, where there are none, the end of what its constraint describes.
    var isWhole: Bool {
        guard let last = history.last, generated > 0 else { return false }
        return options.endTokens.contains(last) || (options.endTokens.isEmpty && chooser.isComplete)
    }

    /// How many ids the model has not read.
    var unread: Int { history.count - forgotten - held }
}

/// A new id of a row.
public struct DecodedToken {
    /// The row.
    public let row: DecodingRow
    /// The id.
    public let id: Int32
    /// How many new ids the row had before it.
    public let step: Int
    /// Whether it is one of the row's end ids.
    public let isEnd: Bool
}
