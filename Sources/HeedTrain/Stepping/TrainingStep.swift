import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// What a step did.
public struct StepResult: Sendable, Equatable {
    /// Mean loss over the counted targets, in nats, before the update.
    public let loss: Double
    /// Gradient norm before clipping.
    public let gradientNorm: Double
    /// Tokens read.
    public let tokens: Int
    /// Norms of gradients by layer, where they were asked for.
    public var layers: [LayerNorms.Entry] = []
    /// What the shards' gradients say of the noise, where there are several.
    public var noise: GradientNoise?
}

/// Loss → gradients → update, one optimiser step at a time, for any architecture.
///
/// A step's bits depend on the weights, its data, the seed, its number and the number of shards: not on threads, ranks or
/// how a shard is cut into micro-batches. Nothing is allocated after the first step of a run on one rank.
public final class TrainingStep {
    /// The model that learns.
    public let model: Model
    /// The optimiser with its moments.
    public let update: OptimiserUpdate
    /// The pass of a micro-batch, for reports.
    public let pass: Pass<[RecordedLoss]>
    /// Seconds of the last step in which this rank computed nothing, because numbers went round.
    public private(set) var waited = 0.0
    let slices: RankSlices
    /// The running mean of the weights, where one is asked for.
    let mean: RunningMean?
    /// Told of every micro-batch of this rank after its backward pass.
    var observer: ((TokenBatch, [RecordedLoss]) -> Void)?
    /// Shown the gradients of the step, before they are clipped and used; of several ranks each has its slice.
    var gradientObserver: ((ParameterBuffer) -> Void)?
    private let options: StepOptions
    private let input: StepInput
    private let readsSource: Bool
    private let numbers: ParameterBuffer
    private let gradients: ParameterBuffer
    private let communicator: any Communicator
    /// The pass's losses and source of random numbers, kept here because a generic pass looks its members up at run time.
    private let losses: [RecordedLoss]
    private let randomState: RandomState
    /// Whether several ranks share the steps.
    private let isShared: Bool
    private let tally: StepTally
    private let shardSum: ShardSum
    /// Where several ranks share a step: what adds their gradients up, and the memory for what it receives.
    private let exchange: GradientExchange?
    private let scratch: ParameterBuffer?
    private let layerNorms: LayerNorms?
    private let teaching: Teaching?

    /// Plans the step; a micro-batch holds `options.batch` sequences of `options.context` tokens unless `capacity` says
    /// otherwise.
    ///
    /// - Throws: `HeedError` when memory is refused or the ranks cannot share the shards.
    public init(
        _ model: Model, _ options: StepOptions, capacity: StepCapacity? = nil, runtime: Runtime,
        communicator: any Communicator = SingleRank(), teacher: Teacher? = nil
    ) throws {
        self.model = model
        self.options = options
        self.communicator = communicator
        isShared = communicator.size > 1
        try options.requireShards(for: communicator.size)
        let numbers = try model.weights.change()
        self.numbers = numbers
        let capacity = capacity ?? options.capacity
        let architecture = model.architecture.withDropout(options.dropout)
        readsSource = architecture.readsSource
        let input = StepInput(capacity, readsSource: readsSource)
        self.input = input
        try teacher?.check(model, length: capacity.length)
        let teaching = try teacher.map {
            try Teaching($0, input, capacity: capacity, precision: options.precision, runtime: runtime)
        }
        self.teaching = teaching
        pass = try runtime.pass(
            model.weights, for: .training, maximumLength: capacity.length, precision: options.precision
        ) { trace in
            trace.logitPenalty = options.logitPenalty
            trace.teacher = teaching?.targets
            return architecture.losses(
                input.tokens, source: input.source, in: trace, smoothing: options.labelSmoothing)
        }
        losses = pass.outputs
        randomState = pass.trace.randomState
        guard let gradients = pass.gradients else { throw HeedError(.unsupported, "the pass has no gradients") }
        self.gradients = gradients
        tally = StepTally(parts: options.accumulate, shards: options.shards, losses: pass.outputs.count)
        mean = try options.average.map { [numbers] in try RunningMean(of: numbers, decay: $0) }
        shardSum = try ShardSum(gradients, shards: options.shards / communicator.size)
        let unit = OptimiserUpdate.blockLength
        let trained = model.weights.layout.trained
        slices = RankSlices(units: (trained + unit - 1) / unit, communicator: communicator)
        let scratch = isShared ? try ParameterBuffer(model.weights.layout, trainedOnly: true) : nil
        self.scratch = scratch
        exchange = scratch.map { [pass, slices] in
            GradientExchange(
                slices, values: gradients.base, scratch: $0.base, count: trained, unit: unit,
                completions: TrainingStep.completions(pass.completions, model.weights.layout, unit: unit))
        }
        layerNorms = options.reportsLayers ? LayerNorms(model) : nil
        let own = slices.own
        update = try OptimiserUpdate(
            numbers, gradients: gradients, tensors: model.optimisedTensors, optimiser: options.optimiser,
            decay: Float(options.weightDecay),
            slice: min(own.lowerBound * unit, trained)..<min(own.upperBound * unit, trained), runtime: runtime)
    }

    /// Micro-batches of a shard.
    private var partsPerShard: Int { options.accumulate / options.shards }
    /// The shards of this rank.
    private var shards: Range<Int> {
        let each = options.shards / communicator.size
        return communicator.rank * each..<(communicator.rank + 1) * each
    }

    /// Makes optimiser step `step` (from 1) at learning rate `rate`.
    ///
    /// - Throws: `HeedError` (`numeric`) when loss or gradient is not finite: the weights are as before the step, and
    ///   the message names the step and the first tensor.
    public func run(step: Int, rate: Double, from source: some BatchSource) throws -> StepResult {
        // The normalisers must be known before the first gradient, and how many tokens come before a micro-batch.
        let prepared = try source.prepare(step: step)
        if countsFirst { try count(step, source) }
        for index in tally.sums.indices { tally.sums[index] = 0 }
        waited = 0
        for shard in shards {
            for part in shard * partsPerShard..<(shard + 1) * partsPerShard {
                try learn(part, of: shard, step: step, prepared, from: source)
            }
            try finish(shard)
        }
        if isShared { try waiting(gatherSums) }
        let norm = try update.gradientNorm { sums in
            guard isShared else { return }
            try slices.collect(UnsafeMutableRawBufferPointer(sums), unit: MemoryLayout<Double>.stride)
        }
        let loss = prepared?.loss ?? meanLoss
        guard norm.isFinite, loss.isFinite else { throw diverged(step, loss) }
        let layers = try layerNorms?.measure(gradients, slice: update.slice, communicator) ?? []
        gradientObserver?(gradients)
        try apply(step, rate: rate, norm: norm)
        mean?.take(step: step)
        var read = 0
        for part in tally.tokens.indices { read += tally.tokens[part] }
        return StepResult(
            loss: loss, gradientNorm: norm, tokens: read, layers: layers,
            noise: prepared == nil && losses.count == 1 ? noise(whole: norm * norm) : nil)
    }

    /// Whether a step must look at all its micro-batches before it computes the first.
    private var countsFirst: Bool { options.accumulate > 1 }

    /// Forward and backward pass of a micro-batch: adds to the shard's gradients and losses.
    private func learn(
        _ part: Int, of shard: Int, step: Int, _ prepared: PreparedStep?, from source: some BatchSource
    ) throws {
        let tally = tally
        try fill(from: source, step: step, part: part)
        if !countsFirst {
            count(part)
            try addUp(step)
        }
        // A loss that no target counts for is zero; masked-language training has no second sentences.
        for index in losses.indices {
            losses[index].scale.value = prepared?.scales[part] ?? 1 / Float(max(tally.total[index], 1))
        }
        var before = 0
        for earlier in 0..<part { before += tally.tokens[earlier] }
        randomState.set(seed: options.seed, step: step, rowBase: before)
        teaching?.run()
        pass.forward()
        if let exchange, part + 1 == shards.upperBound * partsPerShard {
            exchange.begin()
            try pass.backward { try exchange.advance($0, prepare: addLast) }
        } else {
            pass.backward()
        }
        observer?(input.tokens, losses)
        for index in losses.indices { losses[index].readout.add(to: &tally.sums[shard * losses.count + index]) }
    }

    /// Completes the gradients of a shard and adds them to those of the shards before; the last go round.
    private func finish(_ shard: Int) throws {
        pass.finishGradients()
        if let exchange, shard + 1 == shards.upperBound {
            try exchange.finish(prepare: addLast)
            tally.squares[shard] = update.measured
            shardSum.finish()
            waited += exchange.seconds
        } else {
            if options.shards > 1 {
                update.measure(0..<gradients.count)
                tally.squares[shard] = update.measured
            }
            shardSum.add()
        }
    }

    /// The means of the losses over their targets, added up.
    private var meanLoss: Double {
        var loss = 0.0
        for index in losses.indices {
            var sum = 0.0
            for shard in 0..<options.shards { sum += tally.sums[shard * losses.count + index] }
            loss += sum / Double(max(tally.total[index], 1))
        }
        return loss
    }

    /// Changes the weights by gradients of norm `norm`, on all ranks, and leaves the gradients zero.
    private func apply(_ step: Int, rate: Double, norm: Double) throws {
        let factor = options.clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1
        let unit = OptimiserUpdate.blockLength * MemoryLayout<Float>.stride
        try update.apply(
            step: step, rate: rate, beta1: options.beta1, beta2: options.beta2, epsilon: options.epsilon, clip: factor
        ) { gradients in
            guard isShared else { return }
            try waiting { try slices.collect(UnsafeMutableRawBufferPointer(gradients), unit: unit) }
        }
        guard isShared else { return }
        try waiting {
            try slices.collect(
                UnsafeMutableRawBufferPointer(start: numbers.base, count: gradients.count * 4), unit: unit)
        }
        // What was sent from other slices is left over.
        let own = update.slice
        gradients.base.update(repeating: 0, count: own.lowerBound)
        (gradients.base + own.upperBound).update(repeating: 0, count: gradients.count - own.upperBound)
    }

    /// What a shard's gradients go through before they go round, for some of the last shard's.
    private func addLast(_ elements: Range<Int>) {
        update.measure(elements)
        shardSum.addLast(elements)
    }

    private func waiting(_ body: () throws -> Void) rethrows {
        let clock = ContinuousClock()
        let began = clock.now
        try body()
        waited += (clock.now - began).inSeconds
    }

    private func noise(whole: Double) -> GradientNoise? {
        guard options.shards > 1 else { return nil }
        let parts = tally.squares.indices.map { shard in
            (
                squares: tally.squares[shard],
                targets: tally.counts[shard * partsPerShard..<(shard + 1) * partsPerShard].reduce(0, +)
            )
        }
        return GradientNoise(parts: parts, whole: whole)
    }

    /// Counts targets and tokens of all micro-batches, each by the rank whose it is.
    private func count(_ step: Int, _ source: some BatchSource) throws {
        let own = shards.lowerBound * partsPerShard..<shards.upperBound * partsPerShard
        for part in own {
            try fill(from: source, step: step, part: part)
            count(part)
        }
        if isShared {
            try gather(own, of: tally.tokens)
            try gather(own.lowerBound * losses.count..<own.upperBound * losses.count, of: tally.counts)
        }
        try addUp(step)
    }

    private func count(_ part: Int) {
        for index in losses.indices { tally.counts[part * losses.count + index] = losses[index].counted }
        tally.tokens[part] = input.tokens.rows.current
    }

    private func addUp(_ step: Int) throws {
        guard tally.addUp() else {
            throw HeedError(.badInput, "no target of step \(step) counts", advice: "Look at the labels of the data.")
        }
    }

    /// After how many events of the backward pass all gradients of each unit are complete; `Int.max`: only after it.
    private static func completions(_ events: [Parameter: Int], _ layout: ParameterLayout, unit: Int) -> [Int] {
        var completions = [Int](repeating: 0, count: (layout.trained + unit - 1) / unit)
        for parameter in layout.parameters where layout.isTrained(parameter) && parameter.count > 0 {
            let start = layout.offset(of: parameter)
            for place in start / unit...(start + parameter.count - 1) / unit {
                completions[place] = max(completions[place], events[parameter] ?? .max)
            }
        }
        return completions
    }

    /// Gathers what is said of each shard.
    private func gatherSums() throws {
        try gather(shards.lowerBound * losses.count..<shards.upperBound * losses.count, of: tally.sums)
        try gather(shards, of: tally.squares)
    }

    /// Fills in the values of the other ranks, of which each has as many.
    private func gather<Value: BitwiseCopyable & Numeric>(
        _ own: Range<Int>, of values: UnsafeMutableBufferPointer<Value>
    ) throws {
        _ = values.update(fromContentsOf: try communicator.gathered(Array(values[own]), fill: 0))
    }

    private func fill(from source: some BatchSource, step: Int, part: Int) throws {
        input.clear()
        try source.fill(input, step: step, part: part)
        guard !readsSource || input.source.sequences.current == input.tokens.sequences.current else {
            throw HeedError(
                .usage, "these data have no source side", expected: "sentence pairs for a model that translates",
                advice: "Give `source` and `target`, or rows with decoder_input_ids or labels.")
        }
    }

    private func diverged(_ step: Int, _ loss: Double) -> HeedError {
        let place = pass.gradients?.firstNonFinite()
        let name = place.map { found in
            (model.trainedTensors + model.checkpoint).first { $0.parameter == found.parameter }?.name
                ?? found.parameter.name
        }
        return HeedError(
            .numeric,
            "step \(step) gave numbers that are not finite"
                + (name.map { ", first in the gradient of \($0)" } ?? ""),
            expected: "a finite loss and gradient", got: "loss \(loss)",
            advice: "The weights are those of the step before. Lower `peak`, raise `warmup` or set `clip`, and resume.")
    }
}
