import CHeedKernels
import HeedTensor

extension NormaliseOperation: ProcessorLowering {
    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        program.emit(program.kernels.norm, rows: frame.rows, cost: cost(rows: 1)) { at in
            heed_norm(
                window: frame.window, x: at[frame.inputs[0]], residual: nil, sum: nil, gain: try at.value(gain),
                offset: try at.value(offset), y: at[frame.output], mean: at[optional: frame.auxiliary(0)],
                scale: at[optional: frame.auxiliary(1)], columns: Int32(width), kind: kind.code, epsilon: epsilon)
        }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient else { return }
        if program.trains(gain) || program.trains(offset) {
            program.emit(program.kernels.norm_weight_gradient, rows: frame.rows, cost: cost(rows: 1)) { at in
                heed_norm_weight_gradient(
                    window: frame.window, dy: at[dy], x: at[frame.inputs[0]], mean: at[optional: frame.auxiliary(0)],
                    scale: at[optional: frame.auxiliary(1)], dgain: at.gradient(gain), doffset: at.gradient(offset),
                    columns: Int32(width), kind: kind.code)
            }
        }
        if let dx = frame.inputGradient(0) {
            program.emit(program.kernels.norm_input_gradient, rows: frame.rows, cost: 2 * cost(rows: 1)) { at in
                heed_norm_input_gradient(
                    window: frame.window, dy: at[dy], x: at[frame.inputs[0]], gain: try at.value(gain),
                    mean: at[optional: frame.auxiliary(0)], scale: at[optional: frame.auxiliary(1)], dx: at[dx.buffer],
                    columns: Int32(width), kind: kind.code, accumulate: dx.accumulates ? 1 : 0)
            }
        }
    }
}
