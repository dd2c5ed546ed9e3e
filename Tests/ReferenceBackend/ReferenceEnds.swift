import CHeedKernels
import HeedSupport
import HeedTensor

/// Whether an element is kept, as 1/(1 − rate) or 0, by the definition of the random numbers.
func keepFactor(_ random: RandomState, site: UInt32, rate: Float, index: Int) -> Double {
    let state = random.pointer.pointee
    var four: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &four) { bytes in
        heed_philox(
            state.seed, site, UInt32(truncatingIfNeeded: state.step), UInt64(index / 4),
            bytes.baseAddress?.assumingMemoryBound(to: UInt32.self), 4)
    }
    let word = [four.0, four.1, four.2, four.3][index & 3]
    return word >= UInt32(Double(rate) * 4_294_967_296) ? Double(1 / (1 - rate)) : 0
}

extension DropOperation: ReferenceLowering {
    private func factor(_ place: Int) -> Double {
        keepFactor(random, site: site, rate: rate, index: Int(random.pointer.pointee.row_base) * width + place)
    }

    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for place in 0..<frame.rows.current * width {
            let residual = addsResidual ? memory[frame.inputs[1]][place] : 0
            memory[frame.output][place] = residual + factor(place) * memory[frame.inputs[0]][place]
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        memory.give(
            (0..<frame.rows.current * width).map { factor($0) * memory[dy][$0] }, to: frame.inputGradient(0))
    }
}

extension EmbedOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for row in 0..<frame.rows.current {
            for c in 0..<width {
                var sum = Double(scale) * memory.value(table)[Int(batch.ids[row]) * width + c]
                let position = Int(batch.positions[row])
                switch positions {
                case .learned(let rows, let first): sum += memory.value(rows)[(first + position) * width + c]
                case .fixed(let rows): sum += Double(rows[(position + 1) * width + c])
                case nil: break
                }
                if let typeTable { sum += memory.value(typeTable)[Int(batch.types[row]) * width + c] }
                memory[frame.output][row * width + c] = sum
            }
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        for row in 0..<frame.rows.current {
            for c in 0..<width {
                let slope = memory[dy][row * width + c]
                let id = Int(batch.ids[row])
                if id != padding { memory.add(Double(scale) * slope, to: table, at: id * width + c) }
                if let (rows, first) = learnedPositions {
                    memory.add(slope, to: rows, at: (first + Int(batch.positions[row])) * width + c)
                }
                memory.add(slope, to: typeTable, at: Int(batch.types[row]) * width + c)
            }
        }
    }
}

extension CrossEntropyOperation: ReferenceLowering {
    /// −log p of every class, or nil where the row has no target.
    private func surprises(_ row: Int, _ frame: Frame, _ memory: ReferenceMemory) -> [Double]? {
        logits(row, frame, memory).map { logits in
            let largest = logits.max() ?? 0
            let sum = logits.reduce(0) { $0 + ExactMathematics.exp($1 - largest) }
            return logits.map { largest + ExactMathematics.log(sum) - $0 }
        }
    }

    /// The logits, capped; nil where the row has no target.
    private func logits(_ row: Int, _ frame: Frame, _ memory: ReferenceMemory) -> [Double]? {
        guard targets.ids[row] != TokenBatch.ignored else { return nil }
        let (h, w) = (memory[frame.inputs[0]], memory.value(weight))
        return (0..<classes).map { (k: Int) -> Double in
            var z: Double = bias.map { memory.value($0)[k] } ?? 0
            for c in 0..<width { z += h[row * width + c] * w[k * width + c] }
            guard let cap else { return z }
            return Double(cap) * hyperbolicTangent(z / Double(cap))
        }
    }

    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for row in 0..<frame.rows.current {
            guard let surprises = surprises(row, frame, memory) else {
                readout.losses[row] = 0
                continue
            }
            let mean = surprises.reduce(0, +) / Double(classes)
            let epsilon = Double(smoothing)
            var loss = (1 - epsilon) * surprises[Int(targets.ids[row])] + epsilon * mean
            if let teacher, let logits = logits(row, frame, memory) { loss = teacher.loss(loss, row, logits) }
            readout.losses[row] = Float(loss)
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        let (h, w) = (memory[frame.inputs[0]], memory.value(weight))
        var dh = [Double](repeating: 0, count: frame.rows.current * width)
        for row in 0..<frame.rows.current {
            guard let surprises = surprises(row, frame, memory), let logits = logits(row, frame, memory) else {
                continue
            }
            let opinions = teacher?.opinions(row, logits)
            for k in 0..<classes {
                let wanted =
                    Double(smoothing) / Double(classes) + (k == Int(targets.ids[row]) ? 1 - Double(smoothing) : 0)
                let bent = cap.map { 1 - logits[k] / Double($0) * logits[k] / Double($0) } ?? 1
                let grown = 1 + 2 * Double(penalty) * (surprises[0] + logits[0])  // log Z = −log p + z
                var slope = ExactMathematics.exp(-surprises[k]) * grown - wanted
                if let teacher, let opinions { slope = teacher.slope(slope, opinions[k]) }
                slope *= Double(scale.value) * bent
                memory.add(slope, to: bias, at: k)
                for c in 0..<width {
                    memory.add(slope * h[row * width + c], to: weight, at: k * width + c)
                    dh[row * width + c] += slope * w[k * width + c]
                }
            }
        }
        memory.give(dh, to: frame.inputGradient(0))
    }
}

extension SoftTargets {
    /// What the teacher and the model think of every class of a row: softmax(t / T) and softmax(z / T).
    func opinions(_ row: Int, _ logits: [Double]) -> [(p: Double, q: Double)] {
        func shares(_ x: [Double]) -> [Double] {
            let largest = x.max() ?? 0
            let powers = x.map { ExactMathematics.exp(($0 - largest) / Double(temperature)) }
            let sum = powers.reduce(0, +)
            return powers.map { $0 / sum }
        }
        let said = (0..<classes).map { Double(self.logits[row * classes + $0]) }
        return zip(shares(said), shares(logits)).map { ($0, $1) }
    }

    /// The loss of a row, `hard` being that without the teacher.
    func loss(_ hard: Double, _ row: Int, _ logits: [Double]) -> Double {
        let apart = opinions(row, logits).reduce(0.0) { sum, opinion in
            sum + opinion.p * (ExactMathematics.log(opinion.p) - ExactMathematics.log(opinion.q))
        }
        let (share, temperature) = (Double(share), Double(temperature))
        return (1 - share) * hard + share * temperature * temperature * apart
    }

    /// The gradient of one logit, not scaled.
    func slope(_ hard: Double, _ opinion: (p: Double, q: Double)) -> Double {
        (1 - Double(share)) * hard + Double(share) * Double(temperature) * (opinion.q - opinion.p)
    }
}
