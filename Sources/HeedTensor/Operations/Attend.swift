/// The keys around a row that it sees: its own, so many before and, where attention looks ahead, so many after.
public struct AttentionWindow: Sendable, Equatable {
    /// Keys before the row's own.
    public var before: Int
    /// Keys after it.
    public var after: Int

    /// A window of `before` keys, the row's own, and `after` keys.
    public init(before: Int, after: Int = 0) {
        self.before = before
        self.after = after
    }
}

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
    /// How far a row sees; nil: everything else allows.
    public var window: AttentionWindow?
    /// c of scores that are bent to c · tanh(score / c), as in Gemma 2; nil: they are not.
    public var cap: Float?
    /// By how much a score falls per token of distance, for each head (ALiBi, Press et al. 2022); empty: it does not.
    public var slopes: [Float] = []

    /// Heads of `width` columns; keys and values have as many as queries, and scores are divided by √width, unless
    /// given.
    public init(heads: Int, keyHeads: Int? = nil, width: Int, scale: Float? = nil, causal: Bool) {
        self.heads = heads
        self.keyHeads = keyHeads ?? heads
        self.width = width
        self.scale = scale ?? 1 / Float(width).squareRoot()
        self.causal = causal
    }

    /// H · width.
    public var queryColumns: Int { heads * width }
    /// Hₖ · width: the columns of the keys, and of the values.
    public var keyColumns: Int { keyHeads * width }
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

/// Whose keys and values attention reads.
public enum AttendedKeys: Sendable {
    /// The sequence's own: input 0 is `q | k | v`.
    case own
    /// The sequence's own of this pass and of earlier ones: input 0 is `q | k | v`, whose k and v join a layer of a store.
    case ownStored(any KeyValueStore, layer: Int)
    /// Those of a memory: input 0 is `q`, input 1 `k | v` with the rows of this batch.
    case memory(TokenBatch)
    /// Those of a memory in a layer of a store: input 0 is `q`. Each sequence of the batch given here is the rows of q
    /// that read one slot.
    case memoryStored(any KeyValueStore, layer: Int, TokenBatch)
}

/// `out = softmax(scale · q kᵀ + bias, over visible keys) · v` for each head, sequence by sequence.
public struct AttendOperation: TensorOperation {
    /// Heads, scale and mask.
    public let shape: AttentionShape
    /// Whose keys are read.
    public let keys: AttendedKeys
    /// The sequences of the queries.
    public let batch: TokenBatch
    /// Offsets on the scores.
    public let bias: RelativeBias?
    /// The slopes of the shape, where it has some.
    public let slopes: ConstantTable?
    /// Rate at which weights are dropped.
    public let dropout: Float
    /// The number of this place in the counters of random numbers.
    public let site: UInt32
    /// Seed, step and first row of the masks.
    public let random: RandomState
    /// Whether the weights are written out.
    public let keepsWeights: Bool
    /// The most keys of a sequence.
    public let maximumKeys: Int

    public var name: String { "attention" }
    public var formula: String {
        let product = shape.cap == nil ? "s · q kᵀ" : "c · tanh(s · q kᵀ / c)"
        let offsets = (bias == nil ? "" : " + b") + (slopes == nil ? "" : " + m · (key − query)")
        let mask = [
            shape.causal ? "key ≤ query" : nil, shape.window.map { "key ≥ query − \($0.before)" },
            shape.window.flatMap { $0.after > 0 ? "key ≤ query + \($0.after)" : nil },
        ].compactMap { $0 }
        return "out = softmax(\(product)\(offsets)\(mask.isEmpty ? "" : " | " + mask.joined(separator: ", "))) · v"
    }
    public var gradientFormula: String {
        "∂v = pᵀ ∂out; ∂p = ∂out vᵀ; ∂s = p ⊙ (∂p − Σ ∂p ⊙ p); ∂q = s · ∂s k; ∂k = s · ∂sᵀ q"
    }
    public var parameters: [Parameter] { bias.map { [$0.table] } ?? [] }
    /// Row normalisers, and the weights when somebody wants to see them.
    public var auxiliaries: [Int] { keepsWeights ? [shape.heads, shape.heads * maximumKeys] : [shape.heads] }
    public var gradientInputs: [Int] {
        switch keys {
        case .own: [0]
        case .memory: [0, 1]
        case .ownStored, .memoryStored: []
        }
    }
    public var gradientReadsOutput: Bool { true }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        guard shape.keyHeads > 0, shape.heads % shape.keyHeads == 0 else {
            throw ShapeMismatch(
                "the heads", expected: "a multiple of \(shape.keyHeads) key heads", got: "\(shape.heads)")
        }
        guard shape.slopes.isEmpty || shape.slopes.count == shape.heads else {
            throw ShapeMismatch("the slopes", expected: "\(shape.heads), one per head", got: "\(shape.slopes.count)")
        }
        guard shape.cap == nil || bias == nil && shape.slopes.isEmpty else {
            throw ShapeMismatch("the scores", expected: "a cap or offsets", got: "both")
        }
        let both = 2 * shape.keyColumns
        switch keys {
        case .own, .ownStored:
            try inputs.require(count: 1)
            try inputs.require(0, columns: shape.queryColumns + both, rows: batch.rows)
        case .memory(let memory):
            try inputs.require(count: 2)
            try inputs.require(0, columns: shape.queryColumns, rows: batch.rows)
            try inputs.require(1, columns: both, rows: memory.rows)
        case .memoryStored:
            try inputs.require(count: 1)
            try inputs.require(0, columns: shape.queryColumns, rows: batch.rows)
        }
        if let bias {
            let columns = try bias.table.matrix("the relative bias").columns
            guard columns == shape.heads else {
                throw ShapeMismatch(
                    "the relative bias \(bias.table.name)", expected: "\(shape.heads) columns, one per head",
                    got: "\(columns)")
            }
        }
        return Shape(batch.rows, shape.queryColumns)
    }

    public func cost(rows: Int) -> Cost {
        var visible = Double(shape.causal ? (maximumKeys + 1) / 2 : maximumKeys)
        if let window = shape.window { visible = min(visible, Double(window.before + 1 + window.after)) }
        return Double(rows)
            * Cost(
                operations: 4 * visible * Double(shape.queryColumns),
                bytes: 8 * Double(shape.queryColumns + shape.keyColumns))
    }
}

/// Writes keys and values of a memory into a store, once per source.
public struct StoreOperation: TensorOperation {
    /// Where they go.
    public let store: any KeyValueStore
    /// The layer of the store.
    public let layer: Int
    /// Columns of the keys, and of the values.
    public let columns: Int
    /// The memory's sequences and their slots.
    public let batch: TokenBatch

    public var name: String { "store keys and values" }
    public var formula: String { "store ← k | v" }
    public var gradientFormula: String { "none" }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        try inputs.require(0, columns: 2 * columns, rows: batch.rows)
        return Shape(batch.rows, 1)
    }

    public func cost(rows: Int) -> Cost { Double(rows) * Cost(bytes: 16 * Double(columns)) }
}

extension Tensor {
    /// Attention of each sequence to itself. `self [rows, (H + 2·Hₖ)·width]` holds queries, keys and values side by
    /// side; the result is `[rows, H·width]`. With a store in the trace, keys and values join those of earlier passes.
    /// Cost: 4 · rows · keys · H · width operations (half that when causal).
    public func attending(
        _ shape: AttentionShape, batch: TokenBatch, layer: Int, bias: RelativeBias? = nil, dropout: Float = 0,
        observedAs name: String? = nil
    ) -> Tensor {
        attend(
            [self], shape, trace.store.map { .ownStored($0, layer: layer) } ?? .own, batch, bias, dropout, name,
            trace.maximumLength)
    }

    /// Attention to a memory: `self [rows, H·width]` are queries, `memory [memory rows, 2·Hₖ·width]` keys and values.
    public func attending(
        to memory: Tensor, _ shape: AttentionShape, batch: TokenBatch, memoryBatch: TokenBatch, dropout: Float = 0,
        observedAs name: String? = nil
    ) -> Tensor {
        attend([self, memory], shape, .memory(memoryBatch), batch, nil, dropout, name, trace.maximumLength)
    }

    /// Attention to a memory whose keys and values were put into `store` when its source was read.
    ///
    /// Each sequence of `memoryBatch` is the rows of `self` (by `offsets`) that read one slot of the store, `lengths` of
    /// it: rows that read the same memory load it once.
    public func attending(
        toStored store: any KeyValueStore, layer: Int, _ shape: AttentionShape, batch: TokenBatch,
        memoryBatch: TokenBatch
    ) -> Tensor {
        attend(
            [self], shape, .memoryStored(store, layer: layer, memoryBatch), batch, nil, 0, nil, trace.maximumLength)
    }

    private func attend(
        _ inputs: [Tensor], _ shape: AttentionShape, _ keys: AttendedKeys, _ batch: TokenBatch,
        _ bias: RelativeBias?, _ dropout: Float, _ name: String?, _ maximumKeys: Int
    ) -> Tensor {
        let drops = dropout > 0 && trace.purpose == .training
        let keeps = name != nil && trace.keepsAttentionWeights
        let result = trace.record(
            AttendOperation(
                shape: shape, keys: keys, batch: batch, bias: bias,
                slopes: shape.slopes.isEmpty ? nil : trace.table("slopes \(shape.slopes)") { shape.slopes },
                dropout: drops ? dropout : 0,
                site: drops ? trace.nextDropoutSite() : 0, random: trace.randomState, keepsWeights: keeps,
                maximumKeys: maximumKeys),
            inputs)
        if keeps, let name { trace.observeAuxiliary(1, of: result, as: name) }
        return result
    }

    /// Puts keys and values `[rows, 2·Hₖ·width]` of a memory into `layer` of `store`, at the slots of `batch`.
    public func stored(in store: any KeyValueStore, layer: Int, shape: AttentionShape, batch: TokenBatch) {
        _ = trace.record(StoreOperation(store: store, layer: layer, columns: shape.keyColumns, batch: batch), [self])
    }
}
