import CHeedKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

let activations: [(heed_activation, String)] = [
    (HEED_IDENTITY, "identity"), (HEED_RELU, "relu"), (HEED_GELU_TANH, "gelu tanh"), (HEED_GELU_ERF, "gelu erf"),
    (HEED_QUICK_GELU, "quick gelu"), (HEED_SILU, "silu"), (HEED_TANH, "tanh"), (HEED_SIGMOID, "sigmoid"),
    (HEED_RELU_SQUARED, "relu squared"), (HEED_SOFTPLUS, "softplus"),
]

/// The activation by its definition, in double precision.
func activate(_ x: Double, _ activation: heed_activation) -> Double {
    switch activation {
    case HEED_RELU: return max(x, 0)
    case HEED_GELU_TANH: return 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case HEED_GELU_ERF: return 0.5 * x * (1 + erf(x * 0.5.squareRoot()))
    case HEED_QUICK_GELU: return x / (1 + exp(-1.702 * x))
    case HEED_SILU: return x / (1 + exp(-x))
    case HEED_TANH: return tanh(x)
    case HEED_SIGMOID: return 1 / (1 + exp(-x))
    case HEED_RELU_SQUARED: return x > 0 ? x * x : 0
    case HEED_SOFTPLUS: return max(x, 0) + log1p(exp(-abs(x)))
    default: return x
    }
}

let elementwiseCases: [OperationCase] =
    activations.map { activationCase($0.0, $0.1, rows: 3, columns: 19) }
    + [activationCase(HEED_GELU_TANH, "gelu tanh", rows: 5, columns: 64)]
    + [(HEED_SILU, "silu", 5), (HEED_GELU_TANH, "gelu tanh", 16), (HEED_RELU, "relu", 37)].map {
        gateCase($0.0, $0.1, rows: 4, columns: $0.2)
    }
    + [combineCase(rows: 3, columns: 21, second: true), combineCase(rows: 2, columns: 64, second: false)]
    + [gatherCase(columns: 5), gatherCase(columns: 40)]

private func activationCase(
    _ activation: heed_activation, _ name: String, rows: Int, columns: Int
) -> OperationCase {
    var numbers = Numbers(columns + Int(activation.rawValue))
    let count = rows * columns
    return OperationCase(
        name: "\(name) \(rows)x\(columns)",
        inputs: [numbers.array(count).map { 5 * $0 }],
        forward: { machine, memory, inputs in
            var call = heed_activate()
            call.window = memory.window(rows)
            call.x = UnsafePointer(memory.floats(inputs[0]))
            call.y = memory.nan(count)
            call.columns = Int32(columns)
            call.activation = Int32(activation.rawValue)
            run(machine.kernels.activate, call, parts: machine.parts)
            return [call.y.array(count)]
        },
        oracle: { [$0[0].map { activate($0, activation) }] },
        gradient: { machine, memory, inputs, seeds in
            var call = heed_activate_gradient()
            call.window = memory.window(rows)
            call.x = UnsafePointer(memory.floats(inputs[0]))
            call.dy = UnsafePointer(memory.floats(seeds[0]))
            call.dx = memory.zeros(count)
            call.accumulate = 1
            call.columns = Int32(columns)
            call.activation = Int32(activation.rawValue)
            run(machine.kernels.activate_gradient, call, parts: machine.parts)
            return [call.dx.array(count)]
        })
}

private func gateCase(_ activation: heed_activation, _ name: String, rows: Int, columns: Int) -> OperationCase {
    var numbers = Numbers(columns)
    let count = rows * columns
    return OperationCase(
        name: "gate \(name) \(rows)x\(columns)",
        inputs: [numbers.array(2 * count).map { 4 * $0 }],
        forward: { machine, memory, inputs in
            var call = heed_gate()
            call.window = memory.window(rows)
            call.x = UnsafePointer(memory.floats(inputs[0]))
            call.y = memory.nan(count)
            call.columns = Int32(columns)
            call.activation = Int32(activation.rawValue)
            run(machine.kernels.gate, call, parts: machine.parts)
            return [call.y.array(count)]
        },
        oracle: { inputs in
            [
                (0..<count).map { i in
                    let row = i / columns * 2 * columns
                    return activate(inputs[0][row + i % columns], activation) * inputs[0][row + columns + i % columns]
                }
            ]
        },
        gradient: { machine, memory, inputs, seeds in
            var call = heed_gate_gradient()
            call.window = memory.window(rows)
            call.x = UnsafePointer(memory.floats(inputs[0]))
            call.dy = UnsafePointer(memory.floats(seeds[0]))
            call.dx = memory.nan(2 * count)
            call.columns = Int32(columns)
            call.activation = Int32(activation.rawValue)
            run(machine.kernels.gate_gradient, call, parts: machine.parts)
            return [call.dx.array(2 * count)]
        })
}

private func combineCase(rows: Int, columns: Int, second: Bool) -> OperationCase {
    var numbers = Numbers(columns)
    let count = rows * columns
    return OperationCase(
        name: "combine \(rows)x\(columns)",
        inputs: [numbers.array(count), second ? numbers.array(count) : []],
        forward: { machine, memory, inputs in
            var call = heed_combine()
            call.window = memory.window(rows)
            call.x = UnsafePointer(memory.floats(inputs[0]))
            if second { call.z = UnsafePointer(memory.floats(inputs[1])) }
            call.y = memory.nan(count)
            call.a = 0.75
            call.b = -1.5
            call.columns = Int32(columns)
            run(machine.kernels.combine, call, parts: machine.parts)
            return [call.y.array(count)]
        },
        oracle: { inputs in [(0..<count).map { 0.75 * inputs[0][$0] - (second ? 1.5 * inputs[1][$0] : 0) }] })
}

private func gatherCase(columns: Int) -> OperationCase {
    var numbers = Numbers(columns)
    let index = [3, 0, 3, 5, 3, 1]
    let rows = 6
    return OperationCase(
        name: "gather x\(columns)",
        inputs: [numbers.array(rows * columns)],
        forward: { machine, memory, inputs in
            var call = heed_gather()
            call.count = UnsafePointer(memory.integers([index.count]))
            call.index = UnsafePointer(memory.integers(index))
            call.x = UnsafePointer(memory.floats(inputs[0]))
            call.y = memory.nan(index.count * columns)
            call.columns = Int32(columns)
            run(machine.kernels.gather, call, parts: machine.parts)
            return [call.y.array(index.count * columns)]
        },
        oracle: { inputs in [index.flatMap { inputs[0][($0 * columns)..<(($0 + 1) * columns)] }] },
        gradient: { machine, memory, inputs, seeds in
            var call = heed_gather()
            call.count = UnsafePointer(memory.integers([index.count]))
            call.index = UnsafePointer(memory.integers(index))
            call.x = UnsafePointer(memory.floats(seeds[0]))
            call.y = memory.zeros(rows * columns)
            call.columns = Int32(columns)
            run(machine.kernels.gather_gradient, call, parts: machine.parts)
            return [call.y.array(rows * columns)]
        })
}
