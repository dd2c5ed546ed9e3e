import HeedLayers
import HeedSupport
import HeedWeights

/// mBART (Liu et al. 2020): BART with norms before the halves and behind the stacks; a target begins with its own last id,
/// which names its language.
struct MBart: EncoderDecoderFamily {
    let name = "mbart"
    let className = "MBartForConditionalGeneration"
    let keys = MBart.bartKeys
    let tableNames = MBart.bartTables

    func encoderDecoder(_ reader: ConfigurationReader) throws -> EncoderDecoderConfiguration {
        var c = try bartShape(reader, vocabulary: reader.vocabulary(), defaultPadding: 1, defaultStart: 2)
        c.both {
            $0.placement = .before
            $0.finalNorm = true
        }
        c.embeddedPositions = .learned(first: 2)
        c.embeddingNorm = true
        c.startsWithLast = true
        return c
    }

    func document(_ c: EncoderDecoderConfiguration) -> JSONObject { bartDocument(c) }
    func tensors(_ model: EncoderDecoder) -> [CheckpointTensor] { bartTensors(model) }
}
