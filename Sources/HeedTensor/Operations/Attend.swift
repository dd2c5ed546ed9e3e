import CHeedKernels

/// What attention may see and how it scores: the variants as values of one operation.
public struct AttentionShape: Sendable, Equatable {
    /// Query heads H.
    public var heads: Int
    /// Key and value heads; fewer than `heads` when groups of queries share them (Ainslie et al. 2023).
    public var keyHeads: Int
    /// Columns per head.
    public var width: Int
    /// Factor on q · k, usually 1/√width.
    public var scale: Float
    /// Whether row i sees only keys up to i.
    public var causal: Bool

    /// Heads of `width` columns; keys and values have as many as queries, and scores are divided by √width, unless
    /// given.
    public init(heads: Int, keyHeads: Int? = nil, width: Int, scale: Float? = nil, causal: Bool) {
        self.heads = heads
        self.keyHeads = keyHeads ?? heads
        self.width = width
        self.scale = scale ?? 1 / Float(width).squareRoot()
        self.causal = causal
    }
}

/// A learned offset on the scores that depends on the distance of key and query (Raffel et al. 2020, section 2.1).
public struct RelativeBias: Sendable {
    /// [buckets, heads].
    public let table: Parameter
    /// The distance from which all keys share the last bucket.
    public let maximumDistance: Int
    /// Whether keys after the query have buckets of their own.
    public let bidirectional: Bool

    /// Offsets from a table [buckets, heads].
    public init(table: Parameter, maximumDistance: Int, bidirectional: Bool) {
        self.table = table
        self.maximumDistance = maximumDistance
        self.bidirectional = bidirectional
    }
}

/// `out = softmax(scale · q kᵀ + bias, over visible keys) · v` for each head, sequence by sequence.
///
/// Inputs: one value `q | k | v` for self-attention; `q` and `k | v` for attention to a memory; only `q` when the
/// memory's keys and values are in the cache already.
struct AttendOperation: Operation {
    enum Source {
        /// q, k, v side by side in one value; kept in the cache's layer when the trace has one.
        case own(layer: Int)
        /// q of one value, k | v of another with the memory's rows.
        case memory(TokenBatch)
        /// q of one value; keys and values in a layer of the memory's cache. Each sequence of the batch given here is
        /// the rows of q that read one slot.
        case cachedMemory(KeyValueCache, layer: Int, TokenBatch)
    }

    let shape: AttentionShape
    let source: Source
    let batch: TokenBatch
    let bias: RelativeBias?
    let dropout: Float
    let dropoutPurpose: UInt32
    let keepsWeights: Bool
    let maximumKeys: Int

    var name: String { "attention" }
    var formula: String {
        "out = softmax(s · q kᵀ\(bias == nil ? "" : " + b")\(shape.causal ? " | key ≤ query" : "")) · v"
    }
    var gradientFormula: String {
        "∂v = pᵀ ∂out; ∂p = ∂out vᵀ; ∂s = p ⊙ (∂p − Σ ∂p ⊙ p); ∂q = s · ∂s k; ∂k = s · ∂sᵀ q"
    }
    var parameters: [Parameter] { bias.map { [$0.table] } ?? [] }
    /// Row normalisers, and the weights when somebody wants to see them.
    var auxiliaries: [Int] { keepsWeights ? [shape.heads, shape.heads * maximumKeys] : [shape.heads] }
    var gradientInputs: [Int] {
        switch source {
        case .own: [0]
        case .memory: [0, 1]
        case .cachedMemory: []
        }
    }
    var gradientReadsOutput: Bool { true }

    private var queryColumns: Int { shape.heads * shape.width }
    private var keyColumns: Int { shape.keyHeads * shape.width }

    func cost(rows: Int) -> Cost {
        let keys = Double(shape.causal ? (maximumKeys + 1) / 2 : maximumKeys)
        return Double(rows)
            * Cost(operations: 4 * keys * Double(queryColumns), bytes: 8 * Double(queryColumns + keyColumns))
    }

    /// At run time sequences are usually shorter than the longest; share out from the cost of a short one.
    private var sharingCost: Cost {
        Cost(operations: 4 * Double(min(maximumKeys, 64)) * Double(queryColumns))
    }

    func forward(_ binder: Binder) {
        switch source {
        case .own(let layer):
            guard let cache = binder.trace.cache else {
                emitWhole(binder)
                return
            }
            let fused = Int64(queryColumns + 2 * keyColumns)
            let memory = cache.layout(layer: layer)
            binder.emit(
                binder.kernels.cache_append,
                heed_cache_append(
                    sequences: batch.sequences.pointer, offsets: batch.offsets, slots: batch.slots, past: batch.past,
                    k: binder.input(0) + queryColumns, k_stride: fused,
                    v: binder.input(0) + queryColumns + keyColumns, v_stride: fused, cache: memory),
                rows: binder.rows, cost: Cost(bytes: 16 * Double(keyColumns)))
            emitCached(binder, memory, stride: fused, batch)
        case .cachedMemory(let cache, let layer, let memoryBatch):
            emitCached(binder, cache.layout(layer: layer), stride: Int64(queryColumns), memoryBatch)
        case .memory:
            emitWhole(binder)
        }
    }

    private func emitWhole(_ binder: Binder) {
        binder.emit(binder.kernels.attention, arguments(binder), rows: binder.rows, cost: sharingCost)
    }

    /// `readers` says which rows read which slot, and how much of it.
    private func emitCached(
        _ binder: Binder, _ cache: heed_cache_layout, stride: Int64, _ readers: TokenBatch
    ) {
        binder.emit(
            binder.kernels.cached_attention,
            heed_cached_attention(
                sequences: readers.sequences.pointer, query_offsets: readers.offsets, slots: readers.slots,
                lengths: readers.lengths, q: binder.input(0), q_stride: stride, out: binder.output,
                out_stride: Int64(queryColumns),
                cache: cache, bias: binder.value(bias?.table), bias_buckets: Int32(bias?.table.shape.first ?? 0),
                bias_max_distance: Int32(bias?.maximumDistance ?? 0),
                bias_bidirectional: bias?.bidirectional == true ? 1 : 0, heads: Int32(shape.heads),
                causal: shape.causal ? 1 : 0, scale: shape.scale,
                scratch: binder.scratch(heed_attention_scratch(Int64(shape.width), 0, 1))),
            rows: binder.rows, cost: sharingCost)
    }

    private func scratch(_ binder: Binder) -> heed_scratch {
        binder.scratch(
            heed_attention_scratch(
                Int64(shape.width), Int64(maximumKeys), Int64(shape.heads / max(shape.keyHeads, 1))))
    }

    private func arguments(_ binder: Binder) -> heed_attention {
        let query = binder.input(0)
        let keyBatch: TokenBatch
        let key: UnsafeMutablePointer<Float>
        let queryStride: Int
        let keyStride: Int
        if case .memory(let memory) = source {
            keyBatch = memory
            key = binder.input(1)
            queryStride = queryColumns
            keyStride = 2 * keyColumns
        } else {
            keyBatch = batch
            key = query + queryColumns
            queryStride = queryColumns + 2 * keyColumns
            keyStride = queryStride
        }
        return heed_attention(
            sequences: batch.sequences.pointer, query_offsets: batch.offsets, key_offsets: keyBatch.offsets, q: query,
            q_stride: Int64(queryStride), k: key, k_stride: Int64(keyStride), v: key + keyColumns,
            v_stride: Int64(keyStride), out: binder.output, out_stride: Int64(queryColumns),
            normaliser: binder.auxiliary(0), weights: keepsWeights ? binder.auxiliary(1) : nil,
            weights_stride: Int64(maximumKeys), bias: binder.value(bias?.table),
            bias_buckets: Int32(bias?.table.shape.first ?? 0), bias_max_distance: Int32(bias?.maximumDistance ?? 0),
            bias_bidirectional: bias?.bidirectional == true ? 1 : 0,
            query_positions: nil, key_positions: nil,
            heads: Int32(shape.heads), kv_heads: Int32(shape.keyHeads), width: Int32(shape.width),
            causal: shape.causal ? 1 : 0, max_keys: Int32(maximumKeys), scale: shape.scale, dropout: dropout,
            purpose: dropoutPurpose, random: binder.trace.randomState.pointer, scratch: scratch(binder))
    }

    func backward(_ binder: Binder) {
        guard let dout = binder.outputGradient, let dq = binder.inputGradient(0) else { return }
        var dk = dq.pointer + queryColumns
        var queryStride = queryColumns + 2 * keyColumns
        var keyStride = queryStride
        if case .memory = source {
            guard let dmemory = binder.inputGradient(1) else { return }
            dk = dmemory.pointer
            queryStride = queryColumns
            keyStride = 2 * keyColumns
        }
        binder.emit(
            binder.kernels.attention_gradient,
            heed_attention_gradient(
                forward: arguments(binder), dout: dout, dout_stride: Int64(queryColumns), dq: dq.pointer,
                dq_stride: Int64(queryStride), dk: dk, dk_stride: Int64(keyStride), dv: dk + keyColumns,
                dv_stride: Int64(keyStride), dbias: binder.gradient(bias?.table)),
            rows: binder.rows, cost: 2.5 * sharingCost)
    }
}

extension Tensor {
    /// Attention of each sequence to itself. `self [rows, (H + 2·Hₖ)·width]` holds queries, keys and values side by
    /// side; the result is `[rows, H·width]`. With a cache in the trace, keys and values join those of earlier passes.
    /// Cost: 4 · rows · keys · H · width operations (half that when causal).
    public func attending(
        _ shape: AttentionShape, batch: TokenBatch, layer: Int, bias: RelativeBias? = nil, dropout: Float = 0,
        observedAs name: String? = nil
    ) -> Tensor {
        attend([self], shape, .own(layer: layer), batch, bias, dropout, name, trace.maximumLength)
    }

    /// Attention to a memory: `self [rows, H·width]` are queries, `memory [memory rows, 2·Hₖ·width]` keys and values.
    public func attending(
        to memory: Tensor, _ shape: AttentionShape, batch: TokenBatch, memoryBatch: TokenBatch, dropout: Float = 0,
        observedAs name: String? = nil
    ) -> Tensor {
        attend(
            [self, memory], shape, .memory(memoryBatch), batch, nil, dropout, name, trace.maximumLength)
    }

    /// Attention to a memory whose keys and values were put into `cache` when its source was read.
    ///
    /// Each sequence of `memoryBatch` is the rows of `self` (by `offsets`) that read one slot of the cache, `lengths` of
    /// it: rows that read the same memory load it once.
    public func attending(
        toCached cache: KeyValueCache, layer: Int, _ shape: AttentionShape, batch: TokenBatch, memoryBatch: TokenBatch
    ) -> Tensor {
        attend(
            [self], shape, .cachedMemory(cache, layer: layer, memoryBatch), batch, nil, 0, nil, trace.maximumLength)
    }

    private func attend(
        _ inputs: [Tensor], _ shape: AttentionShape, _ source: AttendOperation.Source, _ batch: TokenBatch,
        _ bias: RelativeBias?, _ dropout: Float, _ name: String?, _ maximumKeys: Int
    ) -> Tensor {
        let drops = dropout > 0 && trace.purpose == .training
        let keeps = name != nil && trace.keepsAttentionWeights
        let result = trace.record(
            AttendOperation(
                shape: shape, source: source, batch: batch, bias: bias, dropout: drops ? dropout : 0,
                dropoutPurpose: drops ? trace.nextDropoutPurpose() : 0, keepsWeights: keeps, maximumKeys: maximumKeys),
            inputs, rows: rows, columns: shape.heads * shape.width)
        if keeps, let name { trace.observeAuxiliary(1, of: result, as: name) }
        return result
    }

    /// Puts keys and values `[rows, 2·Hₖ·width]` of a memory into `layer` of `cache`, at the slots of `batch`.
    public func stored(in cache: KeyValueCache, layer: Int, shape: AttentionShape, batch: TokenBatch) {
        _ = trace.record(
            StoreOperation(cache: cache, layer: layer, columns: shape.keyHeads * shape.width, batch: batch), [self],
            rows: rows, columns: 1)
    }
}

/// Writes keys and values of a memory into a cache, once per source.
struct StoreOperation: Operation {
    let cache: KeyValueCache
    let layer: Int
    let columns: Int
    let batch: TokenBatch
    var name: String { "store keys and values" }
    var formula: String { "cache ← k | v" }
    var gradientFormula: String { "none" }
    func cost(rows: Int) -> Cost { Double(rows) * Cost(bytes: 16 * Double(columns)) }
    func forward(_ binder: Binder) {
        binder.emit(
            binder.kernels.cache_append,
            heed_cache_append(
                sequences: batch.sequences.pointer, offsets: batch.offsets, slots: batch.slots, past: batch.past,
                k: binder.input(0), k_stride: Int64(2 * columns), v: binder.input(0) + columns,
                v_stride: Int64(2 * columns), cache: cache.layout(layer: layer)), rows: binder.rows, cost: cost(rows: 1)
        )
    }
    func backward(_ binder: Binder) {}
}
