#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension UnigramLattice {
    /// ln(eˣ + eʸ), with SentencePiece's cut at a difference of 50.
    @inline(__always)
    static func logSumExp(_ x: Float, _ y: Float) -> Float {
        let low = min(x, y)
        let high = max(x, y)
        if high > low + 50 { return high }
        return Float(Double(high) + log(exp(Double(low - high)) + 1))
    }

    /// For each node the logarithm of the summed probabilities of all ways to reach its start, with scores multiplied
    /// by `sharpness` (the forward algorithm; Rabiner 1989).
    func forward(sharpness: Float) -> [Float] {
        var sums = [Float](repeating: 0, count: nodes.count)
        for position in 0...length {
            let ending = endingRange(at: position)
            for right in starting(at: position) {
                var sum: Float = 0
                for index in ending {
                    let left = endingNode(index)
                    let way = sharpness * nodes[left].score + sums[left]
                    sum = index == ending.lowerBound ? way : Self.logSumExp(sum, way)
                }
                sums[right] = sum
            }
        }
        return sums
    }

    /// For each node the logarithm of the summed probabilities of all ways from its end to the end of the text.
    func backward() -> [Float] {
        var sums = [Float](repeating: 0, count: nodes.count)
        for position in stride(from: length, through: 0, by: -1) {
            let starting = starting(at: position)
            for index in endingRange(at: position) {
                let left = endingNode(index)
                var sum: Float = 0
                for right in starting {
                    let way = nodes[right].score + sums[right]
                    sum = right == starting.lowerBound ? way : Self.logSumExp(sum, way)
                }
                sums[left] = sum
            }
        }
        return sums
    }

    /// Draws one segmentation with probability proportional to exp(sharpness · sum of scores), exactly: forward sums,
    /// then one draw per piece from the end backwards (Kudo 2018, section 3.2).
    func sample(sharpness: Float, using generator: inout some RandomNumberGenerator) -> [Int] {
        guard length > 0 else { return [] }
        let sums = forward(sharpness: sharpness)
        var path: [Int] = []
        var node = endNode
        while true {
            let ending = endingRange(at: Int(nodes[node].start))
            let weights = ending.map { index -> Double in
                let left = endingNode(index)
                return exp(Double(sums[left] + sharpness * nodes[left].score - sums[node]))
            }
            node = endingNode(ending.lowerBound + UnigramLattice.draw(weights, using: &generator))
            if node == 0 { return path.reversed() }
            path.append(node)
        }
    }

    /// An index with probability proportional to its weight.
    static func draw(_ weights: [Double], using generator: inout some RandomNumberGenerator) -> Int {
        let total = weights.reduce(0, +)
        var rest = Double(generator.next() >> 11) * 0x1p-53 * total
        for (index, weight) in weights.enumerated() {
            rest -= weight
            if rest < 0 { return index }
        }
        return weights.lastIndex { $0 > 0 } ?? 0
    }
}
