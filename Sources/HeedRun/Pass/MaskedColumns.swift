import HeedModels
import HeedProcessor
import HeedTensor
import HeedWeights

extension PassInput {
    /// The columns of each row that the mask excludes.
    var masked: PassSide {
        PassSide(
            rows: rows, columns: columns,
            visible: side.visible.map { seen in (0..<columns).filter { !seen.contains($0) } })
    }
}

extension ForwardPass {
    /// Adds to `answers` `[rows, columns]` those of columns that the mask excludes: tokens there see what the others see
    /// and are seen by none.
    ///
    /// Where every position has an answer of its own, published models give these too. Only the processor computes them:
    /// the tokens that are seen go through a cache, and those that are not read it.
    /// - Throws: `HeedError` when memory is refused.
    func addMasked(
        to answers: inout [Float], _ layers: TransformerEncoder, _ input: PassInput, types: [Int64]?
    ) throws {
        let masked = input.masked
        guard masked.count > 0, let runtime = backend as? Runtime else { return }
        let c = layers.configuration
        let cache = try KeyValueCache(
            layers: c.layers, slots: input.rows, tokens: input.columns, heads: c.keyHeads, width: c.headWidth,
            form: .float32)
        let batch = TokenBatch(rowCapacity: input.rows * input.columns, sequenceCapacity: input.rows)
        let pass = try runtime.pass(
            model.weights, for: .inference, maximumLength: input.length, precision: options.precision, store: cache
        ) { trace in layers.classLogits(layers(batch, in: trace), batch)?.kept() }
        for (side, isSeen) in [(input.side, true), (masked, false)] {
            batch.clear()
            for row in 0..<input.rows where !side.visible[row].isEmpty {
                let first = batch.rows.current
                let places = side.visible[row].map { row * input.columns + $0 }
                let seen = input.side.visible[row].count
                try batch.append(
                    places.map { Int32(input.ids[$0]) }, slot: row, past: isSeen ? 0 : seen,
                    positions: places.map { Int32(input.positions[$0]) })
                batch.lengths[batch.sequences.current - 1] = Int32(seen)
                for (index, place) in places.enumerated() { batch.types[first + index] = Int32(types?[place] ?? 0) }
            }
            pass.forward()
        }
        guard let kept = pass.outputs else { return }
        for (place, value) in masked.padded(pass[kept]).enumerated() { answers[place] += value }
    }
}
