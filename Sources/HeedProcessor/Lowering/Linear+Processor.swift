import CHeedKernels
import HeedTensor

extension LinearOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        let readsPanels = program.readsPanels
        let keepsBytes = program.trace.keepsBytes(rows: outColumns, columns: inColumns)
        let precision = program.precision(inPanels: readsPanels)
        let scratch = scratch(frame, program, precision)
        program.emit(
            program.kernels.linear, rows: readsPanels ? nil : frame.rows, cost: sharingCost(panels: readsPanels)
        ) { at in
            let matrix = try at.matrix(weight, inPanels: readsPanels, keepsBytes: keepsBytes)
            return heed_linear(
                window: frame.window, x: at[frame.inputs[0]], x_stride: Int64(inColumns),
                weight: matrix.rows, panels: matrix.panels, stored: matrix.stored,
                bias: try at.value(bias), residual: addsResidual ? UnsafePointer(at[frame.inputs[1]]) : nil,
                residual_stride: Int64(outColumns), pre: at[optional: frame.auxiliary(0)], y: at[frame.output],
                y_stride: Int64(outColumns), in: Int32(inColumns), out: Int32(outColumns),
                activation: activation.code, precision: precision, scratch: at[scratch])
        }
    }

    /// A matrix in panels is read from memory once for any number of rows: even one row is worth sharing out.
    private func sharingCost(panels: Bool) -> Cost {
        panels ? Cost(bytes: 4 * Double(inColumns) * Double(outColumns)) : rowCost
    }

    private func scratch(_ frame: Frame, _ program: ProgramBuilder, _ precision: Int32) -> ScratchMemory {
        program.scratch(
            heed_linear_scratch(Int64(inColumns), Int64(outColumns), Int64(frame.rows.capacity), precision))
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient else { return }
        let precision = program.precision(inPanels: false)
        let scratch = scratch(frame, program, precision)
        if activation != .identity, let pre = frame.auxiliary(0) {
            program.emit(
                program.kernels.activate_gradient, rows: frame.rows,
                cost: Cost(operations: 30 * Double(outColumns), bytes: 12 * Double(outColumns))
            ) { at in
                heed_activate_gradient(
                    window: frame.window, dy: at[dy], x: at[pre], dx: at[dy], columns: Int32(outColumns),
                    activation: activation.code, accumulate: 0)
            }
        }
        if program.trains(weight) {
            program.emit(program.kernels.linear_weight_gradient, rows: frame.rows, cost: rowCost) { at in
                heed_linear_weight_gradient(
                    window: frame.window, dy: at[dy], dy_stride: Int64(outColumns), x: at[frame.inputs[0]],
                    x_stride: Int64(inColumns), dweight: at.gradient(weight), dbias: at.gradient(bias),
                    in: Int32(inColumns), out: Int32(outColumns), precision: precision, scratch: at[scratch])
            }
        } else if program.trains(bias) {
            // Without the product: every row goes to row 0 of the offset's gradient.
            let zeros = program.lasting(Int32.self, count: frame.rows.capacity)
            program.emit(
                program.kernels.scatter_add, rows: frame.rows, cost: Cost(bytes: 4 * Double(outColumns))
            ) { at in
                heed_scatter_add(
                    window: frame.window, index: at[zeros], dy: at[dy], gradient: at.gradient(bias),
                    columns: Int32(outColumns))
            }
        }
        if let dx = frame.inputGradient(0) {
            program.emit(program.kernels.linear_input_gradient, rows: frame.rows, cost: rowCost) { at in
                heed_linear_input_gradient(
                    window: frame.window, dy: at[dy], dy_stride: Int64(outColumns), weight: try at.value(weight),
                    activation_input: nil, dx: at[dx.buffer], dx_stride: Int64(inColumns), in: Int32(inColumns),
                    out: Int32(outColumns), accumulate: dx.accumulates ? 1 : 0, activation: Activation.identity.code,
                    precision: precision, scratch: at[scratch])
            }
        }
    }

    func recompute(_ frame: Frame, _ program: ProgramBuilder) {
        guard let pre = frame.auxiliary(0) else { return }
        program.emit(
            program.kernels.activate, rows: frame.rows,
            cost: Cost(operations: 20 * Double(outColumns), bytes: 8 * Double(outColumns))
        ) { at in
            heed_activate(
                window: frame.window, x: at[pre], y: at[frame.output], columns: Int32(outColumns),
                activation: activation.code)
        }
    }
}
