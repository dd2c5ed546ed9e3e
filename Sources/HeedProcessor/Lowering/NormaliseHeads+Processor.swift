import CHeedKernels
import HeedTensor

extension NormaliseHeadsOperation: ProcessorLowering {
    private var factors: Int { heads.reduce(0) { $0 + $1.count } }

    /// Each group of heads and the column of its first factor.
    private var groups: [(heads: NormedHeads, factor: Int)] {
        var next = 0
        return heads.map { group in
            defer { next += group.count }
            return (group, next)
        }
    }

    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        for (group, factor) in groups {
            program.emit(program.kernels.group_norm, rows: frame.rows, cost: cost(rows: 1)) { at in
                heed_group_norm(
                    window: frame.window, x: at[frame.inputs[0]], y: at[frame.output], stride: Int64(width),
                    gain: try at.value(group.gain), scale: at[optional: frame.auxiliary(0)].map { $0 + factor },
                    scale_stride: Int64(factors), first: Int32(group.first), groups: Int32(group.count),
                    width: Int32(group.width), epsilon: epsilon)
            }
        }
        for columns in others { copy(columns, frame, program, frame.inputs[0], to: frame.output, adds: false) }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) {
        guard let dy = frame.outputGradient else { return }
        for (group, factor) in groups {
            if program.trains(group.gain) {
                program.emit(program.kernels.group_norm_gain_gradient, rows: frame.rows, cost: cost(rows: 1)) { at in
                    heed_group_norm_gain_gradient(
                        window: frame.window, dy: at[dy], x: at[frame.inputs[0]], stride: Int64(width),
                        scale: at[optional: frame.auxiliary(0)].map { $0 + factor }, scale_stride: Int64(factors),
                        dgain: at.gradient(group.gain), first: Int32(group.first), groups: Int32(group.count),
                        width: Int32(group.width))
                }
            }
            guard let dx = frame.inputGradient(0) else { continue }
            program.emit(program.kernels.group_norm_gradient, rows: frame.rows, cost: 2 * cost(rows: 1)) { at in
                heed_group_norm_gradient(
                    window: frame.window, dy: at[dy], x: at[frame.inputs[0]], dx: at[dx.buffer], stride: Int64(width),
                    gain: try at.value(group.gain), scale: at[optional: frame.auxiliary(0)].map { $0 + factor },
                    scale_stride: Int64(factors), first: Int32(group.first), groups: Int32(group.count),
                    width: Int32(group.width), accumulate: dx.accumulates ? 1 : 0)
            }
        }
        guard let dx = frame.inputGradient(0) else { return }
        for columns in others { copy(columns, frame, program, dy, to: dx.buffer, adds: dx.accumulates) }
    }

    private func copy(
        _ columns: Range<Int>, _ frame: Frame, _ program: ProgramBuilder, _ from: BufferHandle, to: BufferHandle,
        adds: Bool
    ) {
        program.emit(program.kernels.copy_columns, rows: frame.rows, cost: Cost(bytes: 8 * Double(columns.count))) {
            at in
            heed_copy_columns(
                window: frame.window, x: at[from], y: at[to], stride: Int64(width), first: Int32(columns.lowerBound),
                count: Int32(columns.count), accumulate: adds ? 1 : 0)
        }
    }
}
