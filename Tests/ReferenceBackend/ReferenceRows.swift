import HeedSupport
import HeedTensor

extension Activation {
    /// f(x).
    func value(_ x: Double) -> Double {
        switch self {
        case .identity: x
        case .relu: max(x, 0)
        case .gelu: x * (1 + errorFunction(x / 2.0.squareRoot())) / 2
        case .geluTanh: x * (1 + hyperbolicTangent(Activation.tanhInner(x))) / 2
        case .quickGelu: x * logistic(1.702 * x)
        case .silu: x * logistic(x)
        case .tanh: hyperbolicTangent(x)
        case .sigmoid: logistic(x)
        case .reluSquared: max(x, 0) * max(x, 0)
        case .softplus: x > 30 ? x : ExactMathematics.log(1 + ExactMathematics.exp(x))
        }
    }

    /// f′(x).
    func slope(_ x: Double) -> Double {
        switch self {
        case .identity: return 1
        case .relu: return x > 0 ? 1 : 0
        case .gelu:
            let density = ExactMathematics.exp(-x * x / 2) / (2 * Double.pi).squareRoot()
            return (1 + errorFunction(x / 2.0.squareRoot())) / 2 + x * density
        case .geluTanh:
            let t = hyperbolicTangent(Activation.tanhInner(x))
            let inner = (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x)
            return (1 + t) / 2 + x * (1 - t * t) * inner / 2
        case .quickGelu:
            let s = logistic(1.702 * x)
            return s + 1.702 * x * s * (1 - s)
        case .silu:
            let s = logistic(x)
            return s + x * s * (1 - s)
        case .tanh:
            let t = hyperbolicTangent(x)
            return 1 - t * t
        case .sigmoid:
            let s = logistic(x)
            return s * (1 - s)
        case .reluSquared: return 2 * max(x, 0)
        case .softplus: return logistic(x)
        }
    }

    private static func tanhInner(_ x: Double) -> Double {
        (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
    }
}

private func logistic(_ x: Double) -> Double { 1 / (1 + ExactMathematics.exp(-x)) }

func hyperbolicTangent(_ x: Double) -> Double {
    if abs(x) > 20 { return x > 0 ? 1 : -1 }
    let e = ExactMathematics.exp(2 * x)
    return (e - 1) / (e + 1)
}

/// erf by its series, or by the continued fraction of erfc where the series converges slowly.
private func errorFunction(_ x: Double) -> Double {
    let a = abs(x)
    if a > 6 { return x > 0 ? 1 : -1 }
    if a < 3 {
        var (term, sum) = (a, a)
        for n in 1..<200 {
            term *= -a * a / Double(n)
            sum += term / Double(2 * n + 1)
        }
        return (x < 0 ? -1 : 1) * 2 / Double.pi.squareRoot() * sum
    }
    var fraction = 0.0
    for n in stride(from: 60, through: 1, by: -1) { fraction = Double(n) / 2 / (a + fraction) }
    let rest = ExactMathematics.exp(-a * a) / Double.pi.squareRoot() / (a + fraction)
    return (x < 0 ? -1 : 1) * (1 - rest)
}

extension LinearOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        let (x, w) = (memory[frame.inputs[0]], memory.value(weight))
        for row in 0..<frame.rows.current {
            for out in 0..<outColumns {
                var sum = bias.map { memory.value($0)[out] } ?? 0
                for k in 0..<inColumns { sum += x[row * inColumns + k] * w[out * inColumns + k] }
                let place = row * outColumns + out
                if let pre = frame.auxiliary(0) { memory[pre][place] = sum }
                let residual = addsResidual ? memory[frame.inputs[1]][place] : 0
                memory[frame.output][place] = residual + activation.value(sum)
            }
        }
    }

    func recompute(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let pre = frame.auxiliary(0) else { return }
        for place in 0..<frame.rows.current * outColumns {
            memory[frame.output][place] = activation.value(memory[pre][place])
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        let (x, w) = (memory[frame.inputs[0]], memory.value(weight))
        var g = memory[dy]
        let rows = frame.rows.current
        if activation != .identity, let pre = frame.auxiliary(0) {
            for place in 0..<rows * outColumns { g[place] *= activation.slope(memory[pre][place]) }
        }
        var dx = [Double](repeating: 0, count: rows * inColumns)
        for row in 0..<rows {
            for out in 0..<outColumns {
                let slope = g[row * outColumns + out]
                memory.add(slope, to: bias, at: out)
                for k in 0..<inColumns {
                    memory.add(slope * x[row * inColumns + k], to: weight, at: out * inColumns + k)
                    dx[row * inColumns + k] += slope * w[out * inColumns + k]
                }
            }
        }
        memory.give(dx, to: frame.inputGradient(0))
    }
}

extension ActivateOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for i in 0..<frame.rows.current * width {
            memory[frame.output][i] = activation.value(memory[frame.inputs[0]][i])
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        memory.give(
            (0..<frame.rows.current * width).map { memory[dy][$0] * activation.slope(memory[frame.inputs[0]][$0]) },
            to: frame.inputGradient(0))
    }
}

extension CapOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for i in 0..<frame.rows.current * width {
            memory[frame.output][i] = Double(cap) * hyperbolicTangent(memory[frame.inputs[0]][i] / Double(cap))
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        memory.give(
            (0..<frame.rows.current * width).map {
                let t = hyperbolicTangent(memory[frame.inputs[0]][$0] / Double(cap))
                return memory[dy][$0] * (1 - t * t)
            }, to: frame.inputGradient(0))
    }
}

extension GateOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        let x = memory[frame.inputs[0]]
        for row in 0..<frame.rows.current {
            for c in 0..<width {
                memory[frame.output][row * width + c] =
                    activation.value(x[row * 2 * width + c]) * x[row * 2 * width + width + c]
            }
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        let x = memory[frame.inputs[0]]
        var dx = [Double](repeating: 0, count: frame.rows.current * 2 * width)
        for row in 0..<frame.rows.current {
            for c in 0..<width {
                let (gate, up) = (row * 2 * width + c, row * 2 * width + width + c)
                let slope = memory[dy][row * width + c]
                dx[gate] = slope * x[up] * activation.slope(x[gate])
                dx[up] = slope * activation.value(x[gate])
            }
        }
        memory.give(dx, to: frame.inputGradient(0))
    }
}

extension CombineOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for i in 0..<frame.rows.current * width {
            let second = hasSecond ? Double(b) * memory[frame.inputs[1]][i] : 0
            memory[frame.output][i] = Double(a) * memory[frame.inputs[0]][i] + second
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        let slopes = Array(memory[dy].prefix(frame.rows.current * width))
        memory.give(slopes.map { Double(a) * $0 }, to: frame.inputGradient(0))
        // With factor 1 the second gradient passes through.
        if hasSecond, b != 1 { memory.give(slopes.map { Double(b) * $0 }, to: frame.inputGradient(1)) }
    }
}

extension EditOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for i in 0..<frame.rows.current * frame.shape.columns {
            memory[frame.output][i] = Double(edit.factors[i]) * memory[frame.inputs[0]][i] + Double(edit.offsets[i])
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        let slopes = memory[dy].prefix(frame.rows.current * frame.shape.columns)
        memory.give(slopes.enumerated().map { Double(edit.factors[$0]) * $1 }, to: frame.inputGradient(0))
    }
}

extension SeedOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {}

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        memory.give(
            (0..<frame.rows.current * seed.shape.columns).map { Double(seed.numbers[$0]) }, to: frame.inputGradient(0))
    }
}

extension GatherOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for row in 0..<picked.count.current {
            for c in 0..<width {
                memory[frame.output][row * width + c] = memory[frame.inputs[0]][Int(picked.index[row]) * width + c]
            }
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        var dx = [Double](repeating: 0, count: source.current * width)
        for row in 0..<picked.count.current {
            for c in 0..<width { dx[Int(picked.index[row]) * width + c] += memory[dy][row * width + c] }
        }
        memory.give(dx, to: frame.inputGradient(0))
    }
}

extension NormaliseOperation: ReferenceLowering {
    private func normalised(_ row: ArraySlice<Double>) -> (values: [Double], factor: Double) {
        let count = Double(row.count)
        let mean = kind == .layer ? row.reduce(0, +) / count : 0
        let centred = row.map { $0 - mean }
        let factor = 1 / (centred.reduce(0) { $0 + $1 * $1 } / count + Double(epsilon)).squareRoot()
        return (centred.map { $0 * factor }, factor)
    }

    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        let x = memory[frame.inputs[0]]
        for row in 0..<frame.rows.current {
            let (values, _) = normalised(x[row * width..<(row + 1) * width])
            for c in 0..<width {
                let scaled = values[c] * (gain.map { memory.value($0)[c] } ?? 1)
                memory[frame.output][row * width + c] = scaled + (offset.map { memory.value($0)[c] } ?? 0)
            }
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        let x = memory[frame.inputs[0]]
        var dx = [Double](repeating: 0, count: frame.rows.current * width)
        for row in 0..<frame.rows.current {
            let (values, factor) = normalised(x[row * width..<(row + 1) * width])
            var g = [Double](repeating: 0, count: width)
            for c in 0..<width {
                let slope = memory[dy][row * width + c]
                memory.add(slope * values[c], to: gain, at: c)
                memory.add(slope, to: offset, at: c)
                g[c] = slope * (gain.map { memory.value($0)[c] } ?? 1)
            }
            let mean = kind == .layer ? g.reduce(0, +) / Double(width) : 0
            let along = zip(g, values).reduce(0) { $0 + $1.0 * $1.1 } / Double(width)
            for c in 0..<width { dx[row * width + c] = (g[c] - mean - values[c] * along) * factor }
        }
        memory.give(dx, to: frame.inputGradient(0))
    }
}

extension RotateOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) { turn(frame, frame.output, 1, memory) }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        if let dy = frame.outputGradient { turn(frame, dy, -1, memory) }
    }

    private func turn(_ frame: Frame, _ buffer: BufferHandle, _ direction: Double, _ memory: ReferenceMemory) {
        let columns = frame.shape.columns
        for row in 0..<frame.rows.current {
            let rotary = turns.positions(ofRow: row)
            for head in 0..<heads {
                for (pair, frequency) in rotary.frequencies.enumerated() {
                    let start = row * columns + head * width
                    let first = start + (rotary.interleaved ? 2 * pair : pair)
                    let second = rotary.interleaved ? first + 1 : first + rotary.frequencies.count
                    let (sine, cosine) = ExactMathematics.sineAndCosine(Double(batch.positions[row]) * frequency)
                    let (a, b) = (memory[buffer][first], memory[buffer][second])
                    let factor = Double(rotary.factor)
                    memory[buffer][first] = factor * (a * cosine - direction * b * sine)
                    memory[buffer][second] = factor * (direction * a * sine + b * cosine)
                }
            }
        }
    }
}
