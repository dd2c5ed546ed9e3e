import CHeedKernels
import HeedTensor

extension GatherOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        program.emit(program.kernels.gather, rows: picked.count, cost: cost(rows: 1)) { at in
            heed_gather(
                count: picked.count.pointer, index: picked.index, x: at[frame.inputs[0]], y: at[frame.output],
                columns: Int32(width))
        }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient, let dx = frame.inputGradient(0) else { return }
        if !dx.accumulates {
            let bytes = source.capacity * width * 4
            program.emit(program.kernels.zero, rows: nil, cost: Cost(bytes: Double(bytes))) { at in
                heed_zero(memory: UnsafeMutableRawPointer(at[dx.buffer]), bytes: Int64(bytes))
            }
        }
        program.emit(program.kernels.gather_gradient, rows: picked.count, cost: cost(rows: 1)) { at in
            heed_gather(
                count: picked.count.pointer, index: picked.index, x: at[dy], y: at[dx.buffer], columns: Int32(width))
        }
    }
}
