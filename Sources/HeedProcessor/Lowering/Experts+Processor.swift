import CHeedKernels
import HeedTensor

extension RouteOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        program.emit(program.kernels.route, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_route(
                window: frame.window, logits: at[frame.inputs[0]], probabilities: routing.probabilities,
                weights: at[frame.output], chosen_experts: routing.picked, experts: Int32(routing.experts),
                chosen: Int32(routing.chosen), normalise: routing.normalises ? 1 : 0)
        }
        program.emit(program.kernels.sort_routes, rows: nil, cost: Cost()) { _ in
            heed_sort_routes(
                rows: routing.rows.pointer, chosen_experts: routing.picked, offsets: routing.offsets,
                slots: routing.slots, sources: routing.sources,
                experts: Int32(routing.experts), chosen: Int32(routing.chosen))
        }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient, let dx = frame.inputGradient(0) else { return }
        program.emit(program.kernels.route_gradient, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_route_gradient(
                window: frame.window, probabilities: routing.probabilities, weights: at[frame.output], dweights: at[dy],
                chosen_experts: routing.picked, dlogits: at[dx.buffer], experts: Int32(routing.experts),
                chosen: Int32(routing.chosen), normalise: routing.normalises ? 1 : 0,
                accumulate: dx.accumulates ? 1 : 0)
        }
    }
}

extension DispatchOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        emit(frame, program.kernels.gather, program, from: frame.inputs[0], to: frame.output)
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient, let dx = frame.inputGradient(0) else { return }
        if !dx.accumulates {
            let bytes = routing.rows.capacity * width * MemoryLayout<Float>.stride
            program.emit(program.kernels.zero, rows: nil, cost: Cost(bytes: Double(bytes))) { at in
                heed_zero(memory: at[dx.buffer], bytes: Int64(bytes))
            }
        }
        emit(frame, program.kernels.gather_gradient, program, from: dy, to: dx.buffer)
    }

    private func emit(
        _ frame: Frame, _ kernel: heed_kernel, _ program: ProgramBuilder, from: BufferHandle, to: BufferHandle
    ) {
        program.emit(kernel, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_gather(
                count: frame.rows.pointer, index: routing.sources, x: at[from], y: at[to], columns: Int32(width))
        }
    }
}

extension ExpertLinearOperation: ProcessorLowering {
    private func scratch(_ frame: Frame, _ program: ProgramBuilder, _ precision: Int32) -> ScratchMemory {
        program.scratch(
            heed_linear_scratch(Int64(inColumns), Int64(outColumns), Int64(frame.rows.capacity), precision))
    }

    /// A row of a matrix is read once for all its rows: even few are worth sharing out.
    private var sharingCost: Cost { Cost(bytes: 4 * Double(inColumns * outColumns)) }

    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        let readsPanels = program.readsPanels
        let precision = program.precision(inPanels: readsPanels)
        let scratch = scratch(frame, program, precision)
        let matrices = program.lasting(UnsafePointer<Float>?.self, count: weights.count)
        let panels = program.lasting(UnsafeRawPointer?.self, count: weights.count)
        let stored = program.lasting(UnsafePointer<heed_stored>?.self, count: weights.count)
        program.emit(program.kernels.expert_linear, rows: nil, cost: sharingCost) { at in
            for (expert, weight) in weights.enumerated() {
                let matrix = try at.matrix(weight, inPanels: readsPanels, keepsBytes: inColumns < 256)
                at[matrices][expert] = matrix.rows
                at[panels][expert] = matrix.panels
                at[stored][expert] = matrix.stored
            }
            let call = heed_linear(
                window: frame.window, x: at[frame.inputs[0]], x_stride: Int64(inColumns), weight: nil, panels: nil,
                stored: nil, bias: nil, residual: nil, residual_stride: 0, pre: nil, y: at[frame.output],
                y_stride: Int64(outColumns), in: Int32(inColumns), out: Int32(outColumns),
                activation: Activation.identity.code, precision: precision, scratch: at[scratch])
            return heed_expert_linear(
                call: call, offsets: routing.offsets, weights: UnsafePointer(at[matrices]),
                panels: UnsafePointer(at[panels]), stored: UnsafePointer(at[stored]), experts: Int32(weights.count))
        }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient else { return }
        let precision = program.precision(inPanels: false)
        let scratch = scratch(frame, program, precision)
        if weights.contains(where: { program.trains($0) }) {
            let gradients = program.lasting(UnsafeMutablePointer<Float>?.self, count: weights.count)
            program.emit(program.kernels.expert_weight_gradient, rows: nil, cost: sharingCost) { at in
                for (expert, weight) in weights.enumerated() { at[gradients][expert] = at.gradient(weight) }
                let call = heed_linear_weight_gradient(
                    window: frame.window, dy: at[dy], dy_stride: Int64(outColumns), x: at[frame.inputs[0]],
                    x_stride: Int64(inColumns), dweight: nil, dbias: nil, in: Int32(inColumns),
                    out: Int32(outColumns), precision: precision, scratch: at[scratch])
                return heed_expert_weight_gradient(
                    call: call, offsets: routing.offsets, dweights: UnsafePointer(at[gradients]),
                    experts: Int32(weights.count))
            }
        }
        guard let dx = frame.inputGradient(0) else { return }
        let matrices = program.lasting(UnsafePointer<Float>?.self, count: weights.count)
        program.emit(program.kernels.expert_input_gradient, rows: nil, cost: sharingCost) { at in
            for (expert, weight) in weights.enumerated() { at[matrices][expert] = try at.value(weight) }
            let call = heed_linear_input_gradient(
                window: frame.window, dy: at[dy], dy_stride: Int64(outColumns), weight: nil, activation_input: nil,
                dx: at[dx.buffer], dx_stride: Int64(inColumns), in: Int32(inColumns), out: Int32(outColumns),
                accumulate: dx.accumulates ? 1 : 0, activation: Activation.identity.code, precision: precision,
                scratch: at[scratch])
            return heed_expert_input_gradient(
                call: call, offsets: routing.offsets, weights: UnsafePointer(at[matrices]),
                experts: Int32(weights.count))
        }
    }
}

extension MixOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        program.emit(program.kernels.mix, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_mix(
                window: frame.window, x: at[frame.inputs[0]], weights: at[frame.inputs[1]],
                residual: addsResidual ? UnsafePointer(at[frame.inputs[2]]) : nil, slots: routing.slots,
                y: at[frame.output], columns: Int32(width), chosen: Int32(routing.chosen))
        }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) throws {
        guard let dy = frame.outputGradient else { return }
        let (dx, dw) = (frame.inputGradient(0), frame.inputGradient(1))
        guard dx != nil || dw != nil else { return }
        for target in [dx, dw] { try target.map { try program.requireFresh($0, "what is mixed") } }
        program.emit(program.kernels.mix_gradient, rows: frame.rows, cost: 2 * cost(rows: 1)) { at in
            heed_mix_gradient(
                window: frame.window, dy: at[dy], x: at[frame.inputs[0]], weights: at[frame.inputs[1]],
                slots: routing.slots, dx: at[optional: dx?.buffer], dweights: at[optional: dw?.buffer],
                columns: Int32(width), chosen: Int32(routing.chosen))
        }
    }
}
