import HeedSupport
import HeedTensor

/// What a model costs for a batch of `rows` sequences of `columns` tokens: known before anything runs.
public struct WorkEstimate: Sendable {
    /// The shape.
    public let configuration: DecoderConfiguration
    /// Sequences per step.
    public let rows: Int
    /// Tokens per sequence.
    public let columns: Int
    /// The number of learned numbers.
    public let parameters: Int
    /// The learned numbers by part.
    public let parts: [(name: String, count: Int)]
    /// Floating-point operations of a forward pass with loss, a multiply-add counting two.
    public let forwardOperations: Double
    /// Bytes of activations and their gradients in training.
    public let trainingActivationBytes: Int
    /// Bytes of activations in a forward pass that keeps nothing.
    public let inferenceActivationBytes: Int
    /// Bytes of the key-value cache for all sequences at full length.
    public let cacheBytes: Int

    /// Estimates without loading or allocating the model.
    ///
    /// - Throws: `HeedError` (`usage`) where the batch is empty, longer than the context, or too large to count.
    public init(_ configuration: DecoderConfiguration, rows: Int, columns: Int) throws {
        guard rows >= 1, columns >= 1, columns <= configuration.context else {
            throw HeedError(
                .usage, "--batch or --context is out of range",
                expected: "a batch of at least 1 and a context from 1 to \(configuration.context)",
                got: "batch \(rows), context \(columns)")
        }
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard !overflow, count <= 1 << 24 else {
            throw HeedError(
                .usage, "--batch is too large", expected: "at most 16,777,216 tokens a step", got: "\(rows)")
        }
        let (decoder, layout) = ParameterLayout.declare { Decoder($0, configuration) }
        func trace(_ purpose: Purpose) -> Trace {
            let batch = TokenBatch(rowCapacity: count, sequenceCapacity: rows)
            let trace = Trace(for: purpose, maximumLength: columns)
            let states = decoder(batch, in: trace)
            _ = decoder.loss(states, targets: batch)
            return trace
        }
        let training = PlanEstimate(trace(.training))
        self.configuration = configuration
        self.rows = rows
        self.columns = columns
        parameters = layout.learnedCount
        parts = ModelDescription.parts(of: layout)
        forwardOperations = training.forwardCost.operations
        trainingActivationBytes = training.arenaBytes
        inferenceActivationBytes = PlanEstimate(trace(.inference)).arenaBytes
        let tokens = (columns + 63) / 64 * 64
        cacheBytes =
            2 * configuration.layers * rows * tokens * configuration.keyHeads * configuration.headWidth * 4
    }

    /// Operations of a training step: the gradient of a product is two products of its size.
    public var stepOperations: Double { 3 * forwardOperations }
    /// Bytes of the weights in 32-bit floats; gradients take as many, and the two moments of AdamW twice as many.
    public var weightBytes: Int { 4 * parameters }
    /// Bytes of a training step in all: weights, gradients, two moments, activations.
    public var trainingBytes: Int { 4 * weightBytes + trainingActivationBytes }
}

extension WorkEstimate {
    /// Measures the rate of this machine with one layer of the model's width, forward and backward.
    ///
    /// Returns floating-point operations per second, the best pass over 256 tokens within a quarter of a second. Cost:
    /// that time and the memory of one layer.
    public static func measuredRate(like configuration: DecoderConfiguration, runtime: Runtime) throws -> Double {
        var shape = configuration
        shape.layers = 1
        shape.vocabulary = min(configuration.vocabulary, 1024)
        let rows = 256
        let length = min(rows, configuration.context)
        let (decoder, layout) = ParameterLayout.declare { Decoder($0, shape) }
        let parameters = try ParameterBuffer(layout)
        parameters.initialise(seed: 1)
        let batch = TokenBatch(rowCapacity: rows, sequenceCapacity: (rows + length - 1) / length)
        var left = rows
        while left > 0 {
            let count = min(left, length)
            try batch.append((0..<count).map { Int32($0 * 7 % shape.vocabulary) })
            left -= count
        }
        for row in 0..<rows { batch.targets[row] = Int32(row * 5 % shape.vocabulary) }
        let trace = Trace(for: .training, maximumLength: length)
        _ = decoder.withoutDropout().loss(decoder.withoutDropout()(batch, in: trace), targets: batch)
        let plan = try Plan(
            trace, parameters: parameters, gradients: try ParameterBuffer(layout), kernels: runtime.kernels,
            team: runtime.team)
        let clock = ContinuousClock()
        var best = Double.infinity
        let began = clock.now
        for pass in 0..<100 where pass < 3 || clock.now - began < .milliseconds(250) {
            let took = clock.measure {
                plan.forward()
                plan.backward()
            }
            let (seconds, fraction) = took.components
            best = min(best, Double(seconds) + Double(fraction) * 1e-18)
        }
        return 3 * PlanEstimate(trace).forwardCost.operations / best
    }
}
