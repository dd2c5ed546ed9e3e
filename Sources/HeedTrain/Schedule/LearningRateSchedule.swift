import HeedSupport

/// How the learning rate goes on after the warm-up.
public enum ScheduleKind: String, Sendable, CaseIterable {
    case cosine
    case linear
    case constant
    case inverseSquareRoot = "inverse-sqrt"
}

/// The learning rate of every step of a run.
///
/// With peak `lr`, least rate `min`, warm-up `w` and `N` steps, step t counted from 1:
/// - t ≤ w: lr · t / w, for every kind;
/// - cosine: min + (lr − min) · ½(1 + cos(π(t − 1 − w)/(N − w)));
/// - linear: min + (lr − min) · (1 − (t − 1 − w)/(N − w));
/// - constant: lr;
/// - inverse-sqrt: lr · √(max(w, 1)/t), the schedule of Vaswani et al. 2017 (section 5.3) scaled to peak at lr.
///
/// Beyond N the cosine and the line stay at `min`; no rate of theirs, nor of inverse-sqrt after the warm-up, is below
/// `min`. Double precision throughout, the same bits on every platform.
public struct LearningRateSchedule: Sendable, Equatable {
    /// The form after the warm-up.
    public var kind: ScheduleKind
    /// The peak rate.
    public var peak: Double
    /// The least rate after the warm-up.
    public var least: Double
    /// Steps of linear warm-up.
    public var warmup: Int
    /// Steps of the run.
    public var steps: Int

    /// A schedule from its parts; `TrainingOptions` checks them.
    public init(kind: ScheduleKind, peak: Double, least: Double = 0, warmup: Int = 0, steps: Int) {
        self.kind = kind
        self.peak = peak
        self.least = least
        self.warmup = warmup
        self.steps = steps
    }

    /// The rate of step `step`, counted from 1.
    public func rate(at step: Int) -> Double {
        if step <= warmup { return peak * Double(max(step, 0)) / Double(warmup) }
        switch kind {
        case .constant:
            return peak
        case .inverseSquareRoot:
            return max(least, peak * (Double(max(warmup, 1)) / Double(step)).squareRoot())
        case .cosine:
            return least + (peak - least) * 0.5 * (1 + ExactMathematics.cos(.pi * progress(step)))
        case .linear:
            return least + (peak - least) * (1 - progress(step))
        }
    }

    /// How far the decay has come: 0 right after the warm-up, 1 at the end and beyond.
    private func progress(_ step: Int) -> Double {
        guard steps > warmup else { return 1 }
        return min(1, max(0, Double(step - 1 - warmup) / Double(steps - warmup)))
    }
}
