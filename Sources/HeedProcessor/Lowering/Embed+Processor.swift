import CHeedKernels
import HeedTensor

extension EmbedOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        let isMatrix = program.isMatrixInPanels(table)
        let readsPanels = program.readsPanels
        program.emit(program.kernels.embedding, rows: frame.rows, cost: cost(rows: 1)) { at in
            let found = try at.table(table, isMatrix: isMatrix, inPanels: readsPanels)
            return heed_embedding(
                window: frame.window, ids: batch.ids, positions: batch.positions, types: batch.types,
                table: found.rows, panels: found.panels?.assumingMemoryBound(to: Float.self),
                position_table: try positionRows(at), type_table: try at.value(typeTable), stored: found.stored,
                y: at[frame.output], columns: Int32(width), scale: scale)
        }
    }

    /// The row of position 0: row `first` of a learned table.
    private func positionRows(_ at: Addresses) throws -> UnsafePointer<Float>? {
        switch positions {
        case .learned(let table, let first): try at.value(table).map { $0 + first * width }
        case .fixed(let table): table.base + width
        case nil: nil
        }
    }

    /// The table's gradient is gathered by distinct id and added once, after the last micro-batch: when the table is
    /// also the output matrix, its gradient must not depend on how a step is cut into micro-batches.
    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient else { return }
        if program.trains(table) { gatherTableGradient(frame, program, dy) }
        let tables = [
            (learnedPositions?.table, batch.positions, learnedPositions?.first ?? 0), (typeTable, batch.types, 0),
        ]
        for (parameter, index, first) in tables where program.trains(parameter) {
            program.emit(program.kernels.scatter_add, rows: frame.rows, cost: cost(rows: 1)) { at in
                heed_scatter_add(
                    window: frame.window, index: index, dy: at[dy],
                    gradient: at.gradient(parameter).map { $0 + first * width }, columns: Int32(width))
            }
        }
    }

    private func gatherTableGradient(_ frame: Frame, _ program: ProgramBuilder, _ dy: BufferHandle) {
        let slotOf = program.lasting(Int32.self, count: vocabulary, fill: -1)
        let idOf = program.lasting(Int32.self, count: vocabulary)
        let counters = program.lasting(Int32.self, count: 2)
        // Pages of rows that no id claims are never touched, so room for the whole vocabulary costs nothing.
        let sums = program.lasting(Float.self, count: vocabulary * width)
        let call = { (at: Addresses) in
            heed_embedding_gradient(
                window: frame.window, ids: batch.ids, dy: at[dy], slot_of: at[slotOf], id_of: at[idOf],
                used: at[counters], cleared: at[counters] + 1, sums: at[sums], gradient: at.gradient(table),
                columns: Int32(width), scale: scale, skip: Int32(padding ?? -1))
        }
        let kernels = program.kernels
        program.emit(kernels.embedding_slots, rows: nil, cost: Cost(), call)
        program.emit(kernels.embedding_sums, rows: frame.rows, cost: cost(rows: 1), call)
        program.emit(
            kernels.embedding_flush, rows: nil, cost: Cost(bytes: 12 * Double(frame.rows.capacity * width)),
            onFinish: true, call)
        program.emit(kernels.embedding_clear, rows: nil, cost: Cost(), onFinish: true, call)
    }
}
