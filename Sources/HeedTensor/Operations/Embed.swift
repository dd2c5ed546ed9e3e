import CHeedKernels

/// `y[r] = s · E[ids[r]] + P[positions[r]] + S[types[r]]`.
struct EmbedOperation: Operation {
    let batch: TokenBatch
    let table: Parameter
    let positionTable: Parameter?
    let typeTable: Parameter?
    let scale: Float

    private var width: Int { table.shape.last ?? 0 }
    var name: String { "embed" }
    var formula: String {
        "y = " + (scale == 1 ? "" : "s · ") + "E[id]" + (positionTable == nil ? "" : " + P[position]")
            + (typeTable == nil ? "" : " + S[type]")
    }
    var gradientFormula: String {
        "∂E[id] += s · ∂y" + (positionTable == nil ? "" : "; ∂P[position] += ∂y")
            + (typeTable == nil ? "" : "; ∂S[type] += ∂y")
    }
    var parameters: [Parameter] { [table, positionTable, typeTable].compactMap { $0 } }

    func cost(rows: Int) -> Cost { Double(rows) * Cost(operations: Double(width), bytes: 12 * Double(width)) }

    func forward(_ binder: Binder) {
        binder.emit(
            binder.kernels.embedding,
            heed_embedding(
                window: binder.window, ids: batch.ids, positions: batch.positions, types: batch.types,
                table: binder.value(table), position_table: binder.value(positionTable),
                type_table: binder.value(typeTable), y: binder.output, columns: Int32(width), scale: scale),
            rows: binder.rows, cost: cost(rows: 1))
    }

    /// The table's gradient is gathered by distinct id and added once, after the last micro-batch: when the table is
    /// also the output matrix, its gradient must not depend on how a step is cut into micro-batches.
    func backward(_ binder: Binder) {
        guard let dy = binder.outputGradient else { return }
        if let gradient = binder.gradient(table) {
            let vocabulary = table.shape.first ?? 0
            let slotOf = binder.persistent(Int32.self, count: vocabulary, fill: -1)
            let idOf = binder.persistent(Int32.self, count: vocabulary, fill: 0)
            let counters = binder.persistent(Int32.self, count: 2, fill: 0)
            // Pages of rows that no id claims are never touched, so room for the whole vocabulary costs nothing.
            let sums = binder.persistentFloats(count: vocabulary * width)
            let call = heed_embedding_gradient(
                window: binder.window, ids: batch.ids, dy: dy, slot_of: slotOf, id_of: idOf, used: counters,
                cleared: counters + 1, sums: sums, gradient: gradient, columns: Int32(width), scale: scale)
            binder.emitSerial(binder.kernels.embedding_slots, call)
            binder.emit(binder.kernels.embedding_sums, call, rows: binder.rows, cost: cost(rows: 1))
            binder.emitFinish(
                binder.kernels.embedding_flush, call, cost: Cost(bytes: 12 * Double(binder.rows.capacity * width)))
            binder.emitFinish(binder.kernels.embedding_clear, call, cost: Cost())
        }
        for (parameter, index) in [(positionTable, batch.positions), (typeTable, batch.types)] {
            guard let gradient = binder.gradient(parameter) else { continue }
            binder.emit(
                binder.kernels.scatter_add,
                heed_scatter_add(
                    window: binder.window, index: index, dy: dy, gradient: gradient, columns: Int32(width)),
                rows: binder.rows, cost: cost(rows: 1))
        }
    }
}

extension Trace {
    /// Returns `s · E[ids] + P[positions] + S[types]` for the tokens of `batch`: `[rows, C]`.
    public func embed(
        _ batch: TokenBatch, table: Parameter, positions: Parameter? = nil, types: Parameter? = nil, scale: Float = 1
    ) -> Tensor {
        record(
            EmbedOperation(batch: batch, table: table, positionTable: positions, typeTable: types, scale: scale), [],
            rows: batch.rows, columns: table.shape.last ?? 0)
    }
}
