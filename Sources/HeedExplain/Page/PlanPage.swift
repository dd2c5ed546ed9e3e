import HeedLayers
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

extension Page {
    /// What a model costs: the document of `heed plan`, and how work grows with the text.
    public init(plan document: JSONObject, curves: WorkCurves?, title: String, subtitle: String) {
        var data = document
        data["curves"] = curves?.json
        self.init(title: title, subtitle: subtitle, data: .object(data), script: PackageResources.plan_js)
    }
}

/// How the work of a stack grows with the text, counted and measured.
public struct WorkCurves: Sendable {
    /// The longest text.
    public let context: Int
    /// Operations of one token's way through all blocks without attention's scores and sums, and those for each key.
    public let perToken, perKey: Double
    /// Seconds for a text of so many tokens.
    public let measured: [(tokens: Int, seconds: Double)]

    /// Counts, and measures one block at a few lengths (the best of three passes each), within about two seconds.
    ///
    /// Nil for an encoder-decoder, whose two texts grow apart.
    /// - Throws: `HeedError` when memory is refused.
    public init?(_ configuration: Configuration, runtime: Runtime) throws {
        var shape: StackShape
        switch configuration {
        case .decoder(let decoder): (shape, context) = (decoder.stack, decoder.context)
        case .encoder(let encoder): (shape, context) = (encoder.stack, encoder.context)
        case .encoderDecoder: return nil
        }
        perToken = shape.operationsPerToken(keys: 0)
        perKey = shape.operationsPerToken(keys: 1) - perToken
        let layers = shape.layers
        shape.layers = 1
        let one = shape
        let vocabulary = 64
        let ((stack, table), layout) = ParameterLayout.declare { scope in
            (Stack(scope, one), scope.parameter("table", [vocabulary, one.width], .normal(1)))
        }
        let weights = try Weights(layout)
        try weights.all().initialise(seed: 1)
        var measured: [(tokens: Int, seconds: Double)] = []
        let clock = ContinuousClock()
        let began = clock.now
        for tokens in [32, 64, 128, 256, 512, 1_024, 2_048, 4_096] where tokens <= context {
            guard clock.now - began < .seconds(2) else { break }
            let batch = TokenBatch(rowCapacity: tokens, sequenceCapacity: 1)
            try batch.append((0..<tokens).map { Int32($0 % vocabulary) })
            let pass = try runtime.pass(weights, for: .inference, maximumLength: tokens) { trace in
                stack(trace.embed(batch, table: table), PassContext(batch)).kept()
            }
            pass.forward()
            let best = (0..<3).map { _ in clock.measure { pass.forward() } }.min() ?? .zero
            let (seconds, parts) = best.components
            measured.append((tokens, Double(layers) * (Double(seconds) + Double(parts) * 1e-18)))
        }
        self.measured = measured
    }

    var json: JSON {
        [
            "context": .integer(context), "operations_per_token": .number(perToken),
            "operations_per_key": .number(perKey),
            "measured": .array(measured.map { [.integer($0.tokens), .number($0.seconds)] }),
        ]
    }
}
