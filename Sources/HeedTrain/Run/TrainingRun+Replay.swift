import HeedModels
import HeedSupport
import HeedTensor

/// A step that was computed again.
public struct ReplayedStep: Sendable {
    /// A sequence that the step learned from.
    public struct Sequence: Sendable {
        /// What the model read.
        public let ids: [Int32]
        /// The loss of what should follow each id, in nats; nil where nothing is learned.
        public let losses: [Float?]

        /// The mean over what is learned.
        public var loss: Double {
            let counted = losses.compactMap { $0 }
            return counted.reduce(0) { $0 + Double($1) } / Double(max(counted.count, 1))
        }
    }

    /// The step.
    public let step: Int
    /// The step of the save that the way there began with; 0: the start of the run.
    public let origin: Int
    /// Its learning rate.
    public let rate: Double
    /// Loss, norms, tokens.
    public let result: StepResult
    /// What it learned from, in order.
    public let sequences: [Sequence]
}

extension TrainingRun {
    /// Computes a step of the run that the output folder holds again, to the same bits, from the nearest save before it or
    /// from the start. Nothing is written.
    ///
    /// - Throws: `HeedError` when options or data are not those of the run.
    public func replay(
        step: Int, shouldStop: () -> Bool = { false }, progress: (_ done: Int, _ origin: Int) -> Void = { _, _ in }
    ) throws -> ReplayedStep {
        try requireOption(
            "step", (1...options.schedule.steps).contains(step), expected: "1 to \(options.schedule.steps)",
            got: "\(step)")
        defer { model.weights.settle() }
        let origin = try folder.readState(before: step, model, memory, identity: identity) ?? 0
        for number in origin + 1..<step {
            guard !shouldStop() else { throw HeedError(.interrupted, "stopped on request before step \(step)") }
            _ = try trial(step: number, rate: options.schedule.rate(number))
            progress(number, origin)
        }
        var sequences: [ReplayedStep.Sequence] = []
        stepper.observer = { batch, losses in
            for sequence in 0..<batch.sequences.current {
                let rows = Int(batch.offsets[sequence])..<Int(batch.offsets[sequence + 1])
                sequences.append(
                    ReplayedStep.Sequence(
                        ids: rows.map { batch.ids[$0] },
                        losses: rows.map { row in
                            batch.targets[row] == TokenBatch.ignored ? nil : losses.first?.readout[row]
                        }))
            }
        }
        defer { stepper.observer = nil }
        let rate = options.schedule.rate(step)
        let result = try trial(step: step, rate: rate)
        return ReplayedStep(step: step, origin: origin, rate: rate, result: result, sequences: sequences)
    }
}
