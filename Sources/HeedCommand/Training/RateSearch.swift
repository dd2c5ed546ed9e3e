import Heed
import HeedSupport

/// `heed train --find-lr`: which learning rate to take.
struct RateSearch {
    private let run: TrainingRun

    init(_ run: TrainingRun) { self.run = run }

    /// Prints the loss by rate, and the rate to take.
    ///
    /// - Throws: `HeedError` when the loss never fell.
    func perform() throws {
        let progress = Progress("Trying rates", total: 120)
        let trial = try run.tryRates(shouldStop: { Signals.isStopRequested }) { progress.update(done: $0) }
        progress.finish()
        guard run.isFirst else { return }
        for (rate, loss) in zip(trial.rates, trial.losses) {
            try StandardOutput.writeLine("\(scientific(rate))  \(fixed(loss, 4))")
        }
        guard let rate = trial.suggestion else {
            throw HeedError(
                .numeric, "the loss fell at no rate", expected: "a loss that falls before it rises",
                advice: "Look at the data, or take a larger --batch.")
        }
        try StandardOutput.writeLine("The loss fell fastest at \(scientific(rate)). Take --lr \(scientific(rate)).")
    }

    /// Two significant digits.
    private func scientific(_ value: Double) -> String {
        var (digits, exponent) = (value, 0)
        while digits >= 9.95 { (digits, exponent) = (digits / 10, exponent + 1) }
        while digits < 0.995, digits > 0 { (digits, exponent) = (digits * 10, exponent - 1) }
        return "\(fixed(digits, 1))e\(exponent)"
    }
}
