import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// What a model costs for a batch of `rows` sequences of `columns` tokens: known before anything runs.
///
/// For an encoder-decoder, sources and targets of `columns` tokens each. An encoder without a head is taken as one that
/// learns two classes.
public struct WorkEstimate: Sendable {
    /// The shape.
    public let configuration: Configuration
    /// Sequences per step.
    public let rows: Int
    /// Tokens per sequence; on each side, where the model reads a source.
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
    /// Bytes of the weights of a model that runs, by the form in which products read its matrices.
    public let weightBytesByForm: [WeightForm: Int]
    /// Bytes of the key-value cache for all sequences at full length, as 32-bit floats.
    public var cacheBytes: Int { cacheBytes(.float32) }

    /// Estimates without loading or allocating the model.
    ///
    /// - Throws: `HeedError` (`usage`) where the batch is empty, longer than the context, or too large to count.
    public init(_ configuration: Configuration, rows: Int, columns: Int) throws {
        guard rows >= 1, columns >= 1, columns <= configuration.context else {
            throw HeedError(
                .usage, "`batch` or `context` is out of range",
                expected: "a batch of at least 1 and a context from 1 to \(configuration.context)",
                got: "batch \(rows), context \(columns)")
        }
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard !overflow, count <= 1 << 24 else {
            throw HeedError(
                .usage, "`batch` is too large", expected: "at most 16,777,216 tokens a step", got: "\(rows)")
        }
        let layout = ParameterLayout.declare { configuration.declare(in: $0) }.layout
        let (learning, learningLayout) = ParameterLayout.declare { configuration.learning.declare(in: $0) }
        func trace(_ purpose: Purpose) -> Trace {
            func batch() -> TokenBatch { TokenBatch(rowCapacity: count, sequenceCapacity: rows) }
            let trace = Trace(for: purpose, maximumLength: columns)
            _ = learning.losses(batch(), source: batch(), in: trace)
            return trace
        }
        let training = try Schedule(trace(.training), learningLayout)
        self.configuration = configuration
        self.rows = rows
        self.columns = columns
        parameters = layout.trainedCount
        parts = ModelDescription.parts(of: layout)
        forwardOperations = training.forwardCost.operations
        trainingActivationBytes = training.arena.byteCount
        let inference = trace(.inference)
        inferenceActivationBytes = try Schedule(inference, learningLayout).arena.byteCount
        weightBytesByForm = Dictionary(
            uniqueKeysWithValues: WeightForm.allCases.filter { $0 != .stored }.map {
                ($0, inference.weightBytes($0, of: layout, height: Kernels.panelRows))
            })
    }

    /// Bytes of the key-value cache for all sequences at full length, in whole pages. Layers with windows keep what they
    /// see, a page that guesses may go back by, and the page that they have not left.
    public func cacheBytes(_ form: CacheForm) -> Int {
        let all = KeyValueCache.pages(of: columns)
        return rows * KeyValueCache.pageTokens
            * configuration.cacheLayers.reduce(0) { sum, layer in
                let seen = layer.window.map { min(all, KeyValueCache.pages(of: $0) + 2) } ?? all
                return sum + seen * form.bytesPerToken(heads: layer.heads, width: layer.width)
            }
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
    public static func measuredRate(like configuration: Configuration, runtime: Runtime) throws -> Double {
        let shape = configuration.learning.oneLayer(vocabulary: 1024)
        let rows = 256
        let length = min(rows, configuration.context)
        let (model, layout) = ParameterLayout.declare { shape.declare(in: $0) }
        let weights = try Weights(layout)
        try weights.all().initialise(seed: 1)
        func batch(vocabulary: Int) throws -> TokenBatch {
            let batch = TokenBatch(rowCapacity: rows, sequenceCapacity: (rows + length - 1) / length)
            var left = rows
            while left > 0 {
                let count = min(left, length)
                try batch.append((0..<count).map { Int32($0 * 7 % vocabulary) })
                left -= count
            }
            let classes = shape.classes ?? vocabulary
            for row in 0..<rows { batch.targets[row] = Int32(row * 5 % classes) }
            for sequence in 0..<batch.sequences.current { batch.sequenceTargets[sequence] = 0 }
            return batch
        }
        let pass = try runtime.pass(weights, for: .training, maximumLength: length) { trace in
            model.withDropout(0).losses(
                try batch(vocabulary: shape.vocabulary), source: try batch(vocabulary: shape.vocabulary), in: trace)
        }
        let clock = ContinuousClock()
        var best = Double.infinity
        let began = clock.now
        for number in 0..<100 where number < 3 || clock.now - began < .milliseconds(250) {
            let took = clock.measure {
                pass.forward()
                pass.backward()
            }
            best = min(best, took.inSeconds)
        }
        return 3 * pass.schedule.forwardCost.operations / best
    }
}

extension Configuration {
    /// The longest sequence.
    public var context: Int {
        switch self {
        case .decoder(let configuration): configuration.context
        case .encoder(let configuration): configuration.context
        case .encoderDecoder(let configuration): configuration.context
        }
    }

    /// The shape in a few words, for reports.
    public var summary: String {
        func heads(_ count: Int) -> String { count == 1 ? "1 head" : "\(count) heads" }
        switch self {
        case .decoder(let c): return "\(c.layers) layers of \(c.width), \(heads(c.heads))"
        case .encoder(let c): return "\(c.layers) layers of \(c.width), \(heads(c.heads))"
        case .encoderDecoder(let c):
            return "\(c.encoder.layers) + \(c.decoder.layers) layers of \(c.width), \(heads(c.decoder.heads))"
        }
    }

    /// The layers whose keys and values generation keeps: of the target and, where there is one, of the source.
    fileprivate var cacheLayers: [(heads: Int, width: Int, window: Int?)] {
        switch self {
        case .decoder(let c): return c.stack.windows.map { (c.keyHeads, c.headWidth, $0) }
        case .encoder: return []
        case .encoderDecoder(let c):
            return Array(repeating: (c.decoder.heads, c.decoder.headWidth, nil), count: 2 * c.decoder.layers)
        }
    }

    /// Classes of a classifier; nil where targets are ids.
    fileprivate var classes: Int? {
        if case .encoder(let configuration) = self { configuration.labels } else { nil }
    }

    /// The shape itself, or with a classifier where it has nothing to learn with.
    fileprivate var learning: Configuration {
        guard case .encoder(var configuration) = self, configuration.head == .none else { return self }
        configuration.head = .sequenceClassifier(labels: 2)
        configuration.hasPooler = true
        return .encoder(configuration)
    }

    /// One layer of the shape, over at most so many ids.
    fileprivate func oneLayer(vocabulary limit: Int) -> Configuration {
        var shape = adapted(vocabulary: min(vocabulary, limit), padding: 0)
        switch shape {
        case .decoder(var configuration):
            configuration.layers = 1
            shape = .decoder(configuration)
        case .encoder(var configuration):
            configuration.layers = 1
            shape = .encoder(configuration)
        case .encoderDecoder(var configuration):
            configuration.encoder.layers = 1
            configuration.decoder.layers = 1
            shape = .encoderDecoder(configuration)
        }
        return shape
    }
}
