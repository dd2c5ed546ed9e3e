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
    public let rotary: RotaryShape?
    /// Offsets on scores by distance, where the model has them.
    public let bias: RelativeBias?
    /// Norms on queries and keys, where the model has them.
    public let queryKeyNorm: (query: Norm, key: Norm)?
    /// Factor on the answer.
    public let residualScale: Float
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
        residualScale = stack.residualScale
        let mask = readsMemory ? .full : stack.mask[layer] ?? .full
        let positions = readsMemory ? .absent : stack.positions[layer] ?? .absent
        shape = stack.attentionShape(layer: layer, mask, positions)
        let width = stack.width
        let queries = shape.heads * shape.width
        let keys = 2 * shape.keyHeads * shape.width
        let initial = stack.initialMatrix(in: width, out: queries)
        func projection(_ name: String, _ out: Int) -> Linear {
            Linear(scope / name, in: width, out: out, bias: stack.projectionBias, initial: initial)
        }
        if readsMemory {
            reading = .memory(
                queries: projection("query", queries), keysAndValues: projection("memory", keys))
        } else {
            reading = .itself(projection("projection", queries + keys))
        }
        output = Linear(
            scope / "output", in: queries, out: width, bias: stack.outputBias,
            initial: stack.initialMatrix(in: queries, out: width, writes: true))
        let (heads, keyHeads, headWidth) = (shape.heads, shape.keyHeads, shape.width)
        func norm(_ name: String, _ width: Int) -> Norm {
            Norm(scope / name, .rootMeanSquare, width: width, epsilon: stack.epsilon)
        }
        switch readsMemory ? .absent : stack.queryKeyNorm {
        case .absent: queryKeyNorm = nil
        case .perHead: queryKeyNorm = (norm("queryNorm", headWidth), norm("keyNorm", headWidth))
        case .whole: queryKeyNorm = (norm("queryNorm", heads * headWidth), norm("keyNorm", keyHeads * headWidth))
        }
        var (rotary, bias): (RotaryShape?, RelativeBias?) = (nil, nil)
        switch positions {
        case .absent, .slopes: break
        case .rotary(let turning): rotary = turning
        case .relative(let buckets):
            bias = relativeTable.map {
                RelativeBias(table: $0, maximumDistance: buckets.maximumDistance, bidirectional: !mask.isCausal)
            }
        }
        (self.rotary, self.bias) = (rotary, bias)
    }

    /// Returns `residual` + the answer to `x [rows, C]`; nil where the layer reads a memory and there is none.
    public func callAsFunction(_ x: Tensor, _ context: PassContext, adding residual: Tensor?) -> Tensor? {
        x.trace.at(path) {
            answer(x, context).map {
                output.answering($0, adding: residual, dropout: dropout, scale: residualScale)
            }
        }
    }

    /// The heads' answers side by side [rows, H·width].
    private func answer(_ x: Tensor, _ context: PassContext) -> Tensor? {
        switch (reading, context.memory) {
        case (.itself(let projection), _):
            var qkv = projection(x)  // [rows, (H + 2·Hₖ)·width]
            if let queryKeyNorm {
                qkv = qkv.headsNormalised(
                    [
                        heads(queryKeyNorm.query, 0, shape.queryColumns),
                        heads(queryKeyNorm.key, shape.queryColumns, shape.keyColumns),
                    ],
                    epsilon: queryKeyNorm.query.epsilon)
            }
            if let rotary {
                let (heads, width) = (shape.heads + shape.keyHeads, shape.width)
                qkv =
                    rotary.turnDependsOnLength
                    ? qkv.rotated(context.batch, byLength: "\(rotary)", heads: heads, width: width) {
                        rotary.positions(width: width, length: $0)
                    } : qkv.rotated(context.batch, rotary.positions(width: width), heads: heads, width: width)
            }
            return qkv.attending(
                shape, batch: context.batch, layer: layer, bias: bias, dropout: weightDropout,
                observedAs: context.names.map { "\($0.attention).\(layer)" })
        case (.memory(let queries, let keysAndValues), .states(let states, let tokens)):
            return queries(x).attending(
                to: keysAndValues(states), shape, batch: context.batch, memoryBatch: tokens, dropout: weightDropout,
                observedAs: context.names?.memoryAttention.map { "\($0).\(layer)" })
        case (.memory(let queries, _), .stored(let store, let readers)):
            return queries(x).attending(
                toStored: store, layer: layer, shape, batch: context.batch, memoryBatch: readers)
        case (.memory, nil): return nil
        }
    }

    private func heads(_ norm: Norm, _ first: Int, _ columns: Int) -> NormedHeads {
        NormedHeads(first: first, count: columns / max(norm.gain.count, 1), width: norm.gain.count, gain: norm.gain)
    }

    /// Puts the memory's keys and values into `store`, once per source; nothing where no memory is read.
    func keep(_ memory: Tensor, in store: any KeyValueStore, batch: TokenBatch) {
        guard case .memory(_, let keysAndValues) = reading else { return }
        memory.trace.at(path) { keysAndValues(memory).stored(in: store, layer: layer, shape: shape, batch: batch) }
    }
}
