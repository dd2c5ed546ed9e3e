import HeedSupport
import HeedTensor

extension LowRankOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        let (h, b) = (memory[frame.inputs[1]], memory.value(weight))
        for row in 0..<frame.rows.current {
            for column in 0..<width {
                // The reference keeps every buffer apart, so that the first input may lie elsewhere.
                var sum = memory[frame.inputs[0]][row * width + column]
                if column >= first, column < first + outColumns {
                    for k in 0..<rank { sum += h[row * rank + k] * b[(column - first) * rank + k] }
                }
                memory[frame.output][row * width + column] = sum
            }
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        let (g, h, b) = (memory[dy], memory[frame.inputs[1]], memory.value(weight))
        var dh = [Double](repeating: 0, count: frame.rows.current * rank)
        for row in 0..<frame.rows.current {
            for out in 0..<outColumns {
                let slope = g[row * width + first + out]
                for k in 0..<rank {
                    memory.add(slope * h[row * rank + k], to: weight, at: out * rank + k)
                    dh[row * rank + k] += slope * b[out * rank + k]
                }
            }
        }
        memory.give(dh, to: frame.inputGradient(1))
    }
}

extension BinaryCrossEntropyOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for row in 0..<frame.rows.current {
            let (z, y) = (memory[frame.inputs[0]][row], Double(targets.ids[row]))
            let isCounted = targets.ids[row] != TokenBatch.ignored
            readout.losses[row] = isCounted ? Float(ExactMathematics.log(1 + ExactMathematics.exp(z)) - y * z) : 0
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        let dz = (0..<frame.rows.current).map { row in
            let probability = 1 / (1 + ExactMathematics.exp(-memory[frame.inputs[0]][row]))
            let isCounted = targets.ids[row] != TokenBatch.ignored
            return isCounted ? Double(scale.value) * (probability - Double(targets.ids[row])) : 0
        }
        memory.give(dz, to: frame.inputGradient(0))
    }
}

extension LogitsCrossEntropyOperation: ReferenceLowering {
    /// −log p of every class, or nil where the row has no target.
    private func surprises(_ row: Int, _ frame: Frame, _ memory: ReferenceMemory) -> [Double]? {
        guard targets.ids[row] != TokenBatch.ignored else { return nil }
        let logits = memory[frame.inputs[0]][row * classes..<(row + 1) * classes]
        let largest = logits.max() ?? 0
        let sum = logits.reduce(0) { $0 + ExactMathematics.exp($1 - largest) }
        return logits.map { largest + ExactMathematics.log(sum) - $0 }
    }

    private func logits(_ row: Int, _ frame: Frame, _ memory: ReferenceMemory) -> [Double] {
        Array(memory[frame.inputs[0]][row * classes..<(row + 1) * classes])
    }

    /// log Z.
    private func logSum(_ row: Int, _ frame: Frame, _ memory: ReferenceMemory) -> Double {
        (surprises(row, frame, memory)?.first ?? 0) + memory[frame.inputs[0]][row * classes]
    }

    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for row in 0..<frame.rows.current {
            guard let surprises = surprises(row, frame, memory) else {
                readout.losses[row] = 0
                continue
            }
            let epsilon = Double(smoothing)
            let hard =
                (1 - epsilon) * surprises[Int(targets.ids[row])] + epsilon * surprises.reduce(0, +) / Double(classes)
            readout.losses[row] = Float(teacher?.loss(hard, row, logits(row, frame, memory)) ?? hard)
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        var dz = [Double](repeating: 0, count: frame.rows.current * classes)
        for row in 0..<frame.rows.current {
            guard let surprises = surprises(row, frame, memory) else { continue }
            let opinions = teacher?.opinions(row, logits(row, frame, memory))
            for k in 0..<classes {
                let wanted =
                    Double(smoothing) / Double(classes) + (k == Int(targets.ids[row]) ? 1 - Double(smoothing) : 0)
                let grown = 1 + 2 * Double(penalty) * logSum(row, frame, memory)
                var slope = ExactMathematics.exp(-surprises[k]) * grown - wanted
                if let teacher, let opinions { slope = teacher.slope(slope, opinions[k]) }
                dz[row * classes + k] = Double(scale.value) * slope
            }
        }
        memory.give(dz, to: frame.inputGradient(0))
    }
}
