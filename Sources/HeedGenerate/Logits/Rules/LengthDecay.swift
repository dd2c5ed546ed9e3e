import HeedSupport

/// Makes the end ids ever more likely after a number of new ids: `logit + |logit| · (factorⁿ⁻ˢᵗᵃʳᵗ − 1)`
/// (`exponential_decay_length_penalty` of `transformers`).
struct LengthDecay: LogitsRule {
    let start: Int
    let factor: Double
    let ends: [Int32]

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after sequence: SequenceView, memory: ChoosingMemory) {
        guard sequence.generated > start else { return }
        let weight = Float(ExactMathematics.pow(factor, Double(sequence.generated - start)) - 1)
        for id in ends where id >= 0 && Int(id) < logits.count {
            logits[Int(id)] += abs(logits[Int(id)]) * weight
        }
    }
}
