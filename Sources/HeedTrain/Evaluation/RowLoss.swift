import HeedModels
import HeedProcessor
import HeedRun
import HeedSupport
import HeedTensor

/// Measures the loss of any architecture on rows of ids, without smoothing and dropout.
public final class RowLoss {
    private let meter: LossMeter
    private let rows: TrainingRows
    private let size: Int

    /// Plans passes over `batch` rows at a time; their number changes no bit of a row.
    ///
    /// - Throws: `HeedError` when memory is refused.
    public init(
        _ model: Model, _ rows: TrainingRows, batch: Int, precision: Precision = .float32, runtime: Runtime
    ) throws {
        self.rows = rows
        size = batch
        meter = try LossMeter(model, StepCapacity(rows, sequences: batch), precision: precision, runtime: runtime)
    }

    /// What each loss of the model comes to with the weights as they stand.
    ///
    /// - `shouldStop`: asked between batches; on true the rest is left out and nil returned.
    /// - Throws: `HeedError` (`numeric`) when a loss is not finite.
    public func measure(
        progress: ((_ done: Int, _ total: Int) -> Void)? = nil, shouldStop: () -> Bool = { false }
    ) throws -> [MeasuredLoss]? {
        try meter.measure(batches: (rows.count + size - 1) / size, shouldStop: shouldStop) { number, input in
            let range = number * size..<min((number + 1) * size, rows.count)
            for row in range { try rows.append(row: row, to: input.tokens, source: input.source) }
            progress?(range.upperBound, rows.count)
        }
    }
}

extension StepCapacity {
    /// Room for `sequences` of the rows.
    init(_ rows: TrainingRows, sequences: Int) {
        let tokens = sequences * rows.longest
        self.init(tokens: tokens, sourceTokens: tokens, sequences: sequences, length: rows.longest)
    }
}
