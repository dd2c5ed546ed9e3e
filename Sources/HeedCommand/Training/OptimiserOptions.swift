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

    @Flag(
        help: "Train nothing: try rising learning rates on a copy, and print the loss of each and the rate to take.")
    var findLr = false

    @Option(help: ArgumentHelp("The learning rate at the end.", valueName: "x"))
    var minLr: Double = usual.schedule.minimum

    @Option(
        name: [.long, .customLong("warmup-steps"), .customLong("warmup-iters")],
        help: ArgumentHelp(
            "Steps in which the rate rises. (default: a tenth of the steps, at most 100)", valueName: "n"))
    var warmup: Int?

    @Option(
        name: [.long, .customLong("lr-scheduler-type")],
        help: ArgumentHelp("cosine, linear, constant, inverse-sqrt or warmup-stable-decay.", valueName: "shape"))
    var schedule: String = usual.schedule.shape.rawValue

    @Option(
        help: ArgumentHelp(
            "Steps at the end in which the rate of warmup-stable-decay falls. (default: a fifth)", valueName: "n"))
    var decay: Int?

    @Option(
        name: [.customLong("optimizer"), .customLong("optim")],
        help: ArgumentHelp(
            "The rule that turns gradients into changes; β1 is SGD's momentum.",
            valueName: Optimiser.allCases.map(\.rawValue).joined(separator: "|")))
    var optimiser: Optimiser = usual.step.optimiser

    @Option(
        help: ArgumentHelp(
            "Parts of a step whose gradients are added in a fixed tree, a power of two: what ranks share. The bits "
                + "depend on it, not on the number of ranks. (default: 1; 8 or more under mpirun)", valueName: "n"))
    var shards: Int?

    @Option(help: ArgumentHelp("The optimiser's decay of matrices and embeddings.", valueName: "x"))
    var weightDecay: Double = usual.step.weightDecay

    @Option(help: ArgumentHelp("The optimiser's memory of gradients.", valueName: "x"))
    var beta1: Double = usual.step.beta1

    @Option(help: ArgumentHelp("The optimiser's memory of squared gradients.", valueName: "x"))
    var beta2: Double = usual.step.beta2

    @Option(help: ArgumentHelp("The optimiser's ε.", valueName: "x"))
    var epsilon: Double = usual.step.epsilon

    @Option(
        name: [.long, .customLong("grad-clip"), .customLong("max-grad-norm")],
        help: ArgumentHelp("The largest norm of a gradient; 0: no limit.", valueName: "x"))
    var clip: Double = usual.step.clip ?? 0

    @Option(help: ArgumentHelp("One dropout rate everywhere. (default: the model's own rates)", valueName: "x"))
    var dropout: Double?

    @Option(help: ArgumentHelp("The share of the target that is spread over the vocabulary.", valueName: "x"))
    var labelSmoothing: Double = Double(usual.step.labelSmoothing)

    @Option(
        help: ArgumentHelp(
            "Adds x · log²Z to the loss that is minimised, Z the sum of a row's exponentials: logits stay small.",
            valueName: "x"))
    var zLoss: Double = 0

    @Option(
        help: ArgumentHelp(
            "Publish and measure a mean of the weights in which those of each step count 1 − x and the rest x, such as "
                + "0.999. (default: the weights themselves)", valueName: "x"))
    var ema: Double?

    @Option(
        name: .customLong("dpo"),
        help: ArgumentHelp(
            "Learn which of two answers is preferred, by direct preference optimisation with this β, such as 0.1: --data "
                + "has lines with prompt, chosen and rejected, and --batch counts pairs.", valueName: "β"))
    var preference: Double?

    @Option(help: ArgumentHelp("What all random numbers come from.", valueName: "n"))
    var seed: UInt64 = usual.step.seed

    func validate() throws {
        if let shards, shards < 1 || shards > 1 << 16 || shards & (shards - 1) != 0 {
            throw ValidationError("--shards: expected a power of two from 1 to \(1 << 16), got \(shards).")
        }
        if let preference { try check("--dpo", preference, above: 0) }
        if let epochs {
            guard steps == nil else { throw ValidationError("--steps and --epochs: expected one of them.") }
            try check("--epochs", epochs, in: 1...1_000_000)
        }
    }

    /// The options as far as they are known before model and data.
    ///
    /// - Parameter ranks: how many processes share the work; nil: this one is alone.
    func options(ranks: Int?) throws -> TrainingOptions {
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
        options.step.logitPenalty = Float(zLoss)
        options.step.average = ema
        options.step.seed = seed
        options.step.optimiser = optimiser
        // A pair is two micro-batches of one sequence.
        if preference != nil { (options.step.batch, options.step.accumulate) = (1, 2 * batch * accumulate) }
        // One number for all small numbers of ranks, so that they give the same bits.
        options.step.shards = shards ?? ranks.map { max(8, $0) } ?? 1
        try options.step.cutIntoShards()
        options.schedule = LearningRateSchedule(
            try ScheduleShape.named(schedule), peak: lr ?? max(minLr, OptimiserOptions.usual.schedule.peak),
            minimum: minLr, warmup: epochs == nil ? warmup ?? 0 : 0,
            steps: steps ?? OptimiserOptions.usual.schedule.steps)
        options.schedule.decay = epochs == nil ? decay : nil
        return options
    }

    /// Completes the schedule, once the model and the windows, rows or batches of an epoch are known.
    func complete(_ options: inout TrainingOptions, _ start: TrainingStart, epoch: Int) throws {
        let perStep = start.model.architecture.readsSource ? options.step.accumulate : batch * accumulate
        let steps =
            epochs.map { max(1, ($0 * epoch + perStep - 1) / perStep) } ?? self.steps
            ?? OptimiserOptions.usual.schedule.steps
        options.schedule.steps = steps
        options.schedule.decay = decay
        options.schedule.warmup = warmup ?? min(100, max(steps, 0) / 10)
        options.schedule.peak = lr ?? max(minLr, TrainingDefaults.rate(of: start.model, isNew: start.isNew))
        try options.validate()
    }
}

extension Optimiser: ExpressibleByArgument {}
