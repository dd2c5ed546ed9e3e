import CHeedKernels
import HeedSupport
import HeedTensor

extension AttendOperation: ProcessorLowering {
    /// At run time sequences are usually shorter than the longest; share out from the cost of a short one.
    private var sharingCost: Cost { Cost(operations: 4 * Double(min(maximumKeys, 64)) * Double(shape.queryColumns)) }
    private var fusedColumns: Int { shape.queryColumns + 2 * shape.keyColumns }

    func forward(_ frame: Frame, _ program: ProgramBuilder) throws {
        switch keys {
        case .own, .memory:
            let scratch = scratch(program)
            program.emit(program.kernels.attention, rows: frame.rows, cost: sharingCost) { at in
                try arguments(frame, scratch, at)
            }
        case .ownStored(let store, let layer):
            let store = try program.cache(store)
            let queries = shape.queryColumns
            store.emitAppend(
                program, frame.inputs[0], keysAt: queries, valuesAt: queries + shape.keyColumns, stride: fusedColumns,
                layer: layer, batch, rows: frame.rows, cost: Cost(bytes: 16 * Double(shape.keyColumns)))
            emitStored(frame, program, store.layout(layer: layer), stride: fusedColumns, batch)
        case .memoryStored(let store, let layer, let readers):
            emitStored(
                frame, program, try program.cache(store).layout(layer: layer), stride: shape.queryColumns, readers)
        }
    }

    /// `readers` says which rows read which slot, and how much of it.
    private func emitStored(
        _ frame: Frame, _ program: ProgramBuilder, _ cache: heed_cache_layout, stride: Int, _ readers: TokenBatch
    ) {
        let scratch = program.scratch(heed_attention_scratch(Int64(shape.width), 0, 1))
        program.emit(program.kernels.cached_attention, rows: frame.rows, cost: sharingCost) { at in
            heed_cached_attention(
                sequences: readers.sequences.pointer, query_offsets: readers.offsets, slots: readers.slots,
                lengths: readers.lengths, q: at[frame.inputs[0]], q_stride: Int64(stride), out: at[frame.output],
                out_stride: Int64(shape.queryColumns), cache: cache, bias: try at.value(bias?.table),
                bias_buckets: buckets, bias_max_distance: Int32(bias?.maximumDistance ?? 0),
                bias_bidirectional: bias?.bidirectional == true ? 1 : 0, slopes: slopes?.base,
                heads: Int32(shape.heads), causal: shape.causal ? 1 : 0, before: before, after: after,
                scale: shape.scale, cap: shape.cap ?? 0, scratch: at[scratch])
        }
    }

    private var before: Int32 { shape.window.map { Int32(clamping: $0.before) } ?? -1 }
    private var after: Int32 { shape.window.map { Int32(clamping: $0.after) } ?? -1 }
    private var buckets: Int32 { Int32(bias?.table.shape.first ?? 0) }

    private func scratch(_ program: ProgramBuilder) -> ScratchMemory {
        program.scratch(
            heed_attention_scratch(Int64(shape.width), Int64(maximumKeys), Int64(shape.heads / shape.keyHeads)))
    }

    /// Where keys begin in their buffer, and the strides of queries and of keys and values.
    private var places: (key: Int, queryStride: Int, keyStride: Int) {
        if case .memory = keys { return (0, shape.queryColumns, 2 * shape.keyColumns) }
        return (shape.queryColumns, fusedColumns, fusedColumns)
    }

    private func arguments(_ frame: Frame, _ scratch: ScratchMemory, _ at: Addresses) throws -> heed_attention {
        var keyBatch = batch
        if case .memory(let memory) = keys { keyBatch = memory }
        let places = places
        let key = at[frame.inputs[frame.inputs.count - 1]] + places.key
        return heed_attention(
            sequences: batch.sequences.pointer, query_offsets: batch.offsets, key_offsets: keyBatch.offsets,
            q: at[frame.inputs[0]], q_stride: Int64(places.queryStride), k: key, k_stride: Int64(places.keyStride),
            v: key + shape.keyColumns, v_stride: Int64(places.keyStride), out: at[frame.output],
            out_stride: Int64(shape.queryColumns), normaliser: at[optional: frame.auxiliary(0)],
            weights: keepsWeights ? at[optional: frame.auxiliary(1)] : nil, weights_stride: Int64(maximumKeys),
            bias: try at.value(bias?.table), bias_buckets: buckets,
            bias_max_distance: Int32(bias?.maximumDistance ?? 0),
            bias_bidirectional: bias?.bidirectional == true ? 1 : 0, query_positions: nil, key_positions: nil,
            slopes: slopes?.base, heads: Int32(shape.heads), kv_heads: Int32(shape.keyHeads),
            width: Int32(shape.width), causal: shape.causal ? 1 : 0, max_keys: Int32(maximumKeys), before: before,
            after: after, scale: shape.scale, cap: shape.cap ?? 0, dropout: dropout,
            purpose: site, random: random.pointer, scratch: at[scratch])
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) throws {
        guard let dout = frame.outputGradient else { return }
        // Gradients of queries, keys and values come together: those of a frozen side go where nobody reads them.
        let dq = frame.inputGradient(0)
        let dkv = frame.inputGradient(frame.inputs.count - 1)
        guard dq != nil || dkv != nil else { return }
        for target in [dq, dkv] { try target.map { try program.requireFresh($0, "the inputs of attention") } }
        let places = places
        let spare = spareMemory(frame, program, dq: dq, dkv: dkv)
        let scratch = scratch(program)
        program.emit(program.kernels.attention_gradient, rows: frame.rows, cost: 2.5 * sharingCost) { at in
            let queries = at[optional: dq?.buffer] ?? at[spare]
            let keys = (at[optional: dkv?.buffer] ?? at[spare]) + places.key
            return heed_attention_gradient(
                forward: try arguments(frame, scratch, at), dout: at[dout], dout_stride: Int64(shape.queryColumns),
                dq: queries, dq_stride: Int64(places.queryStride), dk: keys, dk_stride: Int64(places.keyStride),
                dv: keys + shape.keyColumns, dv_stride: Int64(places.keyStride), dbias: at.gradient(bias?.table))
        }
    }

    private func spareMemory(
        _ frame: Frame, _ program: ProgramBuilder, dq: GradientTarget?, dkv: GradientTarget?
    ) -> LastingMemory<Float> {
        let missing = zip([dq, dkv], [frame.inputShapes.first, frame.inputShapes.last]).map { target, shape in
            target == nil ? shape?.capacity ?? 0 : 0
        }
        return program.lasting(Float.self, count: missing.max() ?? 0)
    }
}

extension StoreOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) throws {
        try program.cache(store).emitAppend(
            program, frame.inputs[0], keysAt: 0, valuesAt: columns, stride: 2 * columns, layer: layer, batch,
            rows: frame.rows, cost: cost(rows: 1))
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {}
}

extension KeyValueCache {
    /// Emits that keys and values of `rows` join the layer at their slots.
    fileprivate func emitAppend(
        _ program: ProgramBuilder, _ input: BufferHandle, keysAt: Int, valuesAt: Int, stride: Int, layer: Int,
        _ batch: TokenBatch, rows: RowCount, cost: Cost
    ) {
        let memory = layout(layer: layer)
        program.emit(program.kernels.cache_append, rows: rows, cost: cost) { at in
            heed_cache_append(
                sequences: batch.sequences.pointer, offsets: batch.offsets, slots: batch.slots, past: batch.past,
                k: at[input] + keysAt, k_stride: Int64(stride), v: at[input] + valuesAt, v_stride: Int64(stride),
                cache: memory)
        }
    }
}

extension ProgramBuilder {
    /// The cache behind `store`.
    ///
    /// - Throws: `HeedError` when another back end made it.
    func cache(_ store: any KeyValueStore) throws -> KeyValueCache {
        guard let cache = store as? KeyValueCache else {
            throw HeedError(.unsupported, "the keys and values are kept by another back end")
        }
        return cache
    }

    /// Checks that a gradient is the first to come to its buffer, for kernels that write and do not add.
    ///
    /// - Throws: `HeedError` naming what several layers read.
    func requireFresh(_ target: GradientTarget, _ what: String) throws {
        guard !target.accumulates else {
            throw HeedError(
                .unsupported, "\(what) may have one reader only when gradients are wanted", in: currentPath)
        }
    }
}
