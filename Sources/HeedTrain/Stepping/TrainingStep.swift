import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// What the steps of a run share.
public struct StepOptions: Sendable, Equatable {
    /// Sequences of a micro-batch.
    public var batch = 16
    /// Tokens of a sequence.
    public var context = 64
    /// Micro-batches of an optimiser step.
    public var accumulate = 1
    /// The rule that turns gradients into changes.
    public var optimiser = Optimiser.adamW
    /// The optimiser's memory of gradients.
    public var beta1 = 0.9
    /// The optimiser's memory of squared gradients.
    public var beta2 = 0.95
    /// The optimiser's ε.
    public var epsilon = 1e-8
    /// Decay per step and learning rate, of matrices and embeddings.
    public var weightDecay = 0.1
    /// The largest gradient norm; nil: no clipping.
    public var clip: Double? = 1
    /// nil: the model's own rates.
    public var dropout: Float?
    /// The share of the target that is spread over the vocabulary.
    public var labelSmoothing: Float = 0
    /// c of `c · log²Z`, which is added to the loss that is minimised (Chowdhery et al. 2022, "PaLM", section 5).
    public var logitPenalty: Float = 0
    /// How much of the running mean of the weights stays in a step; nil: there is none.
    public var average: Double?
    /// Operand format of matrix products.
    public var precision = Precision.float32
    /// Whether a step also reports the norm of each layer's gradient.
    public var reportsLayers = false
    /// What dropout masks come from.
    public var seed: UInt64 = 1
    /// Into how many parts a step is cut whose gradients are added in a fixed tree, so that ranks may share them: a power
    /// of two. The bits depend on it, and not on the number of ranks.
    public var shards = 1

    /// The usual way.
    public init() {}

    /// Cuts a step into micro-batches that shards can share: the same sequences, in micro-batches that are no larger.
    ///
    /// - Throws: `HeedError` (`usage`) when the sequences of a step do not divide.
    public mutating func cutIntoShards() throws {
        guard shards > 1, accumulate % shards != 0 else { return }
        let sequences = batch * accumulate
        try requireOption(
            "shards", sequences % shards == 0, expected: "a divisor of `batch` × `accumulate` (\(sequences))",
            got: "\(shards)")
        let each = sequences / shards
        let parts = (1...each).first { each % $0 == 0 && each / $0 <= batch } ?? each
        (batch, accumulate) = (each / parts, shards * parts)
    }
}

/// What a step's micro-batches count, where that is not the mean over their targets.
public struct PreparedStep: Sendable {
    /// The factor on the sum of losses of each micro-batch.
    public var scales: [Float]
    /// The loss that is reported.
    public var loss: Double
}

/// What a pass of training or measuring reads: the tokens whose states predict, with their targets, and the source of
/// each sequence for a model that reads one.
public struct StepInput: Sendable {
    /// The tokens whose states predict.
    public let tokens: TokenBatch
    /// Sequence s belongs to sequence s of `tokens`; empty where the model reads no source.
    public let source: TokenBatch

    /// Room for `capacity`; for a source only where the model reads one.
    public init(_ capacity: StepCapacity, readsSource: Bool) {
        tokens = TokenBatch(rowCapacity: capacity.tokens, sequenceCapacity: capacity.sequences)
        source = TokenBatch(
            rowCapacity: readsSource ? capacity.sourceTokens : 1,
            sequenceCapacity: readsSource ? capacity.sequences : 1)
    }

    /// Leaves nothing in it.
    public func clear() {
        tokens.clear()
        source.clear()
    }
}

/// Fills micro-batches; what it gives depends on step and part only.
public protocol BatchSource {
    /// Looks at the weights before a step; nil where losses are means over all targets of the step.
    func prepare(step: Int) throws -> PreparedStep?

    /// Fills the empty `input` with micro-batch `part` of optimiser step `step` (from 1), targets included.
    func fill(_ input: StepInput, step: Int, part: Int) throws
}

extension BatchSource {
    public func prepare(step: Int) throws -> PreparedStep? { nil }
}

/// How much a micro-batch may hold.
public struct StepCapacity: Sendable, Equatable {
    /// Tokens whose states predict.
    public var tokens: Int
    /// Tokens of the source, for a model that reads one.
    public var sourceTokens: Int
    /// How many sequences.
    public var sequences: Int
    /// The longest sequence on either side.
    public var length: Int

    /// Room for so many tokens and sequences.
    public init(tokens: Int, sourceTokens: Int = 1, sequences: Int, length: Int) {
        self.tokens = tokens
        self.sourceTokens = sourceTokens
        self.sequences = sequences
        self.length = length
    }
}

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
    /// Counted targets by micro-batch and loss, and tokens by micro-batch, of the step that runs.
    private var counts: [Int]
    private var tokens: [Int]
    /// Sums of losses by shard and loss.
    private var sums: [Double]
    private var total: [Int]
    /// Squared norms of the shards' gradients.
    private var squares: [Double]
    private let shardSum: ShardSum
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
        let isPower = { (number: Int) in number > 0 && number & (number - 1) == 0 }
        try requireOption(
            "shards", isPower(options.shards) && options.accumulate % options.shards == 0,
            expected: "a power of two that divides the micro-batches of a step (\(options.accumulate))",
            got: "\(options.shards)")
        try requireOption(
            "ranks", isPower(communicator.size) && communicator.size <= options.shards,
            expected: "a power of two of at most `shards` (\(options.shards))", got: "\(communicator.size)")
        numbers = try model.weights.change()
        let rows = options.batch * options.context
        let capacity =
            capacity
            ?? StepCapacity(tokens: rows, sourceTokens: rows, sequences: options.batch, length: options.context)
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
        counts = [Int](repeating: 0, count: options.accumulate * pass.outputs.count)
        tokens = [Int](repeating: 0, count: options.accumulate)
        sums = [Double](repeating: 0, count: options.shards * pass.outputs.count)
        total = [Int](repeating: 0, count: pass.outputs.count)
        squares = [Double](repeating: 0, count: options.shards)
        mean = try options.average.map { [numbers] in try RunningMean(of: numbers, decay: $0) }
        shardSum = try ShardSum(gradients, shards: options.shards / communicator.size)
        let unit = OptimiserUpdate.blockLength
        let trained = model.weights.layout.trained
        slices = RankSlices(units: (trained + unit - 1) / unit, communicator: communicator)
        scratch = communicator.size > 1 ? try ParameterBuffer(model.weights.layout, trainedOnly: true) : nil
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
        let countsFirst = options.accumulate > 1
        if countsFirst { try count(step, source) }
        for index in sums.indices { sums[index] = 0 }
        for shard in shards {
            for part in shard * partsPerShard..<(shard + 1) * partsPerShard {
                try fill(from: source, step: step, part: part)
                if !countsFirst {
                    count(part)
                    try addUp(step)
                }
                // A loss that no target counts for is zero; masked-language training has no second sentences.
                for (index, loss) in losses.enumerated() {
                    loss.scale.value = prepared?.scales[part] ?? 1 / Float(max(total[index], 1))
                }
                var before = 0
                for earlier in 0..<part { before += tokens[earlier] }
                randomState.set(seed: options.seed, step: step, rowBase: before)
                teaching?.run()
                pass.forward()
                pass.backward()
                observer?(input.tokens, losses)
                for (index, loss) in losses.enumerated() { loss.readout.add(to: &sums[shard * losses.count + index]) }
            }
            pass.finishGradients()
            if options.shards > 1 { squares[shard] = update.squaredNorm() }
            shardSum.add()
        }
        if communicator.size > 1 { try share() }
        let norm = try update.gradientNorm { sums in
            guard communicator.size > 1 else { return }
            try slices.collect(UnsafeMutableRawBufferPointer(sums), unit: MemoryLayout<Double>.stride)
        }
        var loss = 0.0
        for index in losses.indices {
            var sum = 0.0
            for shard in 0..<options.shards { sum += sums[shard * losses.count + index] }
            loss += sum / Double(max(total[index], 1))
        }
        if let prepared { loss = prepared.loss }
        guard norm.isFinite, loss.isFinite else { throw diverged(step, loss) }
        let layers = try layerNorms?.measure(gradients, slice: update.slice, communicator) ?? []
        gradientObserver?(gradients)
        let factor = options.clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1
        let unit = OptimiserUpdate.blockLength * MemoryLayout<Float>.stride
        try update.apply(
            step: step, rate: rate, beta1: options.beta1, beta2: options.beta2, epsilon: options.epsilon, clip: factor
        ) { gradients in
            if communicator.size > 1 { try slices.collect(UnsafeMutableRawBufferPointer(gradients), unit: unit) }
        }
        if communicator.size > 1 {
            try slices.collect(
                UnsafeMutableRawBufferPointer(start: numbers.base, count: gradients.count * 4), unit: unit)
            // The sums of other slices are left over.
            gradients.base.update(repeating: 0, count: gradients.count)
        }
        mean?.take(step: step)
        var read = 0
        for part in tokens.indices { read += tokens[part] }
        return StepResult(
            loss: loss, gradientNorm: norm, tokens: read, layers: layers,
            noise: prepared == nil && losses.count == 1 ? noise(whole: norm * norm) : nil)
    }

    private func noise(whole: Double) -> GradientNoise? {
        guard options.shards > 1 else { return nil }
        let parts = squares.indices.map { shard in
            (squares: squares[shard], targets: counts[shard * partsPerShard..<(shard + 1) * partsPerShard].reduce(0, +))
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
        if communicator.size > 1 {
            tokens = try communicator.gathered(Array(tokens[own]), fill: 0)
            counts = try communicator.gathered(
                Array(counts[own.lowerBound * losses.count..<own.upperBound * losses.count]), fill: 0)
        }
        try addUp(step)
    }

    private func count(_ part: Int) {
        for (index, loss) in losses.enumerated() { counts[part * losses.count + index] = loss.counted }
        tokens[part] = input.tokens.rows.current
    }

    private func addUp(_ step: Int) throws {
        for index in total.indices {
            total[index] = 0
            for part in tokens.indices { total[index] += counts[part * losses.count + index] }
        }
        guard total.contains(where: { $0 > 0 }) else {
            throw HeedError(.badInput, "no target of step \(step) counts", advice: "Look at the labels of the data.")
        }
    }

    /// Adds the gradients of all ranks, of which each ends with its slice, and gathers the sums of losses.
    private func share() throws {
        if let scratch {
            try slices.reduce(
                gradients.base, count: gradients.count, unit: OptimiserUpdate.blockLength, scratch: scratch.base)
        }
        let own = shards.lowerBound * losses.count..<shards.upperBound * losses.count
        sums = try communicator.gathered(Array(sums[own]), fill: 0)
        squares = try communicator.gathered(Array(squares[shards]), fill: 0)
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
