import HeedModels
import HeedProcessor
import HeedRun
import HeedTensor

/// Micro-batches of rows of ids: in order as they lie, and from the first again after the last; or shuffled anew in
/// every epoch.
public struct RowSource: BatchSource {
    let rows: TrainingRows
    let batch: Int
    let accumulate: Int
    let order: WindowOrder
    let seed: UInt64

    /// Takes `batch` of `rows` at a time, `accumulate` times a step.
    public init(_ rows: TrainingRows, batch: Int, accumulate: Int = 1, order: WindowOrder, seed: UInt64) {
        self.rows = rows
        self.batch = batch
        self.accumulate = accumulate
        self.order = order
        self.seed = seed
    }

    public func fill(_ input: StepInput, step: Int, part: Int) throws {
        let first = ((step - 1) * accumulate + part) * batch
        for index in first..<first + batch {
            var place = index % rows.count
            if order == .shuffled {
                place = Permutation(count: rows.count, seed: seed, epoch: index / rows.count)[place]
            }
            try rows.append(row: place, to: input.tokens, source: input.source)
        }
    }
}

extension RunData {
    /// Rows of ids for any architecture.
    ///
    /// - Throws: `HeedError` when memory for measuring is refused.
    public init(
        _ rows: TrainingRows, validation: ValidationData?, _ model: Model, _ options: StepOptions, order: WindowOrder,
        runtime: Runtime
    ) throws {
        _ = try model.weights.change()
        self.init(
            source: RowSource(
                rows, batch: options.batch, accumulate: options.accumulate, order: order, seed: options.seed),
            capacity: StepCapacity(rows, sequences: options.batch),
            fingerprint: "rows-\(String(rows.fingerprint, radix: 16))-\(rows.count)",
            measure: try validation?.meter(model, options, context: rows.longest, runtime: runtime))
    }
}
