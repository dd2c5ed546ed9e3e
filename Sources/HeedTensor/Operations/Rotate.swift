import CHeedKernels

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

/// Cosines and sines of position · frequency: [positions, width/2] each.
public final class RotaryTable: @unchecked Sendable {
    // Sendable: filled once and only read.
    let cosine: UnsafeMutablePointer<Float>
    let sine: UnsafeMutablePointer<Float>

    /// Fills the table for `frequencies` (angle per position, width/2 of them); angles are reduced in double precision.
    public init(positions: Int, frequencies: [Double], factor: Float = 1) {
        let count = max(positions * frequencies.count, 1)
        cosine = .allocate(capacity: count)
        sine = .allocate(capacity: count)
        for position in 0..<positions {
            for (index, frequency) in frequencies.enumerated() {
                let (sineValue, cosineValue) = Trigonometry.sineAndCosine(Double(position) * frequency)
                sine[position * frequencies.count + index] = Float(sineValue) * factor
                cosine[position * frequencies.count + index] = Float(cosineValue) * factor
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
    public func rotated(
        _ batch: TokenBatch, _ table: RotaryTable, heads: Int, width: Int, interleaved: Bool = false
    ) -> Tensor {
        trace.record(
            RotateOperation(
                batch: batch, table: table, heads: heads, width: width, columns: columns, interleaved: interleaved),
            [self], rows: rows, columns: columns)
    }
}
