import HeedSupport
import HeedTensor

extension RouteOperation: ReferenceLowering {
    private func probabilities(_ row: Int, _ frame: Frame, _ memory: ReferenceMemory) -> [Double] {
        let logits = memory[frame.inputs[0]][row * routing.experts..<(row + 1) * routing.experts]
        let largest = logits.max() ?? 0
        let powers = logits.map { ExactMathematics.exp($0 - largest) }
        let total = powers.reduce(0, +)
        return powers.map { $0 / total }
    }

    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        let (experts, chosen) = (routing.experts, routing.chosen)
        for row in 0..<frame.rows.current {
            let p = probabilities(row, frame, memory)
            let best = p.indices.sorted { p[$0] != p[$1] ? p[$0] > p[$1] : $0 < $1 }.prefix(chosen).sorted()
            let total = routing.normalises ? best.reduce(0) { $0 + p[$1] } : 1
            for (place, expert) in best.enumerated() {
                routing.picked[row * chosen + place] = Int32(expert)
                memory[frame.output][row * chosen + place] = p[expert] / total
            }
        }
        var next = 0
        for expert in 0..<experts {
            routing.offsets[expert] = Int32(next)
            for pair in 0..<frame.rows.current * chosen where routing.picked[pair] == Int32(expert) {
                routing.slots[pair] = Int32(next)
                routing.sources[next] = Int32(pair / chosen)
                next += 1
            }
        }
        routing.offsets[experts] = Int32(next)
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        let (experts, chosen) = (routing.experts, routing.chosen)
        var dx = [Double](repeating: 0, count: frame.rows.current * experts)
        for row in 0..<frame.rows.current {
            let p = probabilities(row, frame, memory)
            var dp = [Double](repeating: 0, count: experts)
            let picked = (0..<chosen).map { Int(routing.picked[row * chosen + $0]) }
            let total = picked.reduce(0) { $0 + p[$1] }
            for (place, expert) in picked.enumerated() {
                let dw = memory[dy][row * chosen + place]
                guard routing.normalises else {
                    dp[expert] += dw
                    continue
                }
                // w = p / total, and total is the sum of all of them.
                dp[expert] += dw / total
                for other in picked { dp[other] -= dw * p[expert] / (total * total) }
            }
            let along = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
            for expert in 0..<experts { dx[row * experts + expert] = p[expert] * (dp[expert] - along) }
        }
        memory.give(dx, to: frame.inputGradient(0))
    }
}

extension DispatchOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for slot in 0..<frame.rows.current {
            for c in 0..<width {
                memory[frame.output][slot * width + c] = memory[frame.inputs[0]][Int(routing.sources[slot]) * width + c]
            }
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        var dx = [Double](repeating: 0, count: routing.rows.current * width)
        for slot in 0..<frame.rows.current {
            for c in 0..<width { dx[Int(routing.sources[slot]) * width + c] += memory[dy][slot * width + c] }
        }
        memory.give(dx, to: frame.inputGradient(0))
    }
}

extension ExpertLinearOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for (expert, weight) in weights.enumerated() {
            let w = memory.value(weight)
            for slot in Int(routing.offsets[expert])..<Int(routing.offsets[expert + 1]) {
                for out in 0..<outColumns {
                    memory[frame.output][slot * outColumns + out] = (0..<inColumns).reduce(0) {
                        $0 + memory[frame.inputs[0]][slot * inColumns + $1] * w[out * inColumns + $1]
                    }
                }
            }
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        let x = memory[frame.inputs[0]]
        var dx = [Double](repeating: 0, count: frame.rows.current * inColumns)
        for (expert, weight) in weights.enumerated() {
            let w = memory.value(weight)
            for slot in Int(routing.offsets[expert])..<Int(routing.offsets[expert + 1]) {
                for out in 0..<outColumns {
                    let slope = memory[dy][slot * outColumns + out]
                    for k in 0..<inColumns {
                        memory.add(slope * x[slot * inColumns + k], to: weight, at: out * inColumns + k)
                        dx[slot * inColumns + k] += slope * w[out * inColumns + k]
                    }
                }
            }
        }
        memory.give(dx, to: frame.inputGradient(0))
    }
}

extension MixOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        let chosen = routing.chosen
        for row in 0..<frame.rows.current {
            for c in 0..<width {
                let residual = addsResidual ? memory[frame.inputs[2]][row * width + c] : 0
                memory[frame.output][row * width + c] = (0..<chosen).reduce(residual) { sum, place in
                    let slot = Int(routing.slots[row * chosen + place])
                    return sum + memory[frame.inputs[1]][row * chosen + place]
                        * memory[frame.inputs[0]][slot * width + c]
                }
            }
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        let chosen = routing.chosen
        var dx = [Double](repeating: 0, count: routing.pairs.current * width)
        var dw = [Double](repeating: 0, count: frame.rows.current * chosen)
        for row in 0..<frame.rows.current {
            for place in 0..<chosen {
                let slot = Int(routing.slots[row * chosen + place])
                for c in 0..<width {
                    let slope = memory[dy][row * width + c]
                    dx[slot * width + c] = memory[frame.inputs[1]][row * chosen + place] * slope
                    dw[row * chosen + place] += memory[frame.inputs[0]][slot * width + c] * slope
                }
            }
        }
        memory.give(dx, to: frame.inputGradient(0))
        memory.give(dw, to: frame.inputGradient(1))
    }
}

extension NormaliseHeadsOperation: ReferenceLowering {
    private func each(_ rows: Int, _ body: (_ start: Int, _ group: NormedHeads) -> Void) {
        for row in 0..<rows {
            for group in heads {
                for head in 0..<group.count { body(row * width + group.first + head * group.width, group) }
            }
        }
    }

    private func normalised(_ x: [Double], _ start: Int, _ group: NormedHeads) -> (values: [Double], factor: Double) {
        let head = x[start..<start + group.width]
        let mean = head.reduce(0) { $0 + $1 * $1 } / Double(group.width)
        let factor = 1 / (mean + Double(epsilon)).squareRoot()
        return (head.map { $0 * factor }, factor)
    }

    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        let x = memory[frame.inputs[0]]
        for i in 0..<frame.rows.current * width { memory[frame.output][i] = x[i] }
        each(frame.rows.current) { start, group in
            let (values, _) = normalised(x, start, group)
            for c in 0..<group.width { memory[frame.output][start + c] = values[c] * memory.value(group.gain)[c] }
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dy = frame.outputGradient else { return }
        let x = memory[frame.inputs[0]]
        var dx = Array(memory[dy].prefix(frame.rows.current * width))
        each(frame.rows.current) { start, group in
            let (values, factor) = normalised(x, start, group)
            let slopes = (0..<group.width).map { memory[dy][start + $0] }
            let g = slopes.indices.map { slopes[$0] * memory.value(group.gain)[$0] }
            let along = zip(g, values).reduce(0) { $0 + $1.0 * $1.1 } / Double(group.width)
            for c in 0..<group.width {
                memory.add(slopes[c] * values[c], to: group.gain, at: c)
                dx[start + c] = (g[c] - values[c] * along) * factor
            }
        }
        memory.give(dx, to: frame.inputGradient(0))
    }
}
