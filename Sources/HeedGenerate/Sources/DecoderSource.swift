import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// What a decoder remembers between steps.
public enum CacheKind: String, Sendable, CaseIterable {
    /// Keys and values of all tokens, in single precision.
    case float32 = "f32"
    /// Nothing: every step computes all tokens again. For comparison.
    case none
}

/// How a decoder is run for generation.
public struct SourceOptions: Sendable, Equatable {
    /// The number format of products.
    public var precision = Precision.float32
    /// What is remembered between steps.
    public var cache = CacheKind.float32
    /// How many tokens of the prompts one pass reads at most.
    public var prefillChunk = 512

    /// The usual way.
    public init() {}
}

/// Continues sequences with a decoder-only model and a key-value cache.
///
/// Prompts are read in chunks without the output matrix, all but their last ids; those go through the step plan like
/// every later id, whose plan of one row per sequence serves all steps. A step allocates nothing. The logits of a row
/// have the same bits for any chunk, company, number of threads, and without a cache.
public final class DecoderSource: NextTokenSource {
    /// The number of ids, V.
    public let vocabulary: Int
    /// How many ids a row can hold: the positions of the model.
    public let contextLength: Int
    public private(set) var rows = 0

    private let decoder: Decoder
    private let weights: Weights
    private let runtime: Runtime
    private let options: SourceOptions
    private var engine: Engine?
    /// The cache slot of every row, and how many tokens it holds.
    private var slots: [Int32] = []
    private var held: [Int] = []

    /// Prepares a model: its matrices are packed when the first prompt comes.
    ///
    /// - Throws: `HeedError` (`unsupported`) for a model that does not continue its own text.
    public init(_ model: Model, runtime: Runtime, options: SourceOptions = SourceOptions()) throws {
        decoder = try model.decoder
        weights = model.weights
        self.runtime = runtime
        self.options = options
        vocabulary = decoder.configuration.vocabulary
        contextLength = decoder.configuration.context
    }

    public func begin(_ prompts: [GenerationPrompt], rows: Int, capacity: Int) throws {
        if let engine, engine.rows >= rows, engine.capacity >= capacity {
            self.engine = engine
        } else {
            engine = nil
            engine = try Engine(
                decoder, weights, runtime, options, rows: rows, capacity: min(capacity, contextLength))
        }
        guard let engine else { return }
        self.rows = prompts.count
        slots = prompts.indices.map { Int32($0) }
        held = prompts.map { $0.ids.count - 1 }
        try engine.read(
            prompts.map { $0.ids.dropLast() }, slots: slots, past: Array(repeating: 0, count: prompts.count))
        try prompts.compactMap(\.ids.last).withUnsafeBufferPointer { try advance($0) }
    }

    public func logits(row: Int) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(start: engine.map { $0.logits + row * vocabulary }, count: vocabulary)
    }

    public func select(_ parents: UnsafeBufferPointer<Int32>) throws {
        guard let engine else { return }
        // The first child of a parent keeps its slot; the others copy it into slots that nobody holds any more.
        var isFree = [Bool](repeating: true, count: engine.rows)
        for parent in parents { isFree[Int(slots[Int(parent)])] = false }
        var isTaken = [Bool](repeating: false, count: engine.rows)
        var newSlots: [Int32] = []
        var newHeld: [Int] = []
        var next = 0
        for parent in parents {
            let slot = Int(slots[Int(parent)])
            let count = held[Int(parent)]
            newHeld.append(count)
            if !isTaken[slot] {
                isTaken[slot] = true
                newSlots.append(Int32(slot))
                continue
            }
            while next < isFree.count, !isFree[next] { next += 1 }
            guard next < isFree.count else {
                throw HeedError(.usage, "more rows than were announced", expected: "at most \(engine.rows)")
            }
            engine.copy(from: slot, to: next, tokens: count)
            newSlots.append(Int32(next))
            next += 1
        }
        slots = newSlots
        held = newHeld
        rows = parents.count
    }

    /// The number of threads.
    public var shares: Int { runtime.team.count }

    /// Divides work among the threads that also compute the model.
    public func share(_ body: (_ part: Int, _ parts: Int) -> Void) { runtime.team.share(body) }

    public func advance(_ ids: UnsafeBufferPointer<Int32>) throws {
        guard let engine, ids.count == rows else {
            throw HeedError(.usage, "one id per row is needed", expected: "\(rows)", got: "\(ids.count)")
        }
        try engine.step(ids, slots: slots, past: held)
        for row in held.indices { held[row] += 1 }
    }

    public func replace(row: Int, ids: UnsafeBufferPointer<Int32>) throws {
        guard let engine else { return }
        held[row] = ids.count
        try engine.read([Array(ids)[...]], slots: [slots[row]], past: [0])
    }
}

/// The plans and the cache of one size of batch.
private final class Engine {
    let rows: Int
    let capacity: Int
    /// Logits [rows, V] after the last step.
    let logits: UnsafePointer<Float>

    private let vocabulary: Int
    private let cache: KeyValueCache?
    private let stepBatch: TokenBatch
    private let stepPlan: Pass<KeptTensor>
    private let chunkBatch: TokenBatch?
    private let chunkPlan: Pass<KeptTensor>?
    /// Without a cache: the ids of every slot, and the logits of all rows.
    private var histories: [[Int32]] = []
    private var ownLogits: UnsafeMutableBufferPointer<Float>?

    init(
        _ decoder: Decoder, _ weights: Weights, _ runtime: Runtime, _ options: SourceOptions, rows: Int, capacity: Int
    ) throws {
        self.rows = rows
        self.capacity = capacity
        let configuration = decoder.configuration
        vocabulary = configuration.vocabulary
        func plan(_ batch: TokenBatch, _ cache: KeyValueCache?, head: Bool) throws -> Pass<KeptTensor> {
            try runtime.pass(
                weights, for: .inference, maximumLength: capacity, precision: options.precision, store: cache
            ) { trace in
                var states = decoder(batch, in: trace)
                guard head else { return states.kept() }
                if cache == nil { states = states.outputs(of: batch) }
                return decoder.logits(states).kept()
            }
        }
        switch options.cache {
        case .float32:
            let cache = try KeyValueCache(
                layers: configuration.layers, slots: rows, tokens: capacity, heads: configuration.keyHeads,
                width: configuration.headWidth)
            self.cache = cache
            stepBatch = TokenBatch(rowCapacity: rows, sequenceCapacity: rows)
            stepPlan = try plan(stepBatch, cache, head: true)
            let chunk = max(1, min(options.prefillChunk, rows * capacity))
            let batch = TokenBatch(rowCapacity: chunk, sequenceCapacity: min(rows, chunk))
            chunkBatch = batch
            chunkPlan = try plan(batch, cache, head: false)
        case .none:
            cache = nil
            stepBatch = TokenBatch(rowCapacity: capacity, sequenceCapacity: 1, outputCapacity: 1)
            stepPlan = try plan(stepBatch, nil, head: true)
            chunkBatch = nil
            chunkPlan = nil
            histories = Array(repeating: [], count: rows)
        }
        let observed = stepPlan[stepPlan.outputs]
        if options.cache == .none {
            let own = UnsafeMutableBufferPointer<Float>.allocate(capacity: rows * vocabulary)
            own.initialize(repeating: 0)
            ownLogits = own
            logits = own.baseAddress.map { UnsafePointer($0) } ?? observed.numbers
        } else {
            logits = observed.numbers
        }
    }

    deinit { ownLogits?.deallocate() }

    /// Reads new tokens of some slots into the cache, in chunks that may hold parts of several.
    func read(_ parts: [ArraySlice<Int32>], slots: [Int32], past: [Int]) throws {
        guard let chunkBatch, let chunkPlan else {
            for (part, slot) in zip(parts, slots) { histories[Int(slot)] = Array(part) }
            return
        }
        chunkBatch.clear()
        for (index, part) in parts.enumerated() {
            var rest = part
            while !rest.isEmpty {
                let room = chunkBatch.rows.capacity - chunkBatch.rows.current
                if room == 0 || chunkBatch.sequences.current == chunkBatch.sequences.capacity {
                    chunkPlan.forward()
                    chunkBatch.clear()
                    continue
                }
                let piece = rest.prefix(room)
                try chunkBatch.append(
                    piece, slot: Int(slots[index]), past: past[index] + (part.count - rest.count), lastOnly: true)
                rest = rest.dropFirst(piece.count)
            }
        }
        if chunkBatch.rows.current > 0 { chunkPlan.forward() }
    }

    /// Computes the logits after one more id of every row.
    func step(_ ids: UnsafeBufferPointer<Int32>, slots: [Int32], past: [Int]) throws {
        guard cache == nil else {
            stepBatch.clear()
            for row in ids.indices {
                try stepBatch.append(CollectionOfOne(ids[row]), slot: Int(slots[row]), past: past[row])
            }
            stepPlan.forward()
            return
        }
        for row in ids.indices {
            let slot = Int(slots[row])
            histories[slot].append(ids[row])
            stepBatch.clear()
            try stepBatch.append(histories[slot], lastOnly: true)
            stepPlan.forward()
            stepPlan[stepPlan.outputs].withRow(0) { values in
                _ = ownLogits.map { UnsafeMutableBufferPointer(rebasing: $0[(row * vocabulary)...]).update(from: values) }
            }
        }
    }

    /// Copies what slot `from` holds to slot `to`.
    func copy(from: Int, to: Int, tokens: Int) {
        if let cache { cache.copy(from: from, to: to, tokens: tokens) } else { histories[to] = histories[from] }
    }
}
