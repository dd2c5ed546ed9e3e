import CHeedKernels
import HeedTensor

extension LowRankOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        let readsPanels = program.readsPanels
        let keepsBytes = program.trace.keepsBytes(rows: outColumns, columns: rank)
        let precision = program.precision(inPanels: readsPanels)
        let scratch = scratch(frame, program, precision)
        program.emit(program.kernels.linear, rows: frame.rows, cost: cost(rows: 1)) { at in
            let y = at[frame.output] + first
            let matrix = try at.matrix(weight, inPanels: readsPanels, keepsBytes: keepsBytes)
            return heed_linear(
                window: frame.window, x: at[frame.inputs[1]], x_stride: Int64(rank),
                weight: matrix.rows, panels: matrix.panels, stored: matrix.stored, bias: nil,
                residual: UnsafePointer(y), residual_stride: Int64(width), pre: nil, y: y,
                y_stride: Int64(width), in: Int32(rank), out: Int32(outColumns),
                activation: Activation.identity.code, precision: precision, scratch: at[scratch])
        }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient else { return }
        let precision = program.precision(inPanels: false)
        let scratch = scratch(frame, program, precision)
        if program.trains(weight) {
            program.emit(program.kernels.linear_weight_gradient, rows: frame.rows, cost: cost(rows: 1)) { at in
                heed_linear_weight_gradient(
                    window: frame.window, dy: at[dy] + first, dy_stride: Int64(width), x: at[frame.inputs[1]],
                    x_stride: Int64(rank), dweight: at.gradient(weight), dbias: nil, in: Int32(rank),
                    out: Int32(outColumns), precision: precision, scratch: at[scratch])
            }
        }
        if let dh = frame.inputGradient(1) {
            program.emit(program.kernels.linear_input_gradient, rows: frame.rows, cost: cost(rows: 1)) { at in
                heed_linear_input_gradient(
                    window: frame.window, dy: at[dy] + first, dy_stride: Int64(width), weight: try at.value(weight),
                    activation_input: nil, dx: at[dh.buffer], dx_stride: Int64(rank), in: Int32(rank),
                    out: Int32(outColumns), accumulate: dh.accumulates ? 1 : 0, activation: Activation.identity.code,
                    precision: precision, scratch: at[scratch])
            }
        }
    }

    private func scratch(_ frame: Frame, _ program: ProgramBuilder, _ precision: Int32) -> ScratchMemory {
        program.scratch(heed_linear_scratch(Int64(rank), Int64(outColumns), Int64(frame.rows.capacity), precision))
    }
}
