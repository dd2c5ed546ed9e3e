import ArgumentParser
import Heed
import HeedSupport

/// How steps are made. What is not said here is the library's own.
struct OptimiserOptions: ParsableArguments {
    private static let usual = TrainingOptions()

    @Option(
        name: [.long, .customLong("batch-size")], help: ArgumentHelp("Sequences of a micro-batch.", valueName: "B"))
    var batch: Int = usual.step.batch

    @Option(
        name: [.long, .customLong("gradient-accumulation-steps")],
        help: ArgumentHelp("Micro-batches of a step; the same bits as a batch that much larger.", valueName: "A"))
    var accumulate: Int = usual.step.accumulate

    @Option(
        name: [.long, .customLong("max-steps"), .customLong("max-iters")],
        help: ArgumentHelp("Optimiser steps. (default: \(usual.schedule.steps))", valueName: "N"))
    var steps: Int?

    @Option(
        name: [.long, .customLong("num-train-epochs")],
        help: ArgumentHelp("Instead of --steps: how often all of the data are read.", valueName: "n"))
    var epochs: Int?

    @Option(
        name: [.long, .customLong("learning-rate")],
        help: ArgumentHelp(
            "The largest learning rate. (default: by size for a new model, 3e-3 for tiny; 5e-5 with --init)",
            valueName: "x"))
    var lr: Double?

    @Option(help: ArgumentHelp("The learning rate at the end.", valueName: "x"))
    var minLr: Double = usual.schedule.minimum

    @Option(
        name: [.long, .customLong("warmup-steps"), .customLong("warmup-iters")],
        help: ArgumentHelp(
            "Steps in which the rate rises. (default: a tenth of the steps, at most 100)", valueName: "n"))
    var warmup: Int?

    @Option(
        name: [.long, .customLong("lr-scheduler-type")],
        help: ArgumentHelp("cosine, linear, constant or inverse-sqrt.", valueName: "shape"))
    var schedule: String = usual.schedule.shape.rawValue

    @Option(help: ArgumentHelp("AdamW's decay of matrices and embeddings.", valueName: "x"))
    var weightDecay: Double = usual.step.weightDecay

    @Option(help: ArgumentHelp("AdamW's memory of gradients.", valueName: "x"))
    var beta1: Double = usual.step.beta1

    @Option(help: ArgumentHelp("AdamW's memory of squared gradients.", valueName: "x"))
    var beta2: Double = usual.step.beta2

    @Option(help: ArgumentHelp("AdamW's ε.", valueName: "x"))
    var epsilon: Double = usual.step.epsilon

    @Option(
        name: [.long, .customLong("grad-clip"), .customLong("max-grad-norm")],
        help: ArgumentHelp("The largest norm of a gradient; 0: no limit.", valueName: "x"))
    var clip: Double = usual.step.clip ?? 0

    @Option(help: ArgumentHelp("One dropout rate everywhere. (default: the model's own rates)", valueName: "x"))
    var dropout: Double?

    @Option(help: ArgumentHelp("The share of the target that is spread over the vocabulary.", valueName: "x"))
    var labelSmoothing: Double = Double(usual.step.labelSmoothing)

    @Option(help: ArgumentHelp("What all random numbers come from.", valueName: "n"))
    var seed: UInt64 = usual.step.seed

    func validate() throws {
        if let epochs {
            guard steps == nil else { throw ValidationError("--steps and --epochs: expected one of them.") }
            try check("--epochs", epochs, in: 1...1_000_000)
        }
    }

    /// The options as far as they are known before model and data.
    func options() throws -> TrainingOptions {
        var options = TrainingOptions()
        options.step.batch = batch
        options.step.accumulate = accumulate
        options.step.weightDecay = weightDecay
        options.step.beta1 = beta1
        options.step.beta2 = beta2
        options.step.epsilon = epsilon
        options.step.clip = clip == 0 ? nil : clip
        options.step.dropout = dropout.map { Float($0) }
        options.step.labelSmoothing = Float(labelSmoothing)
        options.step.seed = seed
        options.schedule = LearningRateSchedule(
            try ScheduleShape.named(schedule), peak: lr ?? max(minLr, OptimiserOptions.usual.schedule.peak),
            minimum: minLr, warmup: epochs == nil ? warmup ?? 0 : 0,
            steps: steps ?? OptimiserOptions.usual.schedule.steps)
        return options
    }

    /// Completes the schedule, once the model and the windows, rows or batches of an epoch are known.
    func complete(_ options: inout TrainingOptions, _ start: TrainingStart, epoch: Int) throws {
        let perStep = start.model.architecture.readsSource ? accumulate : batch * accumulate
        let steps =
            epochs.map { max(1, ($0 * epoch + perStep - 1) / perStep) } ?? self.steps
            ?? OptimiserOptions.usual.schedule.steps
        options.schedule.steps = steps
        options.schedule.warmup = warmup ?? min(100, max(steps, 0) / 10)
        options.schedule.peak = lr ?? max(minLr, TrainingDefaults.rate(of: start.model, isNew: start.isNew))
        try options.validate()
    }
}
