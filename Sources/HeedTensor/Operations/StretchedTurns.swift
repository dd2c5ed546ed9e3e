/// Turns of positions that depend on the length of the sequence: cosines and sines of every row of a batch, filled before
/// each pass.
///
/// The length is that of the row's own sequence, whatever else is in the batch: its last position + 1, or what the batch
/// says of the whole where a pass reads a part. Cost: about 30 ns a row and pair, once a pass for all layers.
public final class StretchedTurns: @unchecked Sendable {
    // Sendable: written between passes by the owner of the pass, read by its steps.

    /// How many pairs turn.
    public let pairs: Int
    /// Cosines, then sines: [2, rows, pairs].
    package let base: UnsafeMutablePointer<Float>
    /// Where in the table each row looks: 0, 1, 2, …
    package let rows: UnsafeMutablePointer<Int32>
    /// Numbers of one half of the table.
    package let half: Int
    private let batch: TokenBatch
    private let positions: @Sendable (Int) -> RotaryPositions

    init(_ batch: TokenBatch, _ positions: @escaping @Sendable (Int) -> RotaryPositions) {
        self.batch = batch
        self.positions = positions
        pairs = positions(1).frequencies.count
        half = batch.rows.capacity * pairs
        // Written by `fill` as far as it is read, so that recording for an estimate touches none of it.
        base = .allocate(capacity: max(2 * half, 1))
        rows = .allocate(capacity: max(batch.rows.capacity, 1))
    }

    deinit {
        base.deallocate()
        rows.deallocate()
    }

    /// The turns of row `row` of the batch as it now stands.
    public func positions(ofRow row: Int) -> RotaryPositions {
        let sequence = (0..<batch.sequences.current).first { batch.offsets[$0 + 1] > row } ?? 0
        return positions(length(of: sequence))
    }

    func fill() {
        for sequence in 0..<batch.sequences.current {
            let turns = positions(length(of: sequence))
            for row in rowsOf(sequence) {
                rows[row] = Int32(row)
                turns.write(
                    Int(batch.positions[row]), cosines: base + row * pairs, sines: base + half + row * pairs)
            }
        }
    }

    private func rowsOf(_ sequence: Int) -> Range<Int> {
        Int(batch.offsets[sequence])..<Int(batch.offsets[sequence + 1])
    }

    private func length(of sequence: Int) -> Int {
        rowsOf(sequence).reduce(Int(batch.wholeLengths[sequence])) { max($0, Int(batch.positions[$1]) + 1) }
    }
}
