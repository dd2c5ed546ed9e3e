import HeedSupport
import HeedTensor

/// A mean of the weights in which those of each step count less the longer ago it was (Polyak and Juditsky 1992).
///
/// `e ← d·e + (1 − d)·θ` with `d = min(decay, (1 + t)/(10 + t))`, so that the first steps, which are far from where a run
/// ends, are soon forgotten. Memory: one number per trained number.
final class RunningMean {
    /// The mean.
    let values: ParameterBuffer
    private let weights: ParameterBuffer
    private let decay: Double

    /// Begins with the weights as they are.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    init(of weights: ParameterBuffer, decay: Double) throws {
        self.weights = weights
        self.decay = decay
        values = try ParameterBuffer(weights.layout, trainedOnly: true)
        values.base.update(from: weights.base, count: values.count)
    }

    /// Takes the weights after step `step`.
    func take(step: Int) {
        let d = Float(min(decay, Double(1 + step) / Double(10 + step)))
        let (mean, current) = (values.base, weights.base)
        for index in 0..<values.count { mean[index] += (1 - d) * (current[index] - mean[index]) }
    }

    /// Puts the mean in the place of the weights, and the weights in its own; again, to undo it.
    func exchange() {
        let (mean, current) = (values.base, weights.base)
        for index in 0..<values.count { (mean[index], current[index]) = (current[index], mean[index]) }
    }
}
