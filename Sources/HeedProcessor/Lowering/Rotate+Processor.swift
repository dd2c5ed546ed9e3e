import CHeedKernels
import HeedTensor

extension RotateOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) { emit(frame, program, frame.output, 1) }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient else { return }
        emit(frame, program, dy, -1)
    }

    private func emit(_ frame: Frame, _ program: ProgramBuilder, _ x: BufferHandle, _ direction: Int32) {
        let looked: (places: UnsafeMutablePointer<Int32>, cosine: UnsafePointer<Float>, half: Int, interleaved: Bool)
        switch turns {
        case .constant(let rotary, let table):
            looked = (batch.positions, table.base, table.count / 2, rotary.interleaved)
        case .stretched(let turns): looked = (turns.rows, UnsafePointer(turns.base), turns.half, false)
        }
        program.emit(program.kernels.rotary, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_rotary(
                window: frame.window, positions: looked.places, x: at[x], stride: Int64(frame.shape.columns),
                cosine: looked.cosine, sine: looked.cosine + looked.half, heads: Int32(heads),
                head_width: Int32(width), width: Int32(2 * turns.pairs), interleaved: looked.interleaved ? 1 : 0,
                direction: direction)
        }
    }
}
