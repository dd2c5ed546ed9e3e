import HeedLayers
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// Gradients held against central differences: those of one model, or of small models that together use every
/// operation.
public struct GradientSurvey: Sendable {
    /// One model's checks.
    public struct Part: Sendable {
        /// What the model is called.
        public let name: String
        /// Values by the logit of a token, learned tensors by the loss of training, dropout included.
        public let checks: [GradientCheck]
    }

    /// The models.
    public let parts: [Part]
    /// What ids, labels and directions were drawn from.
    public let seed: UInt64

    /// All checks.
    public var checks: [GradientCheck] { parts.flatMap(\.checks) }

    /// The checks of `model`.
    ///
    /// Cost: four forward passes of `tokens` tokens for each value and each learned tensor.
    /// - Throws: `HeedError` when memory is refused, or what `mayGoOn` throws.
    public init(
        _ model: Model, name: String, seed: UInt64 = 1, tokens: Int = 8, runtime: Runtime,
        mayGoOn: () throws -> Void = {}
    ) throws {
        self.seed = seed
        parts = [
            Part(
                name: name,
                checks: try GradientSurvey.checks(model, seed, tokens, runtime, mayGoOn))
        ]
    }

    /// The checks of small models that together use every operation.
    public init(ofEverything seed: UInt64 = 1, runtime: Runtime, mayGoOn: () throws -> Void = {}) throws {
        self.seed = seed
        parts = try GradientSurvey.smallModels.map { name, configuration in
            let model = try Model(configuration, family: .unpublished, seed: seed)
            try GradientSurvey.giveSizes(model)
            return Part(name: name, checks: try GradientSurvey.checks(model, seed, 8, runtime, mayGoOn))
        }
    }

    private static func checks(
        _ model: Model, _ seed: UInt64, _ tokens: Int, _ runtime: Runtime, _ mayGoOn: () throws -> Void
    ) throws -> [GradientCheck] {
        var state = seed
        func draw(_ count: Int) -> Int32 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int32(state >> 33) % Int32(max(count, 1))
        }
        let architecture = model.architecture
        let length = min(tokens, context(architecture))
        let input = ExplainedInput(
            (0..<length).map { _ in draw(architecture.vocabulary) },
            source: architecture.readsSource ? (0..<length).map { _ in draw(architecture.sourceVocabulary) } : [])
        var checks: [GradientCheck] = []
        let subject = try Subject(model, input, runtime: runtime)
        if subject.answerRows != .none {
            let explanation = try Explanation(
                model, input, target: Int(draw(subject.classes)), readings: [], runtime: runtime)
            checks = try explanation.valueChecks(explanation.target ?? 0, seed, mayGoOn)
        }
        return checks + (try lossChecks(model, subject, seed, draw, runtime, mayGoOn))
    }

    /// Gives every matrix numbers whose mean square is 1 / columns, so that every part of a new model matters.
    static func giveSizes(_ model: Model) throws {
        let numbers = try model.weights.change()
        defer { model.weights.settle() }
        for parameter in model.weights.layout.parameters where parameter.shape.count > 1 {
            let own = numbers[parameter]
            let square = own.reduce(0) { $0 + $1 * $1 } / Float(max(own.count, 1))
            guard square > 0 else { continue }
            let factor = (1 / (square * Float(parameter.shape.last ?? 1))).squareRoot()
            for index in own.indices { own[index] *= factor }
        }
    }

    private static func context(_ architecture: Architecture) -> Int {
        switch architecture {
        case .decoder(let layers): layers.configuration.context
        case .encoder(let layers): layers.configuration.context
        case .encoderDecoder(let layers): layers.configuration.context
        }
    }

    /// The learned tensors by the loss of training, with its dropout.
    private static func lossChecks(
        _ model: Model, _ subject: Subject, _ seed: UInt64, _ draw: (Int) -> Int32, _ runtime: Runtime,
        _ mayGoOn: () throws -> Void
    ) throws -> [GradientCheck] {
        guard subject.answerRows != .none else { return [] }
        let batches = try subject.streams.map { try $0.batch(outputs: []) }
        let batch = batches[batches.count - 1]
        for row in 0..<batch.rows.current { batch.targets[row] = draw(subject.classes) }
        for sequence in 0..<batch.sequences.current { batch.sequenceTargets[sequence] = draw(subject.sequenceClasses) }
        let pass = try runtime.pass(model.weights, for: .training, maximumLength: subject.length) { trace in
            model.architecture.losses(batch, source: batches[0], in: trace, smoothing: 0.1)
        }
        pass.trace.randomState.set(seed: seed, step: 1, rowBase: 0)
        for loss in pass.outputs { loss.scale.value = 1 }
        return try GradientCheck.ofParameters(pass, seed: seed, mayGoOn: mayGoOn) {
            // In training, losses are written on the way back.
            pass.forward()
            pass.backward()
            return pass.outputs.reduce(0.0) { sum, loss in
                var sum = sum
                loss.readout.add(to: &sum)
                return sum
            }
        }
    }

    /// Shapes that differ in everything a block may be.
    private static var smallModels: [(String, Configuration)] {
        let gpt2 = DecoderConfiguration.gpt2(width: 16, layers: 2, heads: 2, vocabulary: 29, context: 12)
        var capped = DecoderConfiguration.llama(
            width: 16, layers: 2, heads: 4, keyHeads: 2, inner: 24, vocabulary: 29, context: 12)
        let llama = capped
        capped.logitsCap = 8
        capped.stack.scoreCap = 4
        capped.stack.mask = .pattern([.causal, .causalWindow(3)])
        capped.stack.queryKeyNorm = .perHead
        capped.stack.residualScale = 0.5
        var experts = llama
        experts.stack.feedForward = .all(.experts(ExpertShape(count: 4, chosen: 2, inner: 12, normalises: true)))
        var slopes = llama
        slopes.stack.positions = .all(.slopes)
        slopes.stack.placement = .around
        slopes.stack.order = .sideBySide
        slopes.stack.residualDropout = 0.2
        var relative = EncoderDecoderConfiguration.original(
            width: 16, layers: 2, heads: 2, inner: 24, vocabulary: 29, context: 12, dropout: 0.1)
        let original = relative
        relative.embeddedPositions = .none
        relative.both {
            $0.placement = .before
            $0.finalNorm = true
            $0.positions = .all(.relative(RelativeBuckets(buckets: 8, maximumDistance: 6)))
        }
        func encoder(_ head: EncoderHead) -> Configuration {
            .encoder(.bert(width: 16, layers: 2, heads: 2, vocabulary: 29, context: 12, head: head))
        }
        return [
            ("gpt2", .decoder(gpt2)), ("llama", .decoder(llama)), ("caps, windows, norms of heads", .decoder(capped)),
            ("experts", .decoder(experts)), ("slopes, norms around, halves side by side", .decoder(slopes)),
            ("bert, masked language", encoder(.maskedLanguage)), ("bert, pre-training", encoder(.pretraining)),
            ("classifier", encoder(.sequenceClassifier(labels: 3))),
            ("token classifier", encoder(.tokenClassifier(labels: 4))), ("original", .encoderDecoder(original)),
            ("relative positions", .encoderDecoder(relative)),
        ]
    }
}
