import CHeedKernels
import HeedTensor

extension EditOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        program.emit(program.kernels.edit, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_edit(
                window: frame.window, x: at[frame.inputs[0]], k: edit.factors, a: edit.offsets, y: at[frame.output],
                columns: Int32(edit.shape.columns))
        }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient, let dx = frame.inputGradient(0) else { return }
        program.emit(program.kernels.edit, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_edit(
                window: frame.window, x: at[dy], k: edit.factors, a: dx.accumulates ? at[dx.buffer] : nil,
                y: at[dx.buffer], columns: Int32(edit.shape.columns))
        }
    }
}

extension SeedOperation: ProcessorLowering {
    /// L itself is read off the value.
    func forward(_ frame: Frame, _ program: ProgramBuilder) {}

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dx = frame.inputGradient(0) else { return }
        let columns = seed.shape.columns
        program.emit(
            program.kernels.combine, rows: frame.rows, cost: Cost(bytes: 8 * Double(columns))
        ) { at in
            heed_combine(
                window: frame.window, x: seed.numbers, z: dx.accumulates ? UnsafePointer(at[dx.buffer]) : nil,
                y: at[dx.buffer], a: 1, b: 1, columns: Int32(columns))
        }
    }
}
