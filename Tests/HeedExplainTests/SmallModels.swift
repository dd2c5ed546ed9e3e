import HeedLayers
import HeedModels
import HeedSupport
import HeedTensor
import Testing

@testable import HeedExplain

/// Models of a few thousand numbers, large enough that every part matters, and what they are asked.
enum SmallModel: String, CaseIterable, CustomTestStringConvertible {
    case gpt2, llama, parallel, slopes, masked, classifier, tokenClassifier, headless, original, relative

    var testDescription: String { rawValue }

    private var configuration: Configuration {
        var llama = DecoderConfiguration.llama(
            width: 16, layers: 2, heads: 4, keyHeads: 2, inner: 24, vocabulary: 29, context: 12)
        var encoder = EncoderConfiguration.bert(
            width: 16, layers: 2, heads: 2, vocabulary: 29, context: 12, head: .maskedLanguage)
        var both = EncoderDecoderConfiguration.original(
            width: 16, layers: 2, heads: 2, inner: 24, vocabulary: 29, context: 12, dropout: 0.1)
        switch self {
        case .gpt2: return .decoder(.gpt2(width: 16, layers: 2, heads: 2, vocabulary: 29, context: 12))
        case .llama:
            llama.logitsCap = 8
            llama.stack.scoreCap = 4
            llama.stack.mask = .pattern([.causal, .causalWindow(3)])
            llama.embeddingScale = 1.5
            return .decoder(llama)
        case .parallel:
            llama.stack.order = .sideBySide
            llama.stack.residualScale = 0.5
            return .decoder(llama)
        case .slopes:
            llama.stack.positions = .all(.slopes)
            llama.stack.placement = .around
            return .decoder(llama)
        case .masked: break
        case .classifier:
            encoder.head = .sequenceClassifier(labels: 3)
            encoder.hasPooler = true
        case .tokenClassifier: encoder.head = .tokenClassifier(labels: 4)
        case .headless: encoder.head = .none
        case .original: return .encoderDecoder(both)
        case .relative:
            both.embeddedPositions = .none
            both.both {
                $0.placement = .before
                $0.finalNorm = true
                $0.positions = .all(.relative(RelativeBuckets(buckets: 8, maximumDistance: 6)))
            }
            return .encoderDecoder(both)
        }
        return .encoder(encoder)
    }

    /// The model with numbers of about the size that training gives.
    func model() throws -> Model {
        let model = try Model(configuration, family: .unpublished, seed: 5)
        try GradientSurvey.giveSizes(model)
        return model
    }

    var hasHead: Bool { self != .headless }

    var isEncoder: Bool { [.masked, .classifier, .tokenClassifier, .headless].contains(self) }

    var input: ExplainedInput {
        switch self {
        case .original, .relative: ExplainedInput([0, 8, 15, 4], source: [3, 9, 27, 11, 5, 6])
        case .masked: ExplainedInput([2, 7, 11, 3, 28, 6], types: [0, 0, 0, 1, 1, 1], position: 2)
        default: ExplainedInput([2, 7, 11, 3, 28, 6, 9])
        }
    }
}
