import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// Continues target sequences with an encoder-decoder: every source is read once, its keys and values of every decoder
/// layer are cached, and a step computes one row per sequence.
///
/// Rows that continue the same source share its cached keys and values. The logits of a row have the same bits for any
/// company and number of threads, and without a cache of the target.
public final class EncoderDecoderSource: NextTokenSource {
    /// The number of target ids, V.
    public let vocabulary: Int
    /// How many ids a target can hold.
    public let contextLength: Int
    public private(set) var rows = 0

    private let layers: EncoderDecoder
    private let weights: Weights
    private let runtime: Runtime
    private let options: SourceOptions
    private var reader: SourceReader?
    private var writer: TargetWriter?
    /// Of every row: its slot, the ids it holds, and the source that it translates.
    private var slots = SlotTable()
    private var sources: [Int32] = []
    private var spareSources: [Int32] = []
    /// 0, 1, 2, …: all rows take part in a step.
    private var everyRow: [Int] = []

    /// Prepares a model: its matrices are packed when the first prompt comes.
    ///
    /// - Throws: `HeedError` (`unsupported`) for a model that reads no source.
    public init(_ model: Model, runtime: Runtime, options: SourceOptions = SourceOptions()) throws {
        layers = try model.encoderDecoder
        weights = model.weights
        self.runtime = runtime
        self.options = options
        vocabulary = layers.configuration.vocabulary
        contextLength = layers.configuration.context
    }

    public func begin(_ prompts: [GenerationPrompt], rows: Int, capacity: Int) throws {
        let sourceIds = try prompts.enumerated().map { try checked($1.source, number: $0) }
        let longest = sourceIds.map(\.count).max() ?? 1
        let capacity = min(capacity, contextLength)
        if reader.map({ $0.sources < prompts.count || $0.longest < longest }) ?? true {
            reader = nil
            writer = nil
            reader = try SourceReader(
                layers, weights, runtime, options, sources: prompts.count, longest: longest)
        }
        guard let reader else { return }
        try reader.read(sourceIds)
        if writer.map({ $0.rows < rows || $0.capacity < capacity }) ?? true {
            writer = nil
            writer = try TargetWriter(
                layers, weights, runtime, options, memory: reader.cache, rows: rows, capacity: capacity)
        }
        self.rows = prompts.count
        slots = SlotTable(rows: prompts.count, slots: writer?.rows ?? rows, capacity: capacity)
        sources = prompts.indices.map { Int32($0) }
        for row in prompts.indices {
            try prompts[row].ids.dropLast().withUnsafeBufferPointer { try replace(row: row, ids: $0) }
        }
        try prompts.compactMap(\.ids.last).withUnsafeBufferPointer { try advance($0) }
    }

    /// Runs the last step of all rows once more and returns what each kind of work in it took, in seconds; for
    /// benchmarks. Empty before the first step.
    public func profile() -> [(name: String, seconds: Double, calls: Int)] { writer?.profile() ?? [] }

    private func checked(_ ids: [Int32]?, number: Int) throws -> [Int32] {
        let place = "source \(number + 1)"
        guard let ids, !ids.isEmpty else {
            throw HeedError(.badInput, "the source is empty", in: place, expected: "at least one id")
        }
        guard ids.count <= contextLength else {
            throw HeedError(
                .badInput, "the source is longer than the model's context", in: place,
                expected: "at most \(contextLength) ids", got: "\(ids.count)")
        }
        let limit = layers.configuration.sourceVocabulary
        if let id = ids.first(where: { $0 < 0 || Int($0) >= limit }) {
            throw HeedError(
                .badInput, "an id is not in the vocabulary", in: place, expected: "ids from 0 to \(limit - 1)",
                got: "\(id)")
        }
        return ids
    }

    public func logits(row: Int) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(start: writer.map { UnsafePointer($0.logits + row * vocabulary) }, count: vocabulary)
    }

    public func select(_ parents: UnsafeBufferPointer<Int32>) throws {
        guard let writer else { return }
        try slots.select(parents)
        // Each copy goes to a slot of its own, from slots that nobody writes now.
        let copies = slots.copies
        if writer.hasCache {
            runtime.team.share { part, parts in
                for index in stride(from: part, to: copies.count, by: parts) { writer.copy(copies[index]) }
            }
        } else {
            for copy in copies { writer.copy(copy) }
        }
        swap(&sources, &spareSources)
        sources.removeAll(keepingCapacity: true)
        for parent in parents { sources.append(spareSources[Int(parent)]) }
        rows = parents.count
    }

    /// The number of threads.
    public var shares: Int { runtime.team.count }

    /// Divides work among the threads that also compute the model.
    public func share(_ body: (_ part: Int, _ parts: Int) -> Void) { runtime.team.share(body) }

    public func advance(_ ids: UnsafeBufferPointer<Int32>) throws {
        guard let writer, let reader, ids.count == rows else {
            throw HeedError(.usage, "one id per row is needed", expected: "\(rows)", got: "\(ids.count)")
        }
        while everyRow.count < rows { everyRow.append(everyRow.count) }
        try writer.step(ids, everyRow[0..<rows], slots, sources, reader)
        for row in 0..<rows { slots.append(ids[row], row: row) }
    }

    public func replace(row: Int, ids: UnsafeBufferPointer<Int32>) throws {
        guard let writer, let reader else { return }
        slots.clear(row: row)
        writer.forget(slot: slots[row].slot)
        for id in ids {
            try withUnsafePointer(to: id) {
                try writer.step(UnsafeBufferPointer(start: $0, count: 1), [row], slots, sources, reader)
            }
            slots.append(id, row: row)
        }
    }
}

/// Reads sources: ids → memory → keys and values of every decoder layer.
private final class SourceReader {
    let sources: Int
    let longest: Int
    /// Keys and values of source s at slot s.
    let cache: KeyValueCache
    /// Ids of every source.
    private(set) var lengths: [Int] = []
    private let batch: TokenBatch
    private let plan: Pass<Void>

    init(
        _ layers: EncoderDecoder, _ weights: Weights, _ runtime: Runtime,
        _ options: SourceOptions, sources: Int, longest: Int
    ) throws {
        self.sources = sources
        self.longest = longest
        let stack = layers.configuration.decoder
        cache = try KeyValueCache(
            layers: stack.layers, slots: sources, tokens: longest, heads: stack.heads, width: stack.headWidth)
        let capacity = max(longest, min(options.prefillChunk, sources * longest))
        let batch = TokenBatch(rowCapacity: capacity, sequenceCapacity: min(sources, capacity))
        self.batch = batch
        let cache = cache
        plan = try runtime.pass(
            weights, for: .inference, maximumLength: longest, precision: options.precision
        ) { trace in layers.keep(layers.encode(batch, in: trace), in: cache, batch: batch) }
    }

    /// Reads every source once, as many together as fit.
    func read(_ ids: [[Int32]]) throws {
        lengths = ids.map(\.count)
        batch.clear()
        for (slot, ids) in ids.enumerated() {
            if batch.rows.current + ids.count > batch.rows.capacity
                || batch.sequences.current == batch.sequences.capacity
            {
                plan.forward()
                batch.clear()
            }
            try batch.append(ids, slot: slot)
        }
        plan.forward()
    }
}

/// Writes targets: one more id of every row → logits of the next.
private final class TargetWriter {
    let rows: Int
    let capacity: Int
    /// Logits [rows, V] after the last step.
    let logits: UnsafeMutablePointer<Float>
    private let vocabulary: Int
    private let cache: KeyValueCache?
    private let batch: TokenBatch
    /// Which rows of `batch` read which source: neighbours that read the same one are one sequence here.
    private let view: TokenBatch
    private let plan: Pass<KeptTensor>
    private let planLogits: UnsafePointer<Float>
    /// Without a cache: the ids of every slot.
    private var histories: [[Int32]] = []

    init(
        _ layers: EncoderDecoder, _ weights: Weights, _ runtime: Runtime,
        _ options: SourceOptions, memory: KeyValueCache, rows: Int, capacity: Int
    ) throws {
        self.rows = rows
        self.capacity = capacity
        vocabulary = layers.configuration.vocabulary
        let stack = layers.configuration.decoder
        switch options.cache {
        case .none:
            cache = nil
            histories = Array(repeating: [], count: rows)
            batch = TokenBatch(rowCapacity: capacity, sequenceCapacity: 1)
        default:
            cache = try KeyValueCache(
                layers: stack.layers, slots: rows, tokens: capacity, heads: stack.heads, width: stack.headWidth)
            batch = TokenBatch(rowCapacity: rows, sequenceCapacity: rows)
        }
        view = TokenBatch(rowCapacity: 1, sequenceCapacity: batch.sequences.capacity)
        let (batch, view, cache) = (batch, view, cache)
        plan = try runtime.pass(
            weights, for: .inference, maximumLength: capacity, precision: options.precision, store: cache
        ) { trace in
            let states = layers.decode(batch, stored: memory, of: view, in: trace)
            return layers.logits(cache == nil ? states.outputs(of: batch) : states).kept()
        }
        planLogits = plan[plan.outputs].numbers
        logits = .allocate(capacity: rows * vocabulary)
        logits.initialize(repeating: 0, count: rows * vocabulary)
    }

    deinit { logits.deallocate() }

    /// Adds one id to each of `numbers` among the rows.
    func step(
        _ ids: UnsafeBufferPointer<Int32>, _ numbers: ArraySlice<Int>, _ slots: SlotTable, _ sources: [Int32],
        _ reader: SourceReader
    ) throws {
        view.clear()
        func look(_ rows: Int, at source: Int32) {
            var readers = view.sequences.current
            if readers == 0 || view.slots[readers - 1] != source {
                view.slots[readers] = source
                view.lengths[readers] = Int32(reader.lengths[Int(source)])
                view.offsets[readers + 1] = view.offsets[readers]
                readers += 1
                view.sequences.current = readers
            }
            view.offsets[readers] += Int32(rows)
        }
        guard cache == nil else {
            batch.clear()
            for (sequence, number) in numbers.enumerated() {
                let (slot, held) = slots[number]
                try batch.append(CollectionOfOne(ids[sequence]), slot: slot, past: held)
                look(1, at: sources[number])
            }
            plan.forward()
            if numbers.count == 1, let number = numbers.first, number > 0 {
                (logits + number * vocabulary).update(from: planLogits, count: vocabulary)
            } else {
                logits.update(from: planLogits, count: numbers.count * vocabulary)
            }
            return
        }
        for (sequence, number) in numbers.enumerated() {
            let slot = slots[number].slot
            histories[slot].append(ids[sequence])
            batch.clear()
            try batch.append(histories[slot], lastOnly: true)
            view.clear()
            look(batch.rows.current, at: sources[number])
            plan.forward()
            (logits + number * vocabulary).update(from: planLogits, count: vocabulary)
        }
    }

    func profile() -> [(name: String, seconds: Double, calls: Int)] { plan.profile() }

    /// Whether keys and values are remembered.
    var hasCache: Bool { cache != nil }

    /// Makes a slot hold what another holds.
    func copy(_ copy: SlotTable.Copy) {
        guard let cache else {
            histories[copy.to] = histories[copy.from]
            return
        }
        cache.copy(from: copy.from, to: copy.to, tokens: copy.tokens, same: copy.same)
    }

    /// Forgets what a slot holds.
    func forget(slot: Int) { if cache == nil { histories[slot] = [] } }
}
