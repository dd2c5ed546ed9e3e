import HeedSupport
import HeedTensor

/// Keys and values of earlier passes, row by row.
public final class ReferenceStore: KeyValueStore, @unchecked Sendable {
    // Sendable: one pass at a time writes it.
    public let layers: Int
    /// k | v of every token, by layer and slot.
    fileprivate var rows: [[[[Double]]]]

    public init(layers: Int, slots: Int) {
        self.layers = layers
        rows = Array(repeating: Array(repeating: [], count: slots), count: layers)
    }

    fileprivate func append(_ new: [[Double]], layer: Int, slot: Int, past: Int) {
        rows[layer][slot] = Array(rows[layer][slot].prefix(past)) + new
    }
}

extension AttendOperation: ReferenceLowering {
    /// One sequence: rows of q, and k | v of every key.
    private struct Sequence {
        let queries: Range<Int>
        let keys: [[Double]]
        /// Rows of the keys in their buffer, where they are of this pass.
        let keyRows: Range<Int>
    }

    private func rows(_ buffer: [Double], _ range: Range<Int>, stride: Int, from column: Int, count: Int) -> [[Double]]
    {
        range.map { row in Array(buffer[row * stride + column..<row * stride + column + count]) }
    }

    private func sequences(_ frame: Frame, _ memory: ReferenceMemory) -> [Sequence] {
        let (queries, both) = (shape.queryColumns, 2 * shape.keyColumns)
        func range(_ batch: TokenBatch, _ sequence: Int) -> Range<Int> {
            Int(batch.offsets[sequence])..<Int(batch.offsets[sequence + 1])
        }
        let readers: TokenBatch = if case .memoryStored(_, _, let readers) = keys { readers } else { batch }
        return (0..<readers.sequences.current).map { index in
            let own = range(readers, index)
            func fused() -> [[Double]] {
                rows(memory[frame.inputs[0]], own, stride: queries + both, from: queries, count: both)
            }
            switch keys {
            case .own: return Sequence(queries: own, keys: fused(), keyRows: own)
            case .memory(let other):
                let there = range(other, index)
                return Sequence(
                    queries: own, keys: rows(memory[frame.inputs[1]], there, stride: both, from: 0, count: both),
                    keyRows: there)
            case .ownStored(let store, let layer):
                guard let store = store as? ReferenceStore else {
                    return Sequence(queries: own, keys: [], keyRows: own)
                }
                let slot = Int(batch.slots[index])
                store.append(fused(), layer: layer, slot: slot, past: Int(batch.past[index]))
                return Sequence(queries: own, keys: store.rows[layer][slot], keyRows: own)
            case .memoryStored(let store, let layer, let readers):
                guard let store = store as? ReferenceStore else {
                    return Sequence(queries: own, keys: [], keyRows: own)
                }
                let all = store.rows[layer][Int(readers.slots[index])]
                return Sequence(queries: own, keys: Array(all.prefix(Int(readers.lengths[index]))), keyRows: own)
            }
        }
    }

    private func queryStride(_ frame: Frame) -> Int { frame.inputShapes[0].columns }

    /// The weights of one row and head before dropout over the keys up to the last that it sees, and how steeply the
    /// scores rise with q · k.
    private func weights(
        _ row: Int, _ head: Int, _ sequence: Sequence, _ frame: Frame, _ memory: ReferenceMemory
    ) -> (weights: [Double], slopes: [Double]) {
        let past = sequence.keys.count - sequence.queries.count
        let place = row - sequence.queries.lowerBound + (shape.causal ? past : 0)
        var visible = shape.causal ? place + 1 : sequence.keys.count
        if let window = shape.window { visible = min(visible, place + window.after + 1) }
        let group = head / (shape.heads / shape.keyHeads)
        let q = memory[frame.inputs[0]]
        var bends = [Double](repeating: Double(shape.scale), count: visible)
        let scores = (0..<visible).map { key in
            if let window = shape.window, key < place - window.before { return -Double.infinity }
            var sum = 0.0
            for c in 0..<shape.width {
                sum +=
                    q[row * queryStride(frame) + head * shape.width + c] * sequence.keys[key][group * shape.width + c]
            }
            if let cap = shape.cap.map({ Double($0) }) {
                let t = hyperbolicTangent(Double(shape.scale) * sum / cap)
                bends[key] *= 1 - t * t
                return cap * t
            }
            return Double(shape.scale) * sum + offset(key - place, head, memory)
        }
        let largest = scores.max() ?? 0
        let powers = scores.map { $0 == -.infinity ? 0 : ExactMathematics.exp($0 - largest) }
        let total = powers.reduce(0, +)
        return (powers.map { $0 / total }, bends)
    }

    private func bucket(_ relative: Int, _ bias: RelativeBias) -> Int {
        let all = bias.table.shape[0]
        let count = bias.bidirectional ? all / 2 : all
        let shift = bias.bidirectional && relative > 0 ? count : 0
        let distance = bias.bidirectional ? abs(relative) : max(-relative, 0)
        let exact = count / 2
        if distance < exact { return shift + distance }
        if distance >= bias.maximumDistance { return shift + count - 1 }
        let ratio =
            ExactMathematics.log(Double(distance) / Double(exact))
            / ExactMathematics.log(Double(bias.maximumDistance) / Double(exact))
        return shift + min(exact + Int(ratio * Double(count - exact)), count - 1)
    }

    private func offset(_ relative: Int, _ head: Int, _ memory: ReferenceMemory) -> Double {
        let slope = shape.slopes.isEmpty ? 0 : Double(shape.slopes[head]) * Double(relative)
        return slope + (bias.map { memory.value($0.table)[bucket(relative, $0) * shape.heads + head] } ?? 0)
    }

    private func kept(_ row: Int, _ head: Int, _ key: Int) -> Double {
        guard dropout > 0 else { return 1 }
        let index = ((Int(random.pointer.pointee.row_base) + row) * shape.heads + head) << 20 + key
        return keepFactor(random, site: site, rate: dropout, index: index)
    }

    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        for sequence in sequences(frame, memory) {
            for row in sequence.queries {
                for head in 0..<shape.heads {
                    let p = weights(row, head, sequence, frame, memory).weights
                    if keepsWeights, let buffer = frame.auxiliary(1) {
                        for key in 0..<maximumKeys {
                            memory[buffer][(row * shape.heads + head) * maximumKeys + key] = key < p.count ? p[key] : 0
                        }
                    }
                    let value = shape.keyColumns + head / (shape.heads / shape.keyHeads) * shape.width
                    for c in 0..<shape.width {
                        memory[frame.output][row * shape.queryColumns + head * shape.width + c] =
                            p.indices.reduce(0) {
                                $0 + kept(row, head, $1) * p[$1] * sequence.keys[$1][value + c]
                            }
                    }
                }
            }
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let dout = frame.outputGradient else { return }
        let both = 2 * shape.keyColumns
        let fused = shape.queryColumns + both
        var first = [Double](repeating: 0, count: frame.rows.current * queryStride(frame))
        var second: [Double] = []
        if case .memory(let other) = keys { second = Array(repeating: 0, count: other.rows.current * both) }
        let q = memory[frame.inputs[0]]
        func addKey(_ row: Int, _ column: Int, _ amount: Double) {
            if case .memory = keys {
                second[row * both + column] += amount
            } else {
                first[row * fused + shape.queryColumns + column] += amount
            }
        }
        for sequence in sequences(frame, memory) {
            for row in sequence.queries {
                for head in 0..<shape.heads {
                    let (p, bends) = weights(row, head, sequence, frame, memory)
                    let key = head / (shape.heads / shape.keyHeads) * shape.width
                    let out = row * shape.queryColumns + head * shape.width
                    let dp = p.indices.map { j in
                        kept(row, head, j)
                            * (0..<shape.width).reduce(0.0) {
                                $0 + memory[dout][out + $1] * sequence.keys[j][shape.keyColumns + key + $1]
                            }
                    }
                    let along = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
                    let place =
                        row - sequence.queries.lowerBound
                        + (shape.causal ? sequence.keys.count - sequence.queries.count : 0)
                    for j in p.indices {
                        let ds = p[j] * (dp[j] - along)
                        if let bias {
                            memory.add(ds, to: bias.table, at: bucket(j - place, bias) * shape.heads + head)
                        }
                        for c in 0..<shape.width {
                            let query = row * queryStride(frame) + head * shape.width + c
                            first[query] += bends[j] * ds * sequence.keys[j][key + c]
                            addKey(sequence.keyRows.lowerBound + j, key + c, bends[j] * ds * q[query])
                            addKey(
                                sequence.keyRows.lowerBound + j, shape.keyColumns + key + c,
                                kept(row, head, j) * p[j] * memory[dout][out + c])
                        }
                    }
                }
            }
        }
        memory.give(first, to: frame.inputGradient(0))
        if case .memory = keys { memory.give(second, to: frame.inputGradient(1)) }
    }
}

extension StoreOperation: ReferenceLowering {
    func forward(_ frame: Frame, _ memory: ReferenceMemory) {
        guard let store = store as? ReferenceStore else { return }
        for index in 0..<batch.sequences.current {
            let rows = (Int(batch.offsets[index])..<Int(batch.offsets[index + 1])).map { row in
                Array(memory[frame.inputs[0]][row * 2 * columns..<(row + 1) * 2 * columns])
            }
            store.append(rows, layer: layer, slot: Int(batch.slots[index]), past: Int(batch.past[index]))
        }
    }

    func backward(_ frame: Frame, _ memory: ReferenceMemory) {}
}
