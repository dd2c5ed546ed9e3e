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

    /// A published tensor around the step, in the order of the file.
    public struct Tensor: Sendable {
        /// Its published name.
        public let name: String
        /// Its extents in a file.
        public let shape: [Int]
        /// The numbers that the step began with.
        public let before: [Float]
        /// The gradient, before clipping.
        public let gradient: [Float]
        /// The numbers that it ended with.
        public let after: [Float]
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
    /// The tensors that were asked for.
    public let tensors: [Tensor]
}

extension TrainingRun {
    /// Computes a step of the run that the output folder holds again, to the same bits, from the nearest save before it or
    /// from the start. Nothing is written.
    ///
    /// - `tensors`: published names of trained tensors to show.
    /// - `writing`: where the model is written as it was before the step; nil: nowhere.
    /// - Throws: `HeedError` when options or data are not those of the run, or a tensor is not one that it trains.
    public func replay(
        step: Int, tensors names: [String] = [], writing before: String? = nil, shouldStop: () -> Bool = { false },
        progress: (_ done: Int, _ origin: Int) -> Void = { _, _ in }
    ) throws -> ReplayedStep {
        try requireOption(
            "step", (1...options.schedule.steps).contains(step), expected: "1 to \(options.schedule.steps)",
            got: "\(step)")
        let tensors = try names.map { name in
            let known = model.trainedTensors.filter { model.weights.layout.isTrained($0.parameter) }
            guard let found = known.first(where: { $0.name == name }) else {
                throw HeedError(
                    .usage, "the run trains no tensor \(quoted(name, limit: 200))", in: self.folder.path,
                    expected: "a published name, such as \(known.first?.name ?? "none")",
                    advice: nearest(name, among: known.map(\.name)).map { "The nearest is \($0)" })
            }
            return found
        }
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
        var gradients: [[Float]] = []
        stepper.gradientObserver = { buffer in gradients = tensors.map { $0.stored(in: buffer) } }
        defer { (stepper.observer, stepper.gradientObserver) = (nil, nil) }
        if let before { try write(before) }
        let numbers = try model.weights.all()
        let start = tensors.map { $0.stored(in: numbers) }
        let rate = options.schedule.rate(step)
        let result = try trial(step: step, rate: rate)
        return ReplayedStep(
            step: step, origin: origin, rate: rate, result: result, sequences: sequences,
            tensors: tensors.enumerated().map { index, tensor in
                ReplayedStep.Tensor(
                    name: tensor.name, shape: tensor.storedShape, before: start[index], gradient: gradients[index],
                    after: tensor.stored(in: numbers))
            })
    }
}
