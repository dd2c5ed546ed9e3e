import HeedModels
import HeedSupport

/// What a trial of rising learning rates found.
public struct RateTrial: Sendable, Equatable {
    /// The rates that were tried, rising.
    public let rates: [Double]
    /// The loss before the step of each rate, smoothed.
    public let losses: [Double]
    /// The rate at which the loss fell fastest; nil where it never fell.
    public let suggestion: Double?

    /// Judges the losses of rising rates.
    init(rates: [Double], measured: [Double]) {
        var mean = 0.0
        let losses = measured.enumerated().map { index, loss in
            mean = 0.9 * mean + 0.1 * loss
            return mean / (1 - ExactMathematics.pow(0.9, Double(index + 1)))
        }
        // Before the lowest loss: beyond it the run is on its way to divergence.
        let lowest = losses.indices.min { losses[$0] < losses[$1] } ?? 0
        var best: (index: Int, slope: Double)?
        for index in stride(from: 2, to: lowest, by: 1) {
            let slope = losses[index + 1] - losses[index - 1]
            if slope < 0, slope < best?.slope ?? 0 { best = (index, slope) }
        }
        self.rates = rates
        self.losses = losses
        suggestion = best.map { rates[$0.index] }
    }
}

extension TrainingRun {
    /// Makes steps at rates that rise from `low` to `high` in equal ratios, until the loss is far above its best (Smith
    /// 2017, "Cyclical Learning Rates for Training Neural Networks"). Nothing is written; the model is of no use afterwards.
    ///
    /// - Throws: `HeedError` when data cannot be read.
    public func tryRates(
        from low: Double = 1e-7, to high: Double = 1, steps: Int = 120, shouldStop: () -> Bool = { false },
        progress: (Int) -> Void = { _ in }
    ) throws -> RateTrial {
        var (rates, losses): ([Double], [Double]) = ([], [])
        var best = Double.infinity
        for index in 0..<steps where !shouldStop() {
            let rate = low * ExactMathematics.pow(high / low, Double(index) / Double(max(steps - 1, 1)))
            do {
                let loss = try trial(step: index + 1, rate: rate).loss
                rates.append(rate)
                losses.append(loss)
                best = min(best, loss)
                progress(index + 1)
                if loss > 3 * best + 1 { break }
            } catch let error as HeedError where error.kind == .numeric {
                break
            }
        }
        return RateTrial(rates: rates, measured: losses)
    }
}
