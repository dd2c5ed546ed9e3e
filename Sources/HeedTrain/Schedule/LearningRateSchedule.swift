import HeedSupport
import HeedTensor

/// The shape of a learning rate after its warm-up.
public enum ScheduleShape: String, Sendable, CaseIterable {
    /// Half a cosine from the peak down to the minimum (Loshchilov and Hutter 2017, section 3).
    case cosine
    /// A straight line from the peak down to the minimum.
    case linear
    /// The peak throughout.
    case constant
    /// The peak times √(w/t) (Vaswani et al. 2017, section 5.3, with the peak in place of d^−½).
    case inverseSquareRoot = "inverse-sqrt"
    /// The peak, and a straight line down to the minimum at the end (Hu et al. 2024, "MiniCPM", section 4).
    case warmupStableDecay = "warmup-stable-decay"

    /// Whether a rate depends on how many steps the run has.
    public var readsSteps: Bool { self == .cosine || self == .linear || self == .warmupStableDecay }

    /// The shape called `name`.
    ///
    /// - Throws: `HeedError` (`usage`) with the choices and the nearest of them.
    public static func named(_ name: String) throws -> ScheduleShape {
        if let shape = ScheduleShape(rawValue: name) { return shape }
        let names = allCases.map(\.rawValue)
        throw HeedError(
            .usage, "`schedule` is not known", expected: names.joined(separator: ", "), got: quoted(name),
            advice: nearest(name, among: names).map { "The nearest is \($0)" })
    }
}

/// The learning rate of every step of a run.
///
/// Steps count from 1; w is the warm-up, N the number of steps, p the peak, m the minimum:
/// - t ≤ w: `p · t/w`;
/// - cosine: `m + (p − m) · ½(1 + cos(π(t − 1 − w)/(N − w)))`; linear: the same with `1 − (t − 1 − w)/(N − w)`;
/// - warmup-stable-decay: `p`, and in the last d steps `m + (p − m) · (N − t + 1)/d`;
/// - constant: `p`; inverse-sqrt: `p · √(max(w, 1)/t)`, never below m.
///
/// Beyond N cosine and linear stay at the minimum. The cosine is `HeedTensor`'s own, so that a rate has the same bits
/// on every system.
public struct LearningRateSchedule: Sendable, Equatable {
    /// How the rate falls after the warm-up.
    public var shape = ScheduleShape.cosine
    /// The largest rate, reached at the end of the warm-up.
    public var peak = 5e-4
    /// The rate at the end; for inverse-sqrt the least.
    public var minimum = 0.0
    /// Steps in which the rate rises; 0: none.
    public var warmup = 0
    /// Steps of the run.
    public var steps = 2000
    /// Steps at the end of warmup-stable-decay in which the rate falls; nil: a fifth of all.
    public var decay: Int?

    /// A schedule of `steps` steps, `warmup` of which rise to `peak`.
    public init(
        _ shape: ScheduleShape = .cosine, peak: Double = 5e-4, minimum: Double = 0, warmup: Int = 0, steps: Int = 2000
    ) {
        self.shape = shape
        self.peak = peak
        self.minimum = minimum
        self.warmup = warmup
        self.steps = steps
    }

    /// The rate of step `step`, from 1.
    public func rate(_ step: Int) -> Double {
        if step <= warmup { return peak * Double(step) / Double(warmup) }
        switch shape {
        case .constant: return peak
        case .inverseSquareRoot:
            return max(minimum, peak * (Double(max(warmup, 1)) / Double(max(step, 1))).squareRoot())
        case .cosine:
            return minimum + (peak - minimum)
                * (0.5 * (1 + ExactMathematics.sineAndCosine(Double.pi * way(step)).cosine))
        case .warmupStableDecay:
            let length = max(1, decay ?? steps / 5)
            let left = steps - step + 1
            return left >= length ? peak : minimum + (peak - minimum) * Double(max(left, 0)) / Double(length)
        case .linear:
            return minimum + (peak - minimum) * (1 - way(step))
        }
    }

    /// How much of the way from the end of the warm-up to the end of the run lies behind `step`: 0 … 1.
    private func way(_ step: Int) -> Double {
        let length = steps - warmup
        let done = step - 1 - warmup
        return done >= length ? 1 : max(0, Double(done) / Double(length))
    }

    /// - Throws: `HeedError` (`usage`) naming the option: a rate that is no positive finite number, a minimum above the
    ///   peak, a warm-up beyond the steps.
    public func validate() throws {
        try requireOption("steps", steps >= 1, expected: "at least 1", got: "\(steps)")
        try requireOption("peak", peak.isFinite && peak > 0, expected: "a positive number", got: "\(peak)")
        try requireOption(
            "minimum", minimum.isFinite && minimum >= 0 && minimum <= peak,
            expected: "a number from 0 to `peak` (\(peak))", got: "\(minimum)")
        if let decay {
            try requireOption(
                "decay", decay >= 1 && decay <= steps - warmup && shape == .warmupStableDecay,
                expected: "1 to the steps after the warm-up (\(steps - warmup)), with `schedule` warmup-stable-decay",
                got: "\(decay)")
        }
        try requireOption(
            "warmup", warmup >= 0 && warmup <= steps, expected: "0 to `steps` (\(steps))", got: "\(warmup)")
    }
}

/// Throws a `usage` error that names the option unless `holds`.
package func requireOption(_ option: String, _ holds: Bool, expected: String, got: String, advice: String? = nil) throws
{
    if !holds { throw HeedError(.usage, "`\(option)` cannot be used", expected: expected, got: got, advice: advice) }
}
