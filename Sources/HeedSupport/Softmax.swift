/// The probabilities of logits: `p = exp(z − max z) / Σ exp(z − max z)`, in double precision.
///
/// - Throws: `HeedError` (`numeric`) when a logit is NaN or infinite, or there is none.
/// Cost: one exponential per logit.
package func softmax(_ logits: some Collection<Float>) throws -> [Double] {
    let largest = Double(logits.max() ?? 0)
    let powers = logits.map { ExactMathematics.exp(Double($0) - largest) }
    let sum = powers.reduce(0, +)
    guard sum.isFinite, sum > 0 else {
        throw HeedError(
            .numeric, "the logits are not finite", in: "logits", advice: "Check the weights with `heed verify`")
    }
    return powers.map { $0 / sum }
}
