import HeedLayers
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// Continues sequences with a decoder or an encoder-decoder and a key-value cache in pages.
///
/// A pass reads new ids of any sequences, prompts in chunks and single ids alike; the output matrix sees only the rows
/// whose logits are asked for. Sequences that were forked share their pages, and the keys and values of one source. A
/// pass allocates nothing unless it is larger than any before. The logits of a sequence have the same bits for any
/// chunks, company, number of threads, and without a cache.
public final class DecodingModel: StateReadingModel {
    /// The number of ids, V.
    public let vocabulary: Int
    /// How many ids a sequence can hold: the positions of the model.
    public let contextLength: Int
    /// How many ids of prompts one pass reads at most.
    public var promptChunk: Int { options.promptChunk }

    private let options: DecodingModelOptions
    private let passes: ModelPasses
    private let cache: KeyValueCache
    /// For an encoder-decoder.
    private let reader: SourceReader?
    private let sourceVocabulary: Int
    private var table = SlotTable(pageTokens: KeyValueCache.pageTokens)
    /// By slot: how many ids it may hold (0: it holds a source or nothing), and the source that it reads.
    private var slots: [Slot] = []
    private var pass: DecodingPass?
    private let copying: CopyingWork
    /// How many ids back the layers with windows look; nil without windows.
    private let window: Int?
    /// Turnings of positions that depend on how long a sequence is.
    private let stretched: [RotaryShape]
    private var additions: [Addition] = []
    private var ids: [Int32] = []
    private var outputs = 0
    private var root = 0

    private struct Slot {
        var capacity = 0
        var source: Int?
        /// How its positions have been turned.
        var turn: [Int] = []
        /// Ids that have not been read: where turning depends on the length, they wait for those that complete it.
        var waiting: [Int32] = []
    }

    /// Ids that the next pass reads.
    private struct Addition {
        let slot: Int
        /// In the list of ids.
        let ids: Range<Int>
        /// How many ids the slot held before.
        let past: Int
        let outputs: Int
    }

    /// Prepares a model: its matrices are packed when the first pass comes.
    ///
    /// - Throws: `HeedError` (`unsupported`) for a model that continues nothing.
    public init(_ model: Model, runtime: Runtime, options: DecodingModelOptions = DecodingModelOptions()) throws {
        guard !options.keepsStates || options.cache != .none else {
            throw HeedError(
                .usage, "states are not kept without a cache", in: "`cache`",
                expected: "a form of the cache for a contrastive search", got: options.cache.rawValue)
        }
        self.options = options
        passes = ModelPasses(
            model: model, runtime: runtime, precision: options.precision, keepsStates: options.keepsStates)
        if model.architecture.readsSource {
            let shape = try model.encoderDecoder.configuration
            vocabulary = shape.vocabulary
            contextLength = shape.context
            sourceVocabulary = shape.sourceVocabulary
            cache = KeyValueCache(
                layers: shape.decoder.layers, heads: shape.decoder.heads, width: shape.decoder.headWidth,
                form: options.cache.form ?? .float32)
            reader = SourceReader(passes, cache: cache, chunk: options.promptChunk)
            window = nil
            stretched = shape.decoder.rotary.filter(\.turnDependsOnLength)
        } else {
            let shape = try model.decoder.configuration
            vocabulary = shape.vocabulary
            contextLength = shape.context
            sourceVocabulary = 0
            let windows = shape.stack.windows
            cache = KeyValueCache(
                layers: shape.layers, heads: shape.keyHeads, width: shape.headWidth,
                form: options.cache.form ?? .float32, windowed: windows.map { $0 != nil })
            reader = nil
            window = windows.compactMap { $0 }.max()
            stretched = shape.stack.rotary.filter(\.turnDependsOnLength)
        }
        copying = CopyingWork(cache)
    }

    /// The bytes of the cache's pages.
    public var cacheBytes: Int { cache.byteCount }

    /// Runs the last pass once more and returns what each kind of work in it took, in seconds; for benchmarks. Empty
    /// before the first pass.
    public func profile() -> [(name: String, seconds: Double, calls: Int)] { pass?.pass.profile() ?? [] }

    // MARK: - Slots

    public func open(source: [Int32]?, capacity: Int) throws -> Int {
        let capacity = min(max(capacity, 1), contextLength)
        guard let reader else {
            let slot = table.open(capacity: capacity, root: 0)
            grow()
            slots[slot] = Slot(capacity: capacity)
            return slot
        }
        let source = try checked(source)
        let memory = table.open(capacity: source.count, root: 0)
        for id in source { try table.append(id, memory) }
        let number = reader.add(source, slot: memory)
        // Targets of one source hold the same for the same ids; those of two sources never do.
        root -= 1
        let slot = table.open(capacity: capacity, root: root)
        grow()
        slots[slot] = Slot(capacity: capacity, source: number)
        return slot
    }

    public func open(sharing slot: Int, first count: Int, capacity: Int) throws -> (slot: Int, held: Int) {
        let capacity = min(max(capacity, 1), contextLength)
        guard reader == nil, !isStateless else { return (try open(source: nil, capacity: capacity), 0) }
        let new = table.open(sharing: slot, first: count, capacity: capacity)
        grow()
        slots[new] = Slot(capacity: capacity, turn: slots[slot].turn)
        return (new, table.count(new))
    }

    public func fork(_ slot: Int) throws -> Int {
        let new = table.fork(slot)
        grow()
        slots[new] = slots[slot]
        if let source = slots[slot].source { reader?.retain(source) }
        return new
    }

    public func close(_ slot: Int) throws {
        try settle()
        table.close(slot)
        if let source = slots[slot].source, let memory = reader?.release(source) { table.close(memory) }
        slots[slot] = Slot()
    }

    public func truncate(_ slot: Int, to count: Int) throws {
        try settle()
        let waiting = table.count(slot) + slots[slot].waiting.count - count
        slots[slot].waiting.removeLast(min(max(waiting, 0), slots[slot].waiting.count))
        if let window, count > 0, max(0, count - window) < table.passedTokens(slot) {
            throw HeedError(
                .usage, "a sequence goes back to where its layers with windows remember nothing",
                expected: "at least \(table.passedTokens(slot) + window) ids, or none", got: "\(count)")
        }
        table.truncate(slot, to: count)
    }

    private func checked(_ ids: [Int32]?) throws -> [Int32] {
        guard let ids, !ids.isEmpty else {
            throw HeedError(.badInput, "the source is empty", expected: "at least one id")
        }
        guard ids.count <= contextLength else {
            throw HeedError(
                .badInput, "the source is longer than the model's context", expected: "at most \(contextLength) ids",
                got: "\(ids.count)")
        }
        if let id = ids.first(where: { $0 < 0 || Int($0) >= sourceVocabulary }) {
            throw HeedError(
                .badInput, "an id of the source is not in the vocabulary",
                expected: "ids from 0 to \(sourceVocabulary - 1)", got: "\(id)")
        }
        return ids
    }

    /// Makes room for what is said of the slots that the table has.
    private func grow() {
        slots.append(contentsOf: repeatElement(Slot(), count: max(0, table.slotCount - slots.count)))
    }

    /// Without a cache of the target: a decoder keeps nothing at all.
    private var isStateless: Bool { options.cache == .none && reader == nil }

    /// Gives the cache what the table counts on, and makes the copies and placements that it asks for.
    private func settle() throws {
        if !isStateless {
            // Once for all slots that were opened since: pages that are made together lie in large pages of the system.
            try cache.reserve(pages: table.pageCount)
            cache.reserve(slots: table.slotCount, tokens: table.longestSlot)
        }
        guard !table.copies.isEmpty || !table.placements.isEmpty || !table.passedPages.isEmpty else { return }
        if !isStateless {
            for page in table.passedPages { cache.pass(page: page) }
            for placement in table.placements {
                cache.place(page: placement.page, slot: placement.slot, index: placement.index)
            }
            copying.copies = table.copies
            if copying.copies.count > 1 { share(copying) } else { copying.run(part: 0, of: 1) }
            copying.copies = []
        }
        table.clearWork()
    }

    // MARK: - Passes

    public func add(_ new: UnsafeBufferPointer<Int32>, to slot: Int, outputs wanted: Int) throws -> Int {
        guard wanted <= new.count else {
            throw HeedError(
                .usage, "more logits are asked for than ids are given", expected: "at most \(new.count)",
                got: "\(wanted)")
        }
        let length = table.count(slot) + slots[slot].waiting.count + new.count
        guard length <= slots[slot].capacity else {
            throw HeedError(
                .usage, "a sequence is longer than was announced", expected: "at most \(slots[slot].capacity) ids",
                got: "\(length)")
        }
        let first = ids.count
        if !stretched.isEmpty {
            guard wanted > 0 else {
                slots[slot].waiting += new
                return outputs
            }
            try turn(slot, length: length)
            ids += slots[slot].waiting
            slots[slot].waiting.removeAll(keepingCapacity: true)
        }
        let past = table.count(slot)
        for id in new { ids.append(id) }
        for id in ids[first...] { try table.append(id, slot) }
        additions.append(Addition(slot: slot, ids: first..<ids.count, past: past, outputs: wanted))
        defer { outputs += wanted }
        return outputs
    }

    /// Prepares a slot for turning its positions as sequences of `length` ids do: where it holds ids that were turned in
    /// another way, they wait to be read again.
    private func turn(_ slot: Int, length: Int) throws {
        let turn = stretched.map { $0.turn(length: length) }
        guard turn != slots[slot].turn else { return }
        let held = table.ids(slot)
        let waiting = slots[slot].waiting
        try truncate(slot, to: 0)
        slots[slot].waiting = held + waiting
        slots[slot].turn = turn
        // No page holds what the same ids are turned to in another way.
        root -= 1
        table.become(root, slot)
    }

    public func additions(_ limit: Int, to slot: Int) -> Int {
        if stretched.isEmpty { return limit }
        let length = table.count(slot) + slots[slot].waiting.count + 1
        return (1...max(limit, 1)).prefix { more in
            more <= limit && stretched.allSatisfy { $0.turn(length: length) == $0.turn(length: length + more) }
        }.count
    }

    public func run() throws {
        defer {
            additions.removeAll(keepingCapacity: true)
            ids.removeAll(keepingCapacity: true)
            outputs = 0
        }
        guard !additions.isEmpty else { return }
        try settle()
        try reader?.run()
        let longest = slots.reduce(1) { max($0, $1.capacity) }
        if options.cache == .none {
            try runWithoutCache(longest: longest)
            return
        }
        if !stretched.isEmpty { try readWaiting(longest: longest) }
        let rows = additions.reduce(0) { $0 + $1.ids.count }
        let pass = try pass(rows: rows, sequences: additions.count, outputs: outputs, longest: longest)
        pass.clear()
        for addition in additions {
            try ids.withUnsafeBufferPointer {
                try pass.append(
                    UnsafeBufferPointer(rebasing: $0[addition.ids]), slot: addition.slot, past: addition.past,
                    whole: table.count(addition.slot), outputs: addition.outputs, source: source(of: addition.slot))
            }
        }
        pass.pass.forward()
        guard let window else { return }
        // As many ids more stay as guesses may be taken back.
        for addition in additions { table.pass(addition.slot, tokens: table.count(addition.slot) - window - 64) }
    }

    /// Reads what has waited for the ids that were added now, but for so many as one pass should read.
    private func readWaiting(longest: Int) throws {
        for place in additions.indices {
            let addition = additions[place]
            let chunk = max(promptChunk, addition.outputs)
            var (rest, past) = (addition.ids, addition.past)
            while rest.count > chunk {
                let pass = try pass(rows: chunk, sequences: 1, outputs: 1, longest: longest)
                pass.clear()
                try ids.withUnsafeBufferPointer {
                    try pass.append(
                        UnsafeBufferPointer(rebasing: $0[rest.prefix(chunk)]), slot: addition.slot, past: past,
                        whole: table.count(addition.slot), outputs: 0, source: source(of: addition.slot))
                }
                pass.pass.forward()
                rest = rest.dropFirst(chunk)
                past += chunk
            }
            additions[place] = Addition(slot: addition.slot, ids: rest, past: past, outputs: addition.outputs)
        }
    }

    /// Every sequence by itself, from its first id on.
    private func runWithoutCache(longest: Int) throws {
        var done = 0
        let all = try pass(
            rows: longest, sequences: 1, outputs: additions.reduce(1) { max($0, $1.outputs) }, longest: longest,
            kept: outputs)
        for addition in additions where addition.outputs > 0 {
            all.clear()
            let whole = table.ids(addition.slot)
            try whole.withUnsafeBufferPointer {
                try all.append(
                    $0, slot: 0, past: 0, whole: whole.count, outputs: addition.outputs,
                    source: source(of: addition.slot))
            }
            all.pass.forward()
            all.keep(addition.outputs, at: done)
            done += addition.outputs
        }
    }

    private func source(of slot: Int) -> SourceReader.Source? { slots[slot].source.flatMap { reader?.sources[$0] } }

    public func logits(_ number: Int) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(start: pass.map { $0.logits + number * vocabulary }, count: vocabulary)
    }

    /// Whether the options ask for it.
    public var keepsStates: Bool { options.keepsStates }

    public func state(_ number: Int) -> UnsafeBufferPointer<Float> {
        guard let states = pass?.states else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(start: states.numbers + number * states.width, count: states.width)
    }

    /// The pass, made anew where the one that is there is too small: then with room for twice as much.
    private func pass(
        rows: Int, sequences: Int, outputs: Int, longest: Int, kept: Int = 0
    ) throws -> DecodingPass {
        let wanted = DecodingPass.Size(
            rows: rows, sequences: sequences, outputs: outputs, longest: longest, kept: kept)
        if let pass, pass.size.holds(wanted) { return pass }
        var size = pass.map { wanted.grown(from: $0.size) } ?? wanted
        size.longest = min(size.longest, contextLength)
        pass = nil
        let new = try DecodingPass(
            passes, size: size, cache: options.cache == .none ? nil : cache, memory: reader == nil ? nil : cache)
        pass = new
        return new
    }

    // MARK: - Threads

    /// The number of threads.
    public var shares: Int { passes.runtime.team.count }

    /// Divides work among the threads that also compute the model.
    public func share(_ work: any TeamWork) { passes.runtime.team.share(work) }
}

/// The copies that slots ask for: each goes to a page of its own, from pages that nobody writes now.
private final class CopyingWork: TeamWork {
    var copies: [SlotTable.Copy] = []
    private let cache: KeyValueCache

    init(_ cache: KeyValueCache) { self.cache = cache }

    func run(part: Int, of parts: Int) {
        for index in stride(from: part, to: copies.count, by: parts) {
            cache.copy(tokens: copies[index].tokens, from: copies[index].from, to: copies[index].to)
        }
    }
}
