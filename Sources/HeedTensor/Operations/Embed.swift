import CHeedKernels

/// `y[r] = s · E[ids[r]] + P[positions[r]] + S[types[r]]`.
struct EmbedOperation: Operation {
    let batch: TokenBatch
    let table: Parameter
    let positions: PositionRows?
    let typeTable: Parameter?
    let scale: Float
    let padding: Int?
    let fixed: FixedPositionTable?

    private var width: Int { table.shape.last ?? 0 }
    private var learned: (table: Parameter, first: Int)? {
        guard case .learned(let table, let first)? = positions else { return nil }
        return (table, first)
    }
    var name: String { "embed" }
    var formula: String {
        "y = " + (scale == 1 ? "" : "s · ") + "E[id]" + (positions == nil ? "" : " + P[position]")
            + (typeTable == nil ? "" : " + S[type]")
    }
    var gradientFormula: String {
        "∂E[id] += s · ∂y" + (learned == nil ? "" : "; ∂P[position] += ∂y")
            + (typeTable == nil ? "" : "; ∂S[type] += ∂y")
    }
    var parameters: [Parameter] { [table, learned?.table, typeTable].compactMap { $0 } }

    func cost(rows: Int) -> Cost { Double(rows) * Cost(operations: Double(width), bytes: 12 * Double(width)) }

    func forward(_ binder: Binder) {
        // Position 0 reads row `first` of a learned table.
        let rows = learned.flatMap { learned in
            binder.value(learned.table).map { UnsafePointer($0 + learned.first * width) }
        }
        binder.emit(
            binder.kernels.embedding,
            heed_embedding(
                window: binder.window, ids: batch.ids, positions: batch.positions, types: batch.types,
                table: binder.value(table), position_table: rows ?? fixed.map { UnsafePointer($0.values) },
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
                cleared: counters + 1, sums: sums, gradient: gradient, columns: Int32(width), scale: scale,
                skip: Int32(padding ?? -1))
            binder.emitSerial(binder.kernels.embedding_slots, call)
            binder.emit(binder.kernels.embedding_sums, call, rows: binder.rows, cost: cost(rows: 1))
            binder.emitFinish(
                binder.kernels.embedding_flush, call, cost: Cost(bytes: 12 * Double(binder.rows.capacity * width)))
            binder.emitFinish(binder.kernels.embedding_clear, call, cost: Cost())
        }
        let tables = [
            (learned?.table, batch.positions, learned?.first ?? 0), (typeTable, batch.types, 0),
        ]
        for (parameter, index, first) in tables {
            guard let gradient = binder.gradient(parameter) else { continue }
            binder.emit(
                binder.kernels.scatter_add,
                heed_scatter_add(
                    window: binder.window, index: index, dy: dy, gradient: gradient + first * width,
                    columns: Int32(width)),
                rows: binder.rows, cost: cost(rows: 1))
        }
    }
}

/// The rows that positions add to embeddings.
public enum PositionRows: Sendable {
    /// Learned rows; position 0 reads row `first`, because some published tables begin with rows of another use.
    case learned(Parameter, first: Int = 0)
    /// Sines and cosines.
    case fixed(SinusoidalPositions)
}

extension Trace {
    /// Returns `s · E[ids] + P[positions] + S[types]` for the tokens of `batch`: `[rows, C]`.
    ///
    /// Lookups of the id `padding` give its row no gradient.
    public func embed(
        _ batch: TokenBatch, table: Parameter, positions: PositionRows?, types: Parameter? = nil, scale: Float = 1,
        padding: Int? = nil
    ) -> Tensor {
        let width = table.shape.last ?? 0
        var fixed: FixedPositionTable?
        if case .fixed(let sinusoids)? = positions { fixed = positionTable(sinusoids, width: width) }
        return record(
            EmbedOperation(
                batch: batch, table: table, positions: positions, typeTable: types, scale: scale, padding: padding,
                fixed: fixed), [], rows: batch.rows, columns: width)
    }

    /// As above, with a learned row for each position from 0, or none.
    public func embed(_ batch: TokenBatch, table: Parameter, positions: Parameter? = nil) -> Tensor {
        embed(batch, table: table, positions: positions.map { .learned($0) })
    }
}
