import HeedSupport

/// How fast each pair of a head turns with the position.
public struct RotaryPositions: Sendable, Equatable {
    /// Angle per position of each pair: width/2 of them, or fewer where only a head's first columns are turned.
    public let frequencies: [Double]
    /// Factor on cosines and sines.
    public let factor: Float
    /// Pairs (2i, 2i + 1) instead of (i, i + width/2).
    public let interleaved: Bool

    /// A turn by position · frequency of each pair of columns, and a factor on the result.
    public init(frequencies: [Double], factor: Float = 1, interleaved: Bool = false) {
        self.frequencies = frequencies
        self.factor = factor
        self.interleaved = interleaved
    }

    /// cos and sin of position · frequency: [2, positions, width/2].
    ///
    /// Angles are reduced in double precision. Cost: about 30 ns an element.
    func table(positions: Int) -> [Float] {
        let pairs = frequencies.count
        let count = positions * pairs
        var table = [Float](repeating: 0, count: 2 * count)
        table.withUnsafeMutableBufferPointer { numbers in
            guard let base = numbers.baseAddress else { return }
            for position in 0..<positions {
                write(position, cosines: base + position * pairs, sines: base + count + position * pairs)
            }
        }
        return table
    }

    /// cos and sin of `position` · frequency, pair by pair.
    func write(_ position: Int, cosines: UnsafeMutablePointer<Float>, sines: UnsafeMutablePointer<Float>) {
        for (index, frequency) in frequencies.enumerated() {
            let (sine, cosine) = ExactMathematics.sineAndCosine(Double(position) * frequency)
            cosines[index] = Float(cosine) * factor
            sines[index] = Float(sine) * factor
        }
    }
}

/// Turns each pair of a head's numbers by an angle that grows with the position (Su et al. 2021, "RoFormer").
public struct RotateOperation: TensorOperation {
    /// How fast pairs turn, and the cosines and sines of it.
    public enum Turns: Sendable {
        /// Everywhere the same; cosines, then sines: [2, positions, pairs].
        case constant(RotaryPositions, ConstantTable)
        /// By the length of each sequence.
        case stretched(StretchedTurns)

        /// The turns of row `row` of the batch.
        public func positions(ofRow row: Int) -> RotaryPositions {
            switch self {
            case .constant(let rotary, _): rotary
            case .stretched(let turns): turns.positions(ofRow: row)
            }
        }

        /// How many pairs turn.
        public var pairs: Int {
            switch self {
            case .constant(let rotary, _): rotary.frequencies.count
            case .stretched(let turns): turns.pairs
            }
        }
    }

    /// Whose positions count.
    public let batch: TokenBatch
    /// How fast pairs turn.
    public let turns: Turns
    /// How many heads from column 0 on are turned.
    public let heads: Int
    /// Columns of a head.
    public let width: Int

    public var name: String { "rotary positions" }
    public var formula: String { "(a, b) ← (a cos pθ − b sin pθ, a sin pθ + b cos pθ)" }
    public var gradientFormula: String { "∂x: the same turn backwards" }
    public var inPlace: Bool { true }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        try inputs.require(count: 1)
        guard inputs[0].columns >= heads * width else {
            throw ShapeMismatch(
                "input 0", expected: "at least \(heads) heads of \(width) columns", got: "\(inputs[0].columns) columns")
        }
        guard 2 * turns.pairs <= width else {
            throw ShapeMismatch(
                "the frequencies", expected: "at most \(width / 2), one per pair", got: "\(turns.pairs)")
        }
        try inputs.require(0, columns: inputs[0].columns, rows: batch.rows)
        return inputs[0]
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 3 * Double(heads * width), bytes: 8 * Double(heads * width))
    }
}

extension Tensor {
    /// Rotates the first `heads` heads of `width` columns of each row by the row's position, in place.
    public func rotated(_ batch: TokenBatch, _ rotary: RotaryPositions, heads: Int, width: Int) -> Tensor {
        let length = trace.maximumLength
        let table = trace.table("rotary \(rotary)") { rotary.table(positions: length) }
        return trace.record(
            RotateOperation(batch: batch, turns: .constant(rotary, table), heads: heads, width: width), [self])
    }

    /// The same, with turns that depend on the length of each sequence; `name` tells them from others.
    public func rotated(
        _ batch: TokenBatch, byLength name: String, heads: Int, width: Int,
        _ positions: @escaping @Sendable (_ length: Int) -> RotaryPositions
    ) -> Tensor {
        let turns = trace.turns("\(ObjectIdentifier(batch)) \(name)") { StretchedTurns(batch, positions) }
        return trace.record(
            RotateOperation(batch: batch, turns: .stretched(turns), heads: heads, width: width), [self])
    }
}
