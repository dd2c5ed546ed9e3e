import HeedSupport

/// Positions as sines and cosines of falling frequency (Vaswani et al. 2017, section 3.5): angle of pair i at position p
/// is `p · 10000^(−i/n)`.
public struct SinusoidalPositions: Sendable, Equatable {
    /// Where the sine and the cosine of pair i stand in a row of C.
    public enum Layout: String, Sendable {
        /// Columns 2i and 2i + 1, as in the paper.
        case interleaved
        /// Columns i and C/2 + i: all sines, then all cosines, as in Marian and OpenNMT.
        case halves
    }
    /// n of the exponent −i/n.
    public enum Steps: String, Sendable {
        /// n = C/2, as in the paper.
        case half
        /// n = C/2 − 1, so that the last frequency is 1/10000, as in tensor2tensor and OpenNMT.
        case halfLessOne
    }

    /// In which order sines and cosines stand.
    public var layout: Layout
    /// How frequencies fall.
    public var steps: Steps
    /// The p of the first token.
    public var first: Int

    /// Rows from position `first` on.
    public init(layout: Layout, steps: Steps = .half, first: Int = 0) {
        self.layout = layout
        self.steps = steps
        self.first = first
    }

    /// The row of `width` numbers for the token at `position` from 0.
    ///
    /// With an odd width there is one sine more than cosines. Angles are reduced in double precision.
    public func row(_ position: Int, width: Int) -> [Float] {
        let half = width / 2
        let sines = width - half
        let divisor = Double(steps == .half ? max(width, 1) : 2 * max(half - 1, 1)) / 2
        var row = [Float](repeating: 0, count: width)
        for i in 0..<sines {
            let exponent = -Double(i) / divisor
            let frequency = ExactMathematics.exp(exponent * ExactMathematics.log(10_000))
            let (sine, cosine) = ExactMathematics.sineAndCosine(Double(position + first) * frequency)
            switch layout {
            case .interleaved:
                row[2 * i] = Float(sine)
                if i < half { row[2 * i + 1] = Float(cosine) }
            case .halves:
                row[i] = Float(sine)
                if i < half { row[sines + i] = Float(cosine) }
            }
        }
        return row
    }
}

extension SinusoidalPositions {
    /// A row of zeros, then those of the first `count` positions: [1 + count, width].
    func table(count: Int, width: Int) -> [Float] {
        [Float](repeating: 0, count: width) + (0..<count).flatMap { row($0, width: width) }
    }
}
