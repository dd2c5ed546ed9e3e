import HeedSupport
import HeedTensor

/// The shape of a model: what `config.json` says.
public enum Configuration: Sendable, Equatable {
    /// Of a model that continues a text.
    case decoder(DecoderConfiguration)
    /// Of a model that reads a text as a whole.
    case encoder(EncoderConfiguration)
    /// Of a model that reads one text and writes another.
    case encoderDecoder(EncoderDecoderConfiguration)

    /// The number of ids that the model reads and writes.
    public var vocabulary: Int {
        switch self {
        case .decoder(let configuration): configuration.vocabulary
        case .encoder(let configuration): configuration.vocabulary
        case .encoderDecoder(let configuration): configuration.vocabulary
        }
    }

    /// The shape of a decoder.
    ///
    /// - Throws: `HeedError` (`unsupported`) for the other kinds.
    public var decoderConfiguration: DecoderConfiguration {
        get throws {
            guard case .decoder(let configuration) = self else {
                throw HeedError(
                    .unsupported, "a model that continues its own text is needed here",
                    expected: "a decoder, such as gpt2 or llama",
                    got: ParameterLayout.declare { declare(in: $0) }.model.kind)
            }
            return configuration
        }
    }

    /// Declares every parameter of the architecture in `scope`.
    public func declare(in scope: ParameterScope) -> Architecture {
        switch self {
        case .decoder(let configuration): .decoder(TransformerDecoder(scope, configuration))
        case .encoder(let configuration): .encoder(TransformerEncoder(scope, configuration))
        case .encoderDecoder(let configuration): .encoderDecoder(EncoderDecoder(scope, configuration))
        }
    }
}

/// The layers of a model: which of the three kinds of transformer it is.
public enum Architecture: Sendable {
    /// Ids → logits of the next id.
    case decoder(TransformerDecoder)
    /// Ids → states that see both sides.
    case encoder(TransformerEncoder)
    /// Source ids and target ids → logits of the next target id.
    case encoderDecoder(EncoderDecoder)

    /// What it is made from.
    public var configuration: Configuration {
        switch self {
        case .decoder(let decoder): .decoder(decoder.configuration)
        case .encoder(let encoder): .encoder(encoder.configuration)
        case .encoderDecoder(let model): .encoderDecoder(model.configuration)
        }
    }

    /// The number of ids that its logits are over.
    public var vocabulary: Int { configuration.vocabulary }

    /// The number of ids that it reads first: the source's, where it reads one.
    public var sourceVocabulary: Int {
        if case .encoderDecoder(let model) = self { return model.configuration.sourceVocabulary }
        return vocabulary
    }

    /// PEFT's word for what it does, or nil.
    var task: String? {
        switch self {
        case .decoder: "CAUSAL_LM"
        case .encoderDecoder: "SEQ_2_SEQ_LM"
        case .encoder(let encoder):
            switch encoder.configuration.head {
            case .sequenceClassifier: "SEQ_CLS"
            case .tokenClassifier: "TOKEN_CLS"
            default: nil
            }
        }
    }

    /// The kind in words, for messages.
    var kind: String {
        switch self {
        case .decoder: "a decoder"
        case .encoder: "an encoder"
        case .encoderDecoder: "an encoder-decoder"
        }
    }
}

extension Model {
    /// The layers of a decoder-only model.
    ///
    /// - Throws: `HeedError` (`unsupported`) for the other kinds.
    public var decoder: TransformerDecoder {
        get throws {
            guard case .decoder(let decoder) = architecture else {
                throw HeedError(
                    .unsupported, "a model that continues its own text is needed here",
                    expected: "a decoder, such as gpt2 or llama", got: "\(architecture.kind): \(family.name)")
            }
            return decoder
        }
    }

    /// The layers of an encoder-decoder.
    ///
    /// - Throws: `HeedError` (`unsupported`) for the other kinds.
    public var encoderDecoder: EncoderDecoder {
        get throws {
            guard case .encoderDecoder(let layers) = architecture else {
                throw HeedError(
                    .unsupported, "a model that turns one text into another is needed here",
                    expected: "an encoder-decoder, such as marian, bart or t5",
                    got: "\(architecture.kind): \(family.name)")
            }
            return layers
        }
    }

    /// The layers of an encoder.
    ///
    /// - Throws: `HeedError` (`unsupported`) for the other kinds.
    public var encoder: TransformerEncoder {
        get throws {
            guard case .encoder(let layers) = architecture else {
                throw HeedError(
                    .unsupported, "a model that reads a text from both sides is needed here",
                    expected: "an encoder, such as bert or roberta", got: "\(architecture.kind): \(family.name)")
            }
            return layers
        }
    }
}
