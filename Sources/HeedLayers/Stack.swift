import HeedTensor

/// What a stack is in its model.
public enum StackRole: Sendable, Equatable {
    /// The only one.
    case alone
    /// The encoder of an encoder-decoder.
    case writesMemory
    /// The decoder of an encoder-decoder, which attends to the encoder's answer too.
    case readsMemory
}

/// Blocks one after the other, and perhaps a norm behind the last: what every transformer is around its embedding and
/// its head.
///
/// `[rows, C] → [rows, C]`.
public struct Stack: Sendable {
    /// Where the stack stands in the model.
    public let path: String
    /// What the blocks are made from.
    public let shape: StackShape
    /// The blocks, from the embedding up.
    public let blocks: [Block]
    /// The norm behind the last block, where the shape has one.
    public private(set) var finalNorm: Norm?
    /// Offsets on scores by distance [buckets, heads], which all layers share.
    public let relativeTable: Parameter?

    /// Declares the blocks in `scope`.
    ///
    /// The last norm is declared by `ending(in:)` and the table of offsets by `StackShape.relativeTable(in:)`, because
    /// models keep them in scopes of their own.
    public init(
        _ scope: ParameterScope, _ shape: StackShape, _ role: StackRole = .alone, relativeTable: Parameter? = nil
    ) {
        path = scope.path
        self.shape = shape
        self.relativeTable = relativeTable
        blocks = (0..<shape.layers).map { layer in
            Block(
                scope / "blocks" / layer, layer: layer, shape, role, relativeTable: relativeTable)
        }
    }

    /// The stack with its last norm, declared in `scope`, where the shape has one.
    public func ending(in scope: ParameterScope) -> Stack {
        guard shape.finalNorm else { return self }
        var stack = self
        stack.finalNorm = shape.norm(scope)
        return stack
    }

    /// Returns the states behind the last block and norm.
    ///
    /// Where the context has names, `states.N` (N-th block's input; the last behind the last norm) and, if the trace
    /// keeps them, attention weights stay readable.
    public func callAsFunction(_ x: Tensor, _ context: PassContext) -> Tensor {
        var x = x
        for (layer, block) in blocks.enumerated() {
            if let names = context.names { x.observed(as: "\(names.states).\(layer)") }
            x = block(x, context)
        }
        x = normed(x)
        if shape.dropsFinalNorm { x = x.dropped(shape.residualDropout) }
        if let names = context.names { x.observed(as: "\(names.states).\(blocks.count)") }
        return x
    }

    /// Returns `x` through the last norm, where there is one.
    public func normed(_ x: Tensor) -> Tensor { finalNorm.map { $0(x) } ?? x }

    /// Records that the keys and values of a memory go into `store` for every layer, once per source.
    public func keep(_ memory: Tensor, in store: any KeyValueStore, batch: TokenBatch) {
        for block in blocks { block.crossAttention?.keep(memory, in: store, batch: batch) }
    }
}

extension StackShape {
    /// Declares the table of offsets by distance in `scope`, where some layer wants one.
    public func relativeTable(in scope: ParameterScope) -> Parameter? {
        relativeBuckets.map { scope.parameter("relative", [$0.buckets, heads], .normal(0.02)) }
    }
}
