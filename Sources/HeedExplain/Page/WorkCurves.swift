import HeedLayers
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// How the work of a stack grows with the text, counted and measured.
public struct WorkCurves: Sendable {
    /// The longest text.
    public let context: Int
    /// Operations of one token's way through all blocks without attention's scores and sums, and those for each key.
    public let perToken, perKey: Double
    /// Bytes of the weights of all blocks, which a token with a cache reads once.
    public let weightBytes: Int
    /// Bytes of keys and values of one token in all layers, as 32-bit floats; 0 where no cache is kept.
    public let cacheBytesPerToken: Int
    /// What was measured for texts of several lengths.
    public let measured: [Measurement]

    /// What texts of one length took.
    public struct Measurement: Sendable {
        /// n.
        public let tokens: Int
        /// Seconds for all n tokens at once: a prompt, or the next token without a cache.
        public let seconds: Double
        /// Seconds for the token behind n others with their keys and values in a cache, and the bytes of its pages; nil
        /// where no cache is kept.
        public let cached: (seconds: Double, bytes: Int)?
    }

    /// Counts, and measures some blocks at a few lengths (the best of three passes each), within a few seconds.
    ///
    /// As many blocks are measured as have 32 million numbers, or all, or one, so that a single token reads weights from
    /// where the whole model would; times are scaled to all blocks. Nil for an encoder-decoder, whose two texts grow apart.
    /// - Throws: `HeedError` when memory is refused.
    public init?(_ configuration: Configuration, runtime: Runtime) throws {
        let shape: StackShape
        let cache: (heads: Int, width: Int)?
        switch configuration {
        case .decoder(let decoder):
            (shape, context) = (decoder.stack, decoder.context)
            cache = (decoder.keyHeads, decoder.headWidth)
        case .encoder(let encoder): (shape, context, cache) = (encoder.stack, encoder.context, nil)
        case .encoderDecoder: return nil
        }
        perToken = shape.operationsPerToken(keys: 0)
        perKey = shape.operationsPerToken(keys: 1) - perToken
        let numbers = Int(perToken / 2)
        weightBytes = 4 * numbers
        cacheBytesPerToken =
            cache.map { shape.layers * CacheForm.float32.bytesPerToken(heads: $0.heads, width: $0.width) } ?? 0
        let probe = try StackProbe(
            shape, layers: min(shape.layers, max(1, 32 << 20 / max(numbers / shape.layers, 1))), cache, runtime)
        var measured: [Measurement] = []
        let began = ContinuousClock.now
        for tokens in [32, 64, 128, 256, 512, 1_024, 2_048, 4_096] where tokens <= context {
            guard ContinuousClock.now - began < .seconds(6) else { break }
            measured.append(try probe.measure(tokens, isLast: tokens == context))
        }
        self.measured = measured
    }

    var json: JSON {
        [
            "context": .integer(context), "operations_per_token": .number(perToken),
            "operations_per_key": .number(perKey), "weight_bytes": .integer(weightBytes),
            "cache_bytes_per_token": .integer(cacheBytesPerToken),
            "measured": .array(measured.map { [.integer($0.tokens), .number($0.seconds)] }),
            "measured_cached": .array(
                measured.compactMap { point in
                    point.cached.map { [.integer(point.tokens), .number($0.seconds), .integer($0.bytes)] }
                }),
        ]
    }
}

/// Some blocks of a stack with random weights, timed.
private struct StackProbe {
    private let stack: Stack
    private let table: Parameter
    private let weights: Weights
    private let cache: (heads: Int, width: Int)?
    private let runtime: Runtime
    private let layers: Int
    private let scale: Int
    private let vocabulary = 64

    init(_ shape: StackShape, layers: Int, _ cache: (heads: Int, width: Int)?, _ runtime: Runtime) throws {
        var some = shape
        some.layers = layers
        let ((stack, table), layout) = ParameterLayout.declare { [vocabulary] scope in
            (Stack(scope, some), scope.parameter("table", [vocabulary, some.width], .normal(1)))
        }
        (self.stack, self.table, self.cache, self.runtime) = (stack, table, cache, runtime)
        self.layers = layers
        scale = shape.layers
        weights = try Weights(layout)
        try weights.all().initialise(seed: 1)
    }

    /// - Parameter isLast: whether the model has no place behind them; then the last of them is the next token.
    func measure(_ tokens: Int, isLast: Bool) throws -> WorkCurves.Measurement {
        let ids = (0..<tokens).map { Int32($0 % vocabulary) }
        let batch = TokenBatch(rowCapacity: tokens, sequenceCapacity: 1)
        try batch.append(ids)
        let seconds = try best(batch, longest: tokens, cache: nil)
        guard let cache else { return WorkCurves.Measurement(tokens: tokens, seconds: seconds, cached: nil) }
        let past = isLast ? tokens - 1 : tokens
        let store = try KeyValueCache(
            layers: layers, slots: 1, tokens: past + 1, heads: cache.heads, width: cache.width)
        // Keys and values are what a prompt leaves: memory that nothing was written to reads faster.
        batch.clear()
        try batch.append(ids.prefix(past))
        _ = try best(batch, longest: past + 1, cache: store, passes: 1)
        let next = TokenBatch(rowCapacity: 1, sequenceCapacity: 1)
        try next.append(ids.prefix(1), past: past)
        let cached = try best(next, longest: past + 1, cache: store, passes: 9)
        return WorkCurves.Measurement(
            tokens: tokens, seconds: seconds,
            cached: (cached, store.pageBytes * KeyValueCache.pages(of: past + 1) / layers * scale))
    }

    /// The best time of a pass, for all blocks.
    private func best(_ batch: TokenBatch, longest: Int, cache: KeyValueCache?, passes: Int = 3) throws -> Double {
        let pass = try runtime.pass(weights, for: .inference, maximumLength: longest, store: cache) { trace in
            stack(trace.embed(batch, table: table), PassContext(batch)).kept()
        }
        pass.forward()
        var best = Double.infinity
        let began = ContinuousClock.now
        for number in 0..<passes where number == 0 || ContinuousClock.now - began < .seconds(1) {
            let clock = ContinuousClock()
            best = min(best, clock.measure { pass.forward() }.inSeconds)
        }
        return best / Double(layers) * Double(scale)
    }
}
