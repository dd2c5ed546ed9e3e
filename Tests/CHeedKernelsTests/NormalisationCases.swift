import CHeedKernels

/// Layer norm and root-mean-square norm: x, residual, gain, offset → y, sum.
let normalisationCases: [OperationCase] = [
    normalisation(HEED_LAYER_NORM, rows: 3, columns: 5, residual: false, affine: true),
    normalisation(HEED_LAYER_NORM, rows: 1, columns: 1, residual: true, affine: false),
    normalisation(HEED_LAYER_NORM, rows: 4, columns: 16, residual: true, affine: true),
    normalisation(HEED_LAYER_NORM, rows: 7, columns: 33, residual: true, affine: true),
    normalisation(HEED_LAYER_NORM, rows: 9, columns: 64, residual: false, affine: false),
    normalisation(HEED_LAYER_NORM, rows: 2, columns: 100, residual: true, affine: true),
    normalisation(HEED_RMS_NORM, rows: 3, columns: 7, residual: false, affine: true),
    normalisation(HEED_RMS_NORM, rows: 6, columns: 48, residual: true, affine: true),
    normalisation(HEED_RMS_NORM, rows: 5, columns: 81, residual: true, affine: false),
]

private func normalisation(
    _ kind: heed_norm_kind, rows: Int, columns: Int, residual: Bool, affine: Bool
) -> OperationCase {
    let layer = kind == HEED_LAYER_NORM
    let epsilon = 1e-5
    var numbers = Numbers(rows * 1000 + columns)
    let count = rows * columns
    let inputs = [
        numbers.array(count).map { 3 * $0 + 0.5 }, residual ? numbers.array(count) : [],
        affine ? numbers.array(columns) : [], affine && layer ? numbers.array(columns) : [],
    ]

    @Sendable func prepare(_ memory: Memory, _ inputs: [[Float]]) -> heed_norm {
        var call = heed_norm()
        call.window = memory.window(rows)
        call.x = UnsafePointer(memory.floats(inputs[0]))
        if residual { call.residual = UnsafePointer(memory.floats(inputs[1])) }
        call.sum = memory.nan(count)
        if affine { call.gain = UnsafePointer(memory.floats(inputs[2])) }
        if affine && layer { call.offset = UnsafePointer(memory.floats(inputs[3])) }
        call.y = memory.nan(count)
        call.mean = memory.nan(rows)
        call.scale = memory.nan(rows)
        call.columns = Int32(columns)
        call.kind = Int32(kind.rawValue)
        call.epsilon = Float(epsilon)
        return call
    }

    return OperationCase(
        name: "\(layer ? "layer norm" : "rms norm") \(rows)x\(columns)\(residual ? " residual" : "")",
        inputs: inputs,
        forward: { machine, memory, inputs in
            let call = prepare(memory, inputs)
            run(machine.kernels.norm, call, parts: machine.parts)
            return [call.y.array(count), call.sum.array(count)]
        },
        oracle: { inputs in
            var y: [Double] = []
            var sums: [Double] = []
            for r in 0..<rows {
                let row = (0..<columns).map { c in
                    inputs[0][r * columns + c] + (residual ? inputs[1][r * columns + c] : 0)
                }
                let mean = layer ? row.reduce(0, +) / Double(columns) : 0
                let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
                let scale = 1 / (variance + Double(Float(epsilon))).squareRoot()
                for c in 0..<columns {
                    let gain = affine ? inputs[2][c] : 1
                    let offset = affine && layer ? inputs[3][c] : 0
                    y.append((row[c] - mean) * scale * gain + offset)
                }
                sums += row
            }
            return [y, sums]
        },
        gradient: { machine, memory, inputs, seeds in
            let call = prepare(memory, inputs)
            run(machine.kernels.norm, call, parts: machine.parts)
            var input = heed_norm_input_gradient()
            input.window = call.window
            input.dy = UnsafePointer(memory.floats(seeds[0]))
            input.x = UnsafePointer(call.sum)
            input.gain = call.gain
            input.mean = UnsafePointer(call.mean)
            input.scale = UnsafePointer(call.scale)
            input.dx = memory.floats(seeds[1])  // the sum is an output too: its gradient is added to
            input.accumulate = 1
            input.columns = Int32(columns)
            input.kind = Int32(kind.rawValue)
            run(machine.kernels.norm_input_gradient, input, parts: machine.parts)
            var weights = heed_norm_weight_gradient()
            weights.window = call.window
            weights.dy = input.dy
            weights.x = input.x
            weights.mean = input.mean
            weights.scale = input.scale
            weights.dgain = memory.zeros(columns)
            if layer { weights.doffset = memory.zeros(columns) }
            weights.columns = Int32(columns)
            weights.kind = Int32(kind.rawValue)
            run(machine.kernels.norm_weight_gradient, weights, parts: machine.parts)
            let dx = input.dx.array(count)
            return [
                dx, residual ? dx : [], affine ? weights.dgain.array(columns) : [],
                affine && layer ? weights.doffset.array(columns) : [],
            ]
        })
}
