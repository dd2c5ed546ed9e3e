import CHeedKernels
import HeedTensor

extension ActivateOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        program.emit(program.kernels.activate, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_activate(
                window: frame.window, x: at[frame.inputs[0]], y: at[frame.output], columns: Int32(width),
                activation: activation.code)
        }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient, let dx = frame.inputGradient(0) else { return }
        program.emit(program.kernels.activate_gradient, rows: frame.rows, cost: 2 * cost(rows: 1)) { at in
            heed_activate_gradient(
                window: frame.window, dy: at[dy], x: at[frame.inputs[0]], dx: at[dx.buffer], columns: Int32(width),
                activation: activation.code, accumulate: dx.accumulates ? 1 : 0)
        }
    }
}

extension GateOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        program.emit(program.kernels.gate, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_gate(
                window: frame.window, x: at[frame.inputs[0]], y: at[frame.output], columns: Int32(width),
                activation: activation.code)
        }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) throws {
        guard let dy = frame.outputGradient, let dx = frame.inputGradient(0) else { return }
        try program.requireFresh(dx, "the gate's input")
        program.emit(program.kernels.gate_gradient, rows: frame.rows, cost: 2 * cost(rows: 1)) { at in
            heed_gate_gradient(
                window: frame.window, dy: at[dy], x: at[frame.inputs[0]], dx: at[dx.buffer], columns: Int32(width),
                activation: activation.code)
        }
    }
}

extension CapOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        program.emit(program.kernels.cap, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_cap(
                window: frame.window, x: at[frame.inputs[0]], y: at[frame.output], columns: Int32(width), cap: cap)
        }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient, let dx = frame.inputGradient(0) else { return }
        program.emit(program.kernels.cap_gradient, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_cap_gradient(
                window: frame.window, dy: at[dy], x: at[frame.inputs[0]], dx: at[dx.buffer], columns: Int32(width),
                cap: cap, accumulate: dx.accumulates ? 1 : 0)
        }
    }
}

extension CombineOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        program.emit(program.kernels.combine, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_combine(
                window: frame.window, x: at[frame.inputs[0]],
                z: hasSecond ? UnsafePointer(at[frame.inputs[1]]) : nil, y: at[frame.output], a: a, b: b,
                columns: Int32(width))
        }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient else { return }
        for (place, factor) in [(0, a), (1, b)] where place == 0 || (hasSecond && b != 1) {
            guard let dx = frame.inputGradient(place) else { continue }
            program.emit(program.kernels.combine, rows: frame.rows, cost: cost(rows: 1)) { at in
                heed_combine(
                    window: frame.window, x: at[dy], z: dx.accumulates ? UnsafePointer(at[dx.buffer]) : nil,
                    y: at[dx.buffer], a: factor, b: 1, columns: Int32(width))
            }
        }
    }
}
