import Heed
import HeedTensor

/// The shape that a benchmark runs: a preset, with another vocabulary where asked for.
struct BenchShape {
    let preset: String
    var vocabulary: Int?

    /// The preset.
    var known: Preset { get throws { try Preset.named(preset) } }

    /// A model of the shape with random weights.
    func model(weights: WeightForm = .stored) throws -> Model {
        let preset = try known
        return try Model(adapted(preset.configuration), family: preset.family, weights: weights, seed: 1)
    }

    /// The shape with the vocabulary that was asked for.
    func adapted(_ configuration: Configuration) -> Configuration {
        vocabulary.map { configuration.adapted(vocabulary: $0, padding: $0 - 1) } ?? configuration
    }
}

extension Configuration {
    /// The shape with positions for `context` tokens at least.
    func holding(_ context: Int) -> Configuration {
        switch self {
        case .decoder(var configuration):
            configuration.context = max(configuration.context, context)
            return .decoder(configuration)
        case .encoder(var configuration):
            configuration.context = max(configuration.context, context)
            return .encoder(configuration)
        case .encoderDecoder(var configuration):
            configuration.context = max(configuration.context, context)
            return .encoderDecoder(configuration)
        }
    }

    /// Operations of one token's forward pass in sequences of `context` tokens; of an encoder-decoder, of a target token
    /// and a source token.
    func operationsPerToken(context: Int) -> Double {
        switch self {
        case .decoder(let configuration): return configuration.operationsPerToken(keys: Double(context + 1) / 2)
        case .encoder(let configuration): return configuration.operationsPerToken(keys: Double(context))
        case .encoderDecoder(let configuration):
            let (source, target) = configuration.operations(keys: Double(context))
            return source + target
        }
    }
}
