import HeedProcessor
import HeedTensor

/// A model that continues sequences: ids in, logits of the next id out.
///
/// It keeps the state of every open sequence (a key-value cache) in a slot. A pass reads new ids of any of the slots; the
/// logits that come of it depend on the slot's own ids only, whatever else is in the pass and however the ids were
/// divided among passes.
public protocol NextTokenModel: AnyObject {
    /// The number of ids, V.
    var vocabulary: Int { get }
    /// How many ids a slot can hold; `Int.max` where there is no end.
    var contextLength: Int { get }
    /// How many ids of prompts one pass should read at most, so that a long prompt does not keep the others waiting.
    var promptChunk: Int { get }

    /// Opens a slot for a sequence of up to `capacity` ids.
    ///
    /// - `source`: the ids that the encoder reads, for an encoder-decoder.
    func open(source: [Int32]?, capacity: Int) throws -> Int

    /// Opens a slot for a sequence of up to `capacity` ids that begins with the first `count` of another's.
    ///
    /// - Returns: the slot, and how many of these ids it holds without reading them: any number up to `count`.
    func open(sharing slot: Int, first count: Int, capacity: Int) throws -> (slot: Int, held: Int)

    /// Opens a slot that holds what `slot` holds.
    func fork(_ slot: Int) throws -> Int

    /// Closes a slot.
    func close(_ slot: Int) throws

    /// Forgets all ids of a slot but the first `count`.
    func truncate(_ slot: Int, to count: Int) throws

    /// Adds ids to what the next pass reads, once per slot and pass, and asks for the logits after the last `outputs` of
    /// them. Returns the number of the first of these logits.
    func add(_ ids: UnsafeBufferPointer<Int32>, to slot: Int, outputs: Int) throws -> Int

    /// How many ids, `limit` at most, may be added at once after the next one and have the logits that they have when they
    /// are added one by one.
    func additions(_ limit: Int, to slot: Int) -> Int

    /// Reads what was added.
    func run() throws

    /// Logits `[V]` of the last pass, valid until the next.
    func logits(_ number: Int) -> UnsafeBufferPointer<Float>

    /// How many parts `share` makes.
    var shares: Int { get }

    /// Runs every part of the work, at the same time where the model has threads: the caller's work between passes.
    func share(_ work: any TeamWork)
}

extension NextTokenModel {
    /// No limit.
    public var promptChunk: Int { .max }

    /// All of them.
    public func additions(_ limit: Int, to slot: Int) -> Int { limit }

    /// A slot that holds nothing yet: a model that shares nothing.
    public func open(sharing slot: Int, first count: Int, capacity: Int) throws -> (slot: Int, held: Int) {
        (try open(source: nil, capacity: capacity), 0)
    }

    /// One: a model without threads.
    public var shares: Int { 1 }

    /// Does all of the work as one part.
    public func share(_ work: any TeamWork) { work.run(part: 0, of: 1) }
}
