import HeedSupport
import HeedTensor

/// Reads the sources of an encoder-decoder: ids → memory → keys and values of every decoder layer in a cache.
///
/// A source is read whole, as many together as fit; rows that continue it share what was read.
final class SourceReader {
    /// A source of which something is left to read or to look at.
    struct Source {
        /// The slot of the cache that holds its keys and values.
        let slot: Int
        let count: Int
        /// How many slots of targets read it.
        var readers: Int
    }

    private(set) var sources: [Source?] = []
    private let passes: ModelPasses
    private let cache: KeyValueCache
    private let chunk: Int
    /// Sources that were added and not read yet.
    private var waiting: [(slot: Int, ids: [Int32])] = []
    private var batch: TokenBatch?
    private var plan: Plan?
    private var longest = 0

    init(_ passes: ModelPasses, cache: KeyValueCache, chunk: Int) {
        self.passes = passes
        self.cache = cache
        self.chunk = chunk
    }

    /// Adds a source that will stand in `slot`. Returns its number.
    func add(_ ids: [Int32], slot: Int) -> Int {
        waiting.append((slot, ids))
        let source = Source(slot: slot, count: ids.count, readers: 1)
        if let free = sources.firstIndex(where: { $0 == nil }) {
            sources[free] = source
            return free
        }
        sources.append(source)
        return sources.count - 1
    }

    /// One more slot reads a source.
    func retain(_ number: Int) { sources[number]?.readers += 1 }

    /// One slot less reads a source. Returns the slot that nobody needs any more.
    func release(_ number: Int) -> Int? {
        sources[number]?.readers -= 1
        guard let source = sources[number], source.readers == 0 else { return nil }
        sources[number] = nil
        waiting.removeAll { $0.slot == source.slot }
        return source.slot
    }

    /// Reads the sources that wait.
    func run() throws {
        guard let most = waiting.map(\.ids.count).max() else { return }
        let total = waiting.reduce(0) { $0 + $1.ids.count }
        let wanted = max(most, min(chunk, total))
        if batch.map({ $0.rows.capacity < wanted }) ?? true || longest < most {
            plan = nil
            longest = max(longest, most)
            let rows = max(wanted, batch?.rows.capacity ?? 0)
            let new = TokenBatch(rowCapacity: rows, sequenceCapacity: rows)
            batch = new
            plan = try passes.reading(new, into: cache, longest: longest)
        }
        guard let batch, let plan else { return }
        batch.clear()
        for (slot, ids) in waiting {
            if batch.rows.current + ids.count > batch.rows.capacity {
                plan.forward()
                batch.clear()
            }
            try batch.append(ids, slot: slot)
        }
        plan.forward()
        waiting.removeAll()
    }
}
