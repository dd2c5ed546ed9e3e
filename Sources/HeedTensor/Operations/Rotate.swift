import CHeedKernels
import HeedSupport

/// Turns each pair of a head's numbers by an angle that grows with the position (Su et al. 2021, "RoFormer").
struct RotateOperation: Operation {
    let batch: TokenBatch
    let table: RotaryTable
    let heads: Int
    let width: Int
    let columns: Int
    let interleaved: Bool
    var name: String { "rotary positions" }
    var formula: String { "(a, b) ← (a cos pθ − b sin pθ, a sin pθ + b cos pθ)" }
    var gradientFormula: String { "∂x: the same turn backwards" }
    var inPlace: Bool { true }
    func cost(rows: Int) -> Cost {
        Double(rows) * Cost(operations: 3 * Double(heads * width), bytes: 8 * Double(heads * width))
    }

    func forward(_ binder: Binder) { emit(binder, binder.output, 1) }

    func backward(_ binder: Binder) {
        guard let dy = binder.outputGradient else { return }
        emit(binder, dy, -1)
    }

    private func emit(_ binder: Binder, _ x: UnsafeMutablePointer<Float>, _ direction: Int32) {
        binder.emit(
            binder.kernels.rotary,
            heed_rotary(
                window: binder.window, positions: batch.positions, x: x, stride: Int64(columns), cosine: table.cosine,
                sine: table.sine, heads: Int32(heads), width: Int32(width), interleaved: interleaved ? 1 : 0,
                direction: direction), rows: binder.rows, cost: cost(rows: 1))
    }
}

/// How fast each pair of a head turns with the position.
public struct RotaryPositions: Sendable, Equatable {
    /// Angle per position of each pair, width/2 of them.
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
}

/// Cosines and sines of position · frequency: [positions, width/2] each.
final class RotaryTable {
    let rotary: RotaryPositions
    let cosine: UnsafeMutablePointer<Float>
    let sine: UnsafeMutablePointer<Float>

    /// Angles are reduced in double precision. Cost: about 30 ns an element.
    init(positions: Int, _ rotary: RotaryPositions) {
        self.rotary = rotary
        let pairs = rotary.frequencies.count
        let count = max(positions * pairs, 1)
        cosine = .allocate(capacity: count)
        sine = .allocate(capacity: count)
        for position in 0..<positions {
            for (index, frequency) in rotary.frequencies.enumerated() {
                let (sineValue, cosineValue) = ExactMathematics.sineAndCosine(Double(position) * frequency)
                sine[position * pairs + index] = Float(sineValue) * rotary.factor
                cosine[position * pairs + index] = Float(cosineValue) * rotary.factor
            }
        }
    }

    deinit {
        cosine.deallocate()
        sine.deallocate()
    }
}

extension Tensor {
    /// Rotates the first `heads` heads of `width` columns of each row by the row's position, in place.
    public func rotated(_ batch: TokenBatch, _ rotary: RotaryPositions, heads: Int, width: Int) -> Tensor {
        trace.record(
            RotateOperation(
                batch: batch, table: trace.rotaryTable(rotary), heads: heads, width: width, columns: columns,
                interleaved: rotary.interleaved),
            [self], rows: rows, columns: columns)
    }
}
