/// What rows that left a batch had read, for later rows that begin with the same ids: a system prompt, the turns of a
/// conversation so far.
///
/// It holds slots of the model that share pages with whoever began the same. The least recently used go first.
public struct PrefixCache {
    /// How many ids are kept at most; 0 keeps nothing.
    public let tokens: Int
    /// How many ids are kept.
    public private(set) var keptTokens = 0
    /// How many ids of prompts did not have to be read so far.
    public private(set) var sharedTokens = 0

    /// The one used last comes last.
    private var entries: [Entry] = []

    private struct Entry {
        let ids: [Int32]
        let slot: Int
    }

    init(tokens: Int) { self.tokens = tokens }

    /// Opens a slot for `ids` that shares what it can with what is kept and with `rows`; nil where nothing is worth it.
    mutating func open(
        for ids: [Int32], capacity: Int, in model: any NextTokenModel, beside rows: [DecodingRow]
    ) throws -> (slot: Int, held: Int)? {
        guard tokens > 0 else { return nil }
        var best: (slot: Int, count: Int, entry: Int?)?
        func offer(_ known: some RandomAccessCollection<Int32>, _ slot: Int, entry: Int?) {
            // The last id is read in any case: its logits are wanted.
            var count = 0
            for (left, right) in zip(known, ids.dropLast()) {
                if left != right { break }
                count += 1
            }
            if count > best?.count ?? 0 { best = (slot, count, entry) }
        }
        for (place, entry) in entries.enumerated() { offer(entry.ids, entry.slot, entry: place) }
        for row in rows where row.forgotten == 0 && row.source.isEmpty {
            guard let slot = row.slot else { continue }
            offer(row.history.prefix(row.held), slot, entry: nil)
        }
        guard let best else { return nil }
        let shared = try model.open(sharing: best.slot, first: best.count, capacity: capacity)
        sharedTokens += shared.held
        if let place = best.entry { entries.append(entries.remove(at: place)) }
        return shared
    }

    /// Keeps what a row that leaves has read.
    mutating func keep(_ row: DecodingRow, _ slot: Int, in model: any NextTokenModel) throws {
        guard tokens > 0, row.forgotten == 0, row.source.isEmpty else { return }
        // What was guessed last may not be what came.
        let count = min(row.held - row.guesses.count, row.history.count)
        guard count <= tokens, !entries.contains(where: { $0.ids.starts(with: row.history.prefix(count)) }) else {
            return
        }
        let shared = try model.open(sharing: slot, first: count, capacity: count)
        guard shared.held > 0 else {
            try model.close(shared.slot)
            return
        }
        let ids = Array(row.history.prefix(shared.held))
        for place in entries.indices.reversed() where ids.starts(with: entries[place].ids) {
            try remove(place, in: model)
        }
        entries.append(Entry(ids: ids, slot: shared.slot))
        keptTokens += ids.count
        while keptTokens > tokens { try remove(0, in: model) }
    }

    mutating func clear(in model: any NextTokenModel) throws {
        while !entries.isEmpty { try remove(entries.count - 1, in: model) }
    }

    private mutating func remove(_ place: Int, in model: any NextTokenModel) throws {
        let entry = entries.remove(at: place)
        keptTokens -= entry.ids.count
        try model.close(entry.slot)
    }
}
