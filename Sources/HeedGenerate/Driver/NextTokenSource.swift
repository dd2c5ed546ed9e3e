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

/// A model that continues a ragged batch of sequences: ids in, logits of the next id out.
///
/// It holds one row of state (a key-value cache) per live sequence. A row's logits depend on its own ids only.
public protocol NextTokenSource: AnyObject {
    /// The number of ids, V.
    var vocabulary: Int { get }
    /// How many ids a row can hold; `Int.max` where there is no end.
    var contextLength: Int { get }

    /// How many rows there are now.
    var rows: Int { get }

    /// Forgets everything and reads the prompts, one row each; their logits are ready afterwards.
    ///
    /// No prompt is empty or longer than `contextLength`. `capacity` is the number of ids that any row will hold at
    /// most, and `rows` the largest number of rows there will be.
    func begin(_ prompts: [GenerationPrompt], rows: Int, capacity: Int) throws

    /// The logits `[V]` of the id after the last one of `row`, valid until the next call of another method.
    func logits(row: Int) -> UnsafeBufferPointer<Float>

    /// Row i becomes a copy of what row `parents[i]` was; rows that nobody names are dropped.
    func select(_ parents: UnsafeBufferPointer<Int32>) throws

    /// Adds one id to every row; the logits after it are ready afterwards.
    func advance(_ ids: UnsafeBufferPointer<Int32>) throws

    /// Row `row` forgets its ids and reads these instead (not for an encoder-decoder's source, which stays).
    func replace(row: Int, ids: UnsafeBufferPointer<Int32>) throws

    /// How many parts `share` makes.
    var shares: Int { get }

    /// Runs `body` once for each part, at the same time where the source has threads: the caller's work between steps.
    func share(_ body: (_ part: Int, _ parts: Int) -> Void)
}

extension NextTokenSource {
    /// One: a source without threads.
    public var shares: Int { 1 }

    /// Does all of the work as one part.
    public func share(_ body: (_ part: Int, _ parts: Int) -> Void) { body(0, 1) }
}
