import CHeedKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

let lossCases: [OperationCase] = [
    crossEntropyCase(rows: 4, columns: 7, smoothing: 0, ignored: false),
    crossEntropyCase(rows: 5, columns: 50, smoothing: 0.1, ignored: true),
    crossEntropyCase(rows: 3, columns: 131, smoothing: 0, ignored: true),
]

/// Losses of a window of targets; the gradient is of Σ loss · scale, so seeds are all `scale`.
private func crossEntropyCase(rows: Int, columns: Int, smoothing: Float, ignored: Bool) -> OperationCase {
    var numbers = Numbers(columns)
    let count = rows * columns
    let scale: Float = 0.375
    let targets = (0..<rows).map { ignored && $0 == 1 ? -100 : ($0 * 11 + 3) % columns }
    @Sendable func call(_ machine: Machine, _ memory: Memory, _ inputs: [[Float]], gradient: Bool) -> heed_cross_entropy
    {
        var call = heed_cross_entropy()
        // The targets of a window that begins at the second of rows + 1.
        call.window = memory.window(rows + 1, first: 1)
        call.logits = memory.floats(inputs[0])
        call.stride = Int64(columns)
        call.targets = UnsafePointer(memory.integers([0] + targets))
        call.columns = Int32(columns)
        call.ignore = -100
        call.smoothing = smoothing
        call.scale = UnsafePointer(memory.floats([scale]))
        call.gradient = gradient ? 1 : 0
        call.loss = memory.zeros(rows + 1)
        run(machine.kernels.cross_entropy, call, parts: machine.parts)
        return call
    }
    return OperationCase(
        name: "cross entropy \(rows)x\(columns) smoothing \(smoothing)",
        inputs: [numbers.array(count).map { 6 * $0 }],
        forward: { machine, memory, inputs in
            let loss = call(machine, memory, inputs, gradient: false)
            let both = call(machine, memory, inputs, gradient: true)
            // The gradient in place and the loss in one call: the loss must not depend on it.
            return [
                loss.loss.array(rows + 1).map { $0 * scale }, both.loss.array(rows + 1).map { $0 * scale },
            ]
        },
        oracle: { inputs in
            var losses = [0.0]
            for r in 0..<rows {
                let row = Array(inputs[0][(r * columns)..<((r + 1) * columns)])
                guard targets[r] != -100 else {
                    losses.append(0)
                    continue
                }
                let normaliser = log(row.reduce(0) { $0 + exp($1) })
                let nll = normaliser - row[targets[r]]
                let mean = row.reduce(0) { $0 + normaliser - $1 } / Double(columns)
                losses.append(Double(scale) * ((1 - Double(smoothing)) * nll + Double(smoothing) * mean))
            }
            return [losses, losses]
        },
        gradient: { machine, memory, inputs, seeds in
            // A seed per row scales that row of the kernel's gradient; both outputs are the same loss.
            let dx = call(machine, memory, inputs, gradient: true).logits.array(count)
            return [dx.enumerated().map { $1 * (seeds[0][$0 / columns + 1] + seeds[1][$0 / columns + 1]) }]
        })
}
