import CHeedKernels
import HeedTensor

extension DropOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        let target = GradientTarget(buffer: frame.output, accumulates: false)
        emit(frame, program, frame.inputs[0], addsResidual ? frame.inputs[1] : nil, target)
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient, let dx = frame.inputGradient(0) else { return }
        emit(frame, program, dy, nil, dx)
    }

    private func emit(
        _ frame: Frame, _ program: ProgramBuilder, _ x: BufferHandle, _ residual: BufferHandle?, _ y: GradientTarget
    ) {
        program.emit(program.kernels.dropout, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_dropout(
                window: frame.window, x: at[x], residual: at[optional: residual], y: at[y.buffer],
                columns: Int32(width),
                rate: rate, purpose: site, accumulate: y.accumulates ? 1 : 0, random: random.pointer)
        }
    }
}
