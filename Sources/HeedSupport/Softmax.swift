/// What the probabilities of logits share: `p = exp(z − largest) / sum`, in double precision.
package struct SoftmaxNormaliser: Sendable {
    /// max z.
    package let largest: Double
    /// Σ exp(z − max z).
    package let sum: Double

    /// - Throws: `HeedError` (`numeric`) when a logit is NaN or infinite, or there is none.
    /// Cost: one exponential per logit.
    package init(_ logits: UnsafeBufferPointer<Float>) throws {
        var largest = -Float.infinity
        for logit in logits where logit > largest { largest = logit }
        var sum = 0.0
        for logit in logits { sum += ExactMathematics.exp(Double(logit) - Double(largest)) }
        guard sum.isFinite, sum > 0 else {
            throw HeedError(
                .numeric, "the logits are not finite", in: "logits", advice: "Check the weights with `heed verify`")
        }
        (self.largest, self.sum) = (Double(largest), sum)
    }

    /// The probability of one of the logits.
    package func probability(of logit: Float) -> Double { ExactMathematics.exp(Double(logit) - largest) / sum }
}

/// The probabilities of logits: `p = exp(z − max z) / Σ exp(z − max z)`, in double precision.
///
/// - Throws: `HeedError` (`numeric`) when a logit is NaN or infinite, or there is none.
/// Cost: two exponentials per logit.
package func softmax(_ logits: some Collection<Float>) throws -> [Double] {
    try Array(logits).withUnsafeBufferPointer { logits in
        let normaliser = try SoftmaxNormaliser(logits)
        return logits.map { normaliser.probability(of: $0) }
    }
}
