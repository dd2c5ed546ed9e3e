import HeedTensor

/// The attention weights of one layer: who reads whom, by head.
public struct AttentionMap: Sendable {
    /// `attentions`, `encoder_attentions`, `decoder_attentions` or `cross_attentions`.
    public let name: String
    /// The layer.
    public let layer: Int
    /// Heads, rows that read, and rows that are read.
    public let heads, queries, keys: Int
    /// [heads, queries, keys].
    public let weights: [Float]
}

extension WholePass {
    /// The maps of every layer: heads · queries · keys numbers each.
    func attentionMaps() -> [AttentionMap] { places.attentions.map { map($0) } }

    func map(_ attention: Places.Attention) -> AttentionMap {
        let queries = places.queryStream(attention.name, of: subject).ids.count
        let keys = places.keyStream(attention.name, of: subject).ids.count
        let heads = attention.operation.shape.heads
        var result = [Float](repeating: 0, count: heads * queries * keys)
        if let weights = weights(attention) {
            for query in 0..<queries {
                weights.withRow(query) { row in
                    for head in 0..<heads {
                        for key in 0..<keys {
                            result[(head * queries + query) * keys + key] = row[head * stride + key]
                        }
                    }
                }
            }
        }
        return AttentionMap(
            name: attention.name, layer: attention.layer, heads: heads, queries: queries, keys: keys, weights: result)
    }

    /// The mean of a layer's heads [queries, keys].
    func meanWeights(_ attention: Places.Attention) -> [Float] {
        let map = map(attention)
        let size = map.queries * map.keys
        var mean = [Float](repeating: 0, count: size)
        for head in 0..<map.heads { for index in 0..<size { mean[index] += map.weights[head * size + index] } }
        return mean.map { $0 / Float(map.heads) }
    }
}

/// Attention over several layers at once: A = ½ mean over heads + ½ I of each layer, multiplied from the first layer up
/// (Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers").
public struct AttentionRollout: Sendable {
    /// `rollout`, `encoder_rollout`, `decoder_rollout` or `cross_rollout`.
    public let name: String
    /// Rows that read, and rows that are read.
    public let queries, keys: Int
    /// After each layer, [queries, keys].
    public let layers: [[Float]]
}

extension WholePass {
    /// The roll-out of every stack, and of the attention to a source through the encoder's.
    ///
    /// Cost: 2 · layers · rows³ operations.
    func rollouts() -> [AttentionRollout] {
        var results: [AttentionRollout] = []
        for name in places.attentionNames {
            let count = places.queryStream(name, of: subject).ids.count
            let keys = places.keyStream(name, of: subject).ids.count
            let isCross = name == "cross_attentions"
            var layers: [[Float]] = []
            for attention in places.attentions where attention.name == name {
                var step = meanWeights(attention)
                if isCross {
                    // What is read of the source, through what the source's own rows have read.
                    let before = results.first { $0.name == "encoder_rollout" }?.layers.last
                    layers.append(before.map { product(step, $0, count, keys, keys) } ?? step)
                    continue
                }
                for row in 0..<count {
                    for column in 0..<count {
                        step[row * count + column] *= 0.5
                        if row == column { step[row * count + column] += 0.5 }
                    }
                }
                layers.append(layers.last.map { product(step, $0, count, count, count) } ?? step)
            }
            let short = name.replacing("attentions", with: "rollout")
            results.append(AttentionRollout(name: short, queries: count, keys: keys, layers: layers))
        }
        return results
    }

    /// a [n, m] · b [m, k]; zeros of a cost nothing.
    private func product(_ a: [Float], _ b: [Float], _ n: Int, _ m: Int, _ k: Int) -> [Float] {
        var result = [Float](repeating: 0, count: n * k)
        result.withUnsafeMutableBufferPointer { result in
            b.withUnsafeBufferPointer { b in
                for i in 0..<n {
                    for j in 0..<m {
                        let factor = a[i * m + j]
                        if factor == 0 { continue }
                        for column in 0..<k { result[i * k + column] += factor * b[j * k + column] }
                    }
                }
            }
        }
        return result
    }
}
