import CHeedKernels
import HeedTensor

extension RotateOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) { emit(frame, program, frame.output, 1) }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient else { return }
        emit(frame, program, dy, -1)
    }

    private func emit(_ frame: Frame, _ program: ProgramBuilder, _ x: BufferHandle, _ direction: Int32) {
        program.emit(program.kernels.rotary, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_rotary(
                window: frame.window, positions: batch.positions, x: at[x], stride: Int64(frame.shape.columns),
                cosine: table.base, sine: table.base + table.count / 2, heads: Int32(heads), head_width: Int32(width),
                width: Int32(2 * rotary.frequencies.count),
                interleaved: rotary.interleaved ? 1 : 0, direction: direction)
        }
    }
}
