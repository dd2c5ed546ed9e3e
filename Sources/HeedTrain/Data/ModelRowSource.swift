import HeedModels
import HeedProcessor
import HeedRun
import HeedTensor

/// Micro-batches of rows of ids for any architecture: in order as they lie, or shuffled anew in every epoch.
struct ModelRowSource: BatchSource {
    let rows: TrainingRows
    let batch: Int
    let accumulate: Int
    let order: WindowOrder
    let seed: UInt64

    func fill(_ batch: TokenBatch, step: Int, part: Int) throws {
        // A batch that no source goes to stays empty.
        try fill(batch, source: batch, step: step, part: part)
    }

    func fill(_ batch: TokenBatch, source: TokenBatch, step: Int, part: Int) throws {
        batch.clear()
        source.clear()
        let first = ((step - 1) * accumulate + part) * self.batch
        for index in first..<first + self.batch {
            var place = index % rows.count
            if order == .shuffled {
                place = Permutation(count: rows.count, seed: seed, epoch: index / rows.count)[place]
            }
            try rows.append(row: place, to: batch, source: source)
        }
    }
}

extension RunData {
    /// Rows of ids for any architecture.
    ///
    /// - Throws: `HeedError` when memory for measuring is refused.
    public init(
        _ rows: TrainingRows, validation: TrainingRows?, _ model: Model, _ options: StepOptions, order: WindowOrder,
        runtime: Runtime
    ) throws {
        _ = try model.weights.change()
        func capacity(_ rows: TrainingRows) -> StepCapacity {
            let tokens = options.batch * rows.longest
            return StepCapacity(
                tokens: tokens, sourceTokens: tokens, sequences: options.batch, length: rows.longest)
        }
        let meter = try validation.map {
            try LossMeter(model, capacity($0), precision: options.precision, runtime: runtime)
        }
        let size = options.batch
        let measure: (() throws -> Double?)? = meter.flatMap { meter in
            validation.map { rows in
                {
                    try meter.measure(batches: (rows.count + size - 1) / size) { number, batch, source in
                        for row in number * size..<min((number + 1) * size, rows.count) {
                            try rows.append(row: row, to: batch, source: source)
                        }
                    }
                }
            }
        }
        self.init(
            source: ModelRowSource(
                rows: rows, batch: options.batch, accumulate: options.accumulate, order: order, seed: options.seed),
            capacity: capacity(rows), fingerprint: "rows-\(String(rows.fingerprint, radix: 16))-\(rows.count)",
            measure: measure)
    }
}
