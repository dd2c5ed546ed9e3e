import CHeedKernels
import HeedSupport
import HeedTensor

extension BinaryCrossEntropyOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        emit(frame, program, gradient: nil)
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) throws {
        guard let dz = frame.inputGradient(0) else { return }
        try program.requireFresh(dz, "the logits")
        emit(frame, program, gradient: dz.buffer)
    }

    private func emit(_ frame: Frame, _ program: ProgramBuilder, gradient: BufferHandle?) {
        program.emit(binaryCrossEntropy, rows: frame.rows, cost: cost(rows: 1)) { at in
            BinaryCrossEntropyArguments(
                rows: frame.rows.pointer, logits: at[frame.inputs[0]], targets: targets.ids, scale: scale.pointer,
                losses: readout.losses, gradient: at[optional: gradient])
        }
    }
}

/// What the kernel reads: one number per row, so that it needs no vector code and has the same bits everywhere.
private struct BinaryCrossEntropyArguments {
    let rows: UnsafeMutablePointer<Int32>
    let logits: UnsafePointer<Float>
    let targets: UnsafePointer<Int32>
    let scale: UnsafePointer<Float>
    let losses: UnsafeMutablePointer<Float>
    /// Where the gradient goes; nil: the losses are wanted.
    let gradient: UnsafeMutablePointer<Float>?
}

private func binaryCrossEntropy(_ arguments: UnsafeRawPointer?, _ part: Int32, _ parts: Int32) {
    guard let call = arguments?.load(as: BinaryCrossEntropyArguments.self) else { return }
    for row in stride(from: Int(part), to: Int(call.rows.pointee), by: Int(parts)) {
        let isCounted = call.targets[row] != TokenBatch.ignored
        let (z, y) = (Double(call.logits[row]), Double(call.targets[row]))
        // e^−|z| overflows nowhere.
        let small = ExactMathematics.exp(-abs(z))
        if let gradient = call.gradient {
            let probability = (z >= 0 ? 1 : small) / (1 + small)
            gradient[row] = isCounted ? Float(Double(call.scale.pointee) * (probability - y)) : 0
        } else {
            call.losses[row] = isCounted ? Float(max(z, 0) + ExactMathematics.log(1 + small) - y * z) : 0
        }
    }
}
