import HeedTensor

/// Multi-head attention: `out = W_O · concat over heads of softmax(q kᵀ · scale) v` (Vaswani et al. 2017, section 3.2).
///
/// Grouped heads, rotary positions, relative biases and reading from a memory are values of this one layer. The
/// projections of queries, keys and values are one matrix (or, for a memory, one for queries and one for keys and
/// values), because three narrow products are slower than a wide one; checkpoints name their parts separately.
public struct Attention: Sendable {
    /// Where queries, keys and values come from.
    public enum Reading: Sendable {
        /// q | k | v [(H + 2·Hₖ)·width, C] of the own sequence.
        case itself(Linear)
        /// q [H·width, C] of the own sequence, k | v [2·Hₖ·width, C] of a memory.
        case memory(queries: Linear, keysAndValues: Linear)
    }

    /// Where the layer stands in the model.
    public let path: String
    /// What a head may see and how it scores.
    public let shape: AttentionShape
    /// The maps to queries, keys and values.
    public let reading: Reading
    /// `W_O` [C, H·width].
    public let output: Linear
    /// Turns queries and keys by their positions, where the model has rotary positions.
    public let rotary: RotaryPositions?
    /// Offsets on scores by distance, where the model has them.
    public let bias: RelativeBias?
    /// Rate at which attention weights are dropped in training.
    public let weightDropout: Float
    /// Rate of dropout on the answer.
    public let dropout: Float
    private let layer: Int

    /// Declares the projections of layer `layer` of a stack in `scope`; `relativeTable` holds the offsets by distance.
    init(
        _ scope: ParameterScope, layer: Int, _ stack: StackShape, readsMemory: Bool, relativeTable: Parameter? = nil
    ) {
        path = scope.path
        self.layer = layer
        weightDropout = stack.weightDropout
        dropout = stack.residualDropout
        let causal = !readsMemory && stack.mask[layer] == .causal
        shape = stack.attentionShape(layer: layer, causal: causal)
        let width = stack.width
        let queries = shape.heads * shape.width
        let keys = 2 * shape.keyHeads * shape.width
        let initial = stack.initialMatrix(in: width, out: queries)
        func projection(_ name: String, _ out: Int) -> Linear {
            Linear(scope / name, in: width, out: out, bias: stack.projectionBias, initial: initial)
        }
        let positions: AttentionPositions
        if readsMemory {
            positions = .absent
            reading = .memory(
                queries: projection("query", queries), keysAndValues: projection("memory", keys))
        } else {
            positions = stack.positions[layer] ?? .absent
            reading = .itself(projection("projection", queries + keys))
        }
        output = Linear(
            scope / "output", in: queries, out: width, bias: stack.outputBias,
            initial: stack.initialMatrix(in: queries, out: width, writes: true))
        var (rotary, bias): (RotaryPositions?, RelativeBias?) = (nil, nil)
        switch positions {
        case .absent: break
        case .rotary(let turning): rotary = turning.positions(width: shape.width)
        case .relative(let buckets):
            bias = relativeTable.map {
                RelativeBias(table: $0, maximumDistance: buckets.maximumDistance, bidirectional: !causal)
            }
        }
        (self.rotary, self.bias) = (rotary, bias)
    }

    /// Returns `residual` + the answer to `x [rows, C]`; nil where the layer reads a memory and there is none.
    public func callAsFunction(_ x: Tensor, _ context: PassContext, adding residual: Tensor?) -> Tensor? {
        let answer: Tensor  // [rows, H·width]
        switch (reading, context.memory) {
        case (.itself(let projection), _):
            var qkv = projection(x)  // [rows, (H + 2·Hₖ)·width]
            if let rotary {
                qkv = qkv.rotated(
                    context.batch, rotary, heads: shape.heads + shape.keyHeads, width: shape.width)
            }
            answer = qkv.attending(
                shape, batch: context.batch, layer: layer, bias: bias, dropout: weightDropout,
                observedAs: context.names.map { "\($0.attention).\(layer)" })
        case (.memory(let queries, let keysAndValues), .states(let states, let tokens)):
            let q = queries(x)
            answer = q.attending(
                to: keysAndValues(states), shape, batch: context.batch, memoryBatch: tokens, dropout: weightDropout,
                observedAs: context.names?.memoryAttention.map { "\($0).\(layer)" })
        case (.memory(let queries, _), .cached(let cache, let readers)):
            answer = queries(x).attending(
                toCached: cache, layer: layer, shape, batch: context.batch, memoryBatch: readers)
        case (.memory, nil): return nil
        }
        return output.answering(answer, adding: residual, dropout: dropout)
    }

    /// Puts the memory's keys and values into `cache`, once per source; nothing where no memory is read.
    func store(_ memory: Tensor, in cache: KeyValueCache, batch: TokenBatch) {
        guard case .memory(_, let keysAndValues) = reading else { return }
        keysAndValues(memory).stored(in: cache, layer: layer, shape: shape, batch: batch)
    }
}
