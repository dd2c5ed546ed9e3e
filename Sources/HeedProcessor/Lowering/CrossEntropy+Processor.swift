import CHeedKernels
import HeedTensor

extension CrossEntropyOperation: ProcessorLowering {
    /// Rows whose logits exist at one time.
    private static let blockRows = 256

    func forward(_ frame: Frame, _ program: ProgramBuilder) {
        // In training everything happens in the backward pass, where logits turn into their own gradient in place.
        if program.trace.purpose == .inference { emit(frame, program, gradient: false) }
    }

    func backward(_ frame: Frame, _ program: ProgramBuilder) { emit(frame, program, gradient: true) }

    private func emit(_ frame: Frame, _ program: ProgramBuilder, gradient: Bool) {
        let capacity = frame.rows.capacity
        let block = max(min(capacity, CrossEntropyOperation.blockRows), 1)
        let stride = (classes + 15) / 16 * 16
        let logits = program.lasting(Float.self, count: block * stride)
        // The gradient of a cap wants the logits from before it.
        let uncapped = cap != nil && gradient ? program.lasting(Float.self, count: block * stride) : logits
        let scratch = program.scratch(
            heed_linear_scratch(
                Int64(width), Int64(classes), Int64(block),
                program.precision(inPanels: !gradient && program.readsPanels)))
        for first in Swift.stride(from: 0, to: capacity, by: block) {
            let rows = Block(
                window: Frame.window(frame.rows, first: first, limit: block), first: first, logits: logits,
                uncapped: uncapped, stride: stride, scratch: scratch)
            emitLosses(frame, program, rows, gradient: gradient)
            if gradient { emitGradients(frame, program, rows) }
        }
    }

    /// Some rows whose logits are computed together.
    private struct Block {
        let window: heed_window
        let first: Int
        let logits: LastingMemory<Float>
        let uncapped: LastingMemory<Float>
        let stride: Int
        let scratch: ScratchMemory

        /// Where row 0 would be, so that row `first` is the first row of the memory.
        func origin(_ at: Addresses) -> UnsafeMutablePointer<Float> { at[logits] - first * stride }
        func uncappedOrigin(_ at: Addresses) -> UnsafeMutablePointer<Float> { at[uncapped] - first * stride }
    }

    private func emitLosses(_ frame: Frame, _ program: ProgramBuilder, _ block: Block, gradient: Bool) {
        let readsPanels = !gradient && program.readsPanels
        let precision = program.precision(inPanels: readsPanels)
        program.emit(program.kernels.linear, rows: frame.rows, cost: rowCost) { at in
            let matrix = try at.matrix(weight, inPanels: readsPanels, keepsBytes: true)
            return heed_linear(
                window: block.window, x: at[frame.inputs[0]], x_stride: Int64(width),
                weight: matrix.rows, panels: matrix.panels, stored: matrix.stored,
                bias: try at.value(bias), residual: nil, residual_stride: 0, pre: nil, y: block.uncappedOrigin(at),
                y_stride: Int64(block.stride), in: Int32(width), out: Int32(classes),
                activation: Activation.identity.code, precision: precision, scratch: at[block.scratch])
        }
        if let cap {
            program.emit(program.kernels.cap, rows: frame.rows, cost: Cost(operations: 20 * Double(classes))) { at in
                heed_cap(
                    window: block.window, x: block.uncappedOrigin(at), y: block.origin(at),
                    columns: Int32(block.stride), cap: cap)
            }
        }
        program.emit(
            program.kernels.cross_entropy, rows: frame.rows, cost: Cost(operations: 30 * Double(classes))
        ) { at in
            heed_cross_entropy(
                window: block.window, logits: at[block.logits], stride: Int64(block.stride), targets: targets.ids,
                columns: Int32(classes), ignore: TokenBatch.ignored, smoothing: smoothing, penalty: penalty,
                scale: scale.pointer, gradient: gradient ? 1 : 0, loss: readout.losses,
                teacher: teacher.map { UnsafePointer($0.logits) }, share: teacher?.share ?? 0,
                temperature: teacher?.temperature ?? 1)
        }
    }

    private func emitGradients(_ frame: Frame, _ program: ProgramBuilder, _ block: Block) {
        let precision = program.precision(inPanels: false)
        if let cap {
            program.emit(
                program.kernels.cap_gradient, rows: frame.rows, cost: Cost(operations: 20 * Double(classes))
            ) { at in
                heed_cap_gradient(
                    window: block.window, dy: block.origin(at), x: block.uncappedOrigin(at), dx: block.origin(at),
                    columns: Int32(block.stride), cap: cap, accumulate: 0)
            }
        }
        if program.trains(weight) || program.trains(bias) {
            // The gradient of a frozen matrix goes where nobody reads it.
            let spare = program.trains(weight) ? nil : program.lasting(Float.self, count: classes * width)
            program.emit(program.kernels.linear_weight_gradient, rows: frame.rows, cost: rowCost) { at in
                heed_linear_weight_gradient(
                    window: block.window, dy: block.origin(at), dy_stride: Int64(block.stride),
                    x: at[frame.inputs[0]], x_stride: Int64(width),
                    dweight: at.gradient(weight) ?? spare.map { at[$0] },
                    dbias: at.gradient(bias), in: Int32(width), out: Int32(classes), precision: precision,
                    scratch: at[block.scratch])
            }
        }
        if let dh = frame.inputGradient(0) {
            program.emit(program.kernels.linear_input_gradient, rows: frame.rows, cost: rowCost) { at in
                heed_linear_input_gradient(
                    window: block.window, dy: block.origin(at), dy_stride: Int64(block.stride),
                    weight: try at.value(weight), activation_input: nil, dx: at[dh.buffer], dx_stride: Int64(width),
                    in: Int32(width), out: Int32(classes), accumulate: dh.accumulates ? 1 : 0,
                    activation: Activation.identity.code, precision: precision, scratch: at[block.scratch])
            }
        }
    }
}
