import HeedSupport

/// Shapes known by name.
public struct Preset: Sendable {
    /// What the preset is called.
    public let name: String
    /// The family whose files it is saved as.
    public let family: Family
    /// The shape.
    public let configuration: Configuration
    /// One line for lists.
    public let summary: String

    /// Every preset, smallest first.
    public static let all: [Preset] = [
        Preset(
            name: "tiny", family: .gpt2,
            configuration: .decoder(.gpt2(width: 128, layers: 4, heads: 4, vocabulary: 512, context: 128)),
            summary: "a GPT that trains in minutes: 4 layers of 128"),
        Preset(
            name: "char", family: .gpt2,
            configuration: .decoder(.gpt2(width: 128, layers: 4, heads: 4, vocabulary: 65, context: 64)),
            summary: "nanoGPT's model for a CPU: 0.8 M parameters over characters"),
        Preset(
            name: "char-large", family: .gpt2, configuration: .decoder(charLarge),
            summary: "nanoGPT's model for a GPU: 10.7 M parameters over characters, dropout 0.2"),
        Preset(
            name: "llama-tiny", family: .llama,
            configuration: .decoder(
                .llama(width: 128, layers: 4, heads: 8, keyHeads: 4, inner: 344, vocabulary: 512, context: 256)),
            summary: "the same with LLaMA's choices, grouped heads included"),
        Preset(
            name: "gpt2", family: .gpt2, configuration: .decoder(.gpt2(width: 768, layers: 12, heads: 12)),
            summary: "GPT-2 as published, 124,439,808 parameters"),
        Preset(
            name: "gpt2-medium", family: .gpt2, configuration: .decoder(.gpt2(width: 1024, layers: 24, heads: 16)),
            summary: "GPT-2 medium, 354,823,168 parameters"),
        Preset(
            name: "gpt2-large", family: .gpt2, configuration: .decoder(.gpt2(width: 1280, layers: 36, heads: 20)),
            summary: "GPT-2 large, 774,030,080 parameters"),
        Preset(
            name: "gpt2-xl", family: .gpt2, configuration: .decoder(.gpt2(width: 1600, layers: 48, heads: 25)),
            summary: "GPT-2 XL, 1,557,611,200 parameters"),
        Preset(
            name: "bert-tiny", family: .bert,
            configuration: .encoder(
                .bert(width: 128, layers: 2, heads: 2, vocabulary: 4_096, context: 128, head: .maskedLanguage)),
            summary: "an encoder that learns to guess masked words in minutes: 2 layers of 128"),
        Preset(
            name: "bert-base", family: .bert,
            configuration: .encoder(.bert(width: 768, layers: 12, heads: 12)),
            summary: "BERT as published, with both heads of its pre-training"),
        Preset(
            name: "translation-small", family: .marian,
            configuration: .encoderDecoder(
                .original(width: 256, layers: 3, heads: 8, inner: 512, vocabulary: 8_000, context: 256, dropout: 0.3)),
            summary: "an encoder-decoder for small parallel texts: 3+3 layers of 256"),
        Preset(
            name: "transformer-base", family: .marian,
            configuration: .encoderDecoder(
                .original(width: 512, layers: 6, heads: 8, inner: 2048, vocabulary: 37_000)),
            summary: "the original encoder-decoder (2017), 63,082,496 parameters"),
        Preset(
            name: "transformer-big", family: .marian,
            configuration: .encoderDecoder(
                .original(width: 1024, layers: 6, heads: 16, inner: 4096, vocabulary: 37_000, dropout: 0.3)),
            summary: "the original's larger shape, 214,245,376 parameters"),
    ]

    private static let charLarge: DecoderConfiguration = {
        var configuration = DecoderConfiguration.gpt2(
            width: 384, layers: 6, heads: 6, vocabulary: 65, context: 256)
        configuration.embeddingDropout = 0.2
        configuration.weightDropout = 0.2
        configuration.residualDropout = 0.2
        return configuration
    }()

    /// The shape of a decoder.
    ///
    /// - Throws: `HeedError` (`unsupported`) when the preset is of another kind.
    public var decoderConfiguration: DecoderConfiguration {
        get throws { try configuration.decoderConfiguration }
    }

    /// The preset called `name`.
    ///
    /// - Throws: `HeedError` (`usage`) with the nearest name.
    public static func named(_ name: String) throws -> Preset {
        if let preset = all.first(where: { $0.name == name }) { return preset }
        throw HeedError(
            .usage, "`preset` \(quoted(name)) is not known", expected: all.map(\.name).joined(separator: ", "),
            advice: nearest(name, among: all.map(\.name)).map { "The nearest is \($0)" })
    }
}
