import CHeedKernels
import HeedTensor

extension LogitsCrossEntropyOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        emit(frame, program, logits: frame.inputs[0], gradient: false)
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) throws {
        guard let dz = frame.inputGradient(0) else { return }
        try program.requireFresh(dz, "the logits")
        program.emit(program.kernels.combine, rows: frame.rows, cost: Cost(bytes: 8 * Double(classes))) { at in
            heed_combine(
                window: frame.window, x: at[frame.inputs[0]], z: nil, y: at[dz.buffer], a: 1, b: 1,
                columns: Int32(classes))
        }
        emit(frame, program, logits: dz.buffer, gradient: true)
    }

    /// With `gradient`, the logits turn into their own gradient in place.
    private func emit(_ frame: Frame, _ program: ProgramBuilder, logits: BufferHandle, gradient: Bool) {
        program.emit(
            program.kernels.cross_entropy, rows: frame.rows, cost: Cost(operations: 30 * Double(classes))
        ) { at in
            heed_cross_entropy(
                window: frame.window, logits: at[logits], stride: Int64(classes), targets: targets.ids,
                columns: Int32(classes), ignore: TokenBatch.ignored, smoothing: smoothing, penalty: penalty,
                scale: scale.pointer, gradient: gradient ? 1 : 0, loss: readout.losses,
                teacher: teacher.map { UnsafePointer($0.logits) }, share: teacher?.share ?? 0,
                temperature: teacher?.temperature ?? 1)
        }
    }
}
