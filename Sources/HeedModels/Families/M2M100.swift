import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// M2M-100 (Fan et al. 2020) and NLLB (2022): norms before the halves and behind the stacks, sinusoids from the padding
/// id + 1.
struct M2M100: EncoderDecoderFamily {
    let name = "m2m_100"
    let className = "M2M100ForConditionalGeneration"
    let keys = M2M100.bartKeys
    let tableNames = M2M100.bartTables

    func encoderDecoder(_ reader: ConfigurationReader) throws -> EncoderDecoderConfiguration {
        let scales = try reader.bool("scale_embedding", default: true)
        let activation = try reader.activation("activation_function", default: .relu)
        var c = try bartShape(reader, vocabulary: reader.vocabulary(), defaultPadding: 1, defaultStart: 2)
        c.both {
            $0.placement = .before
            $0.finalNorm = true
            $0.activation = activation
        }
        c.scalesEmbedding = scales
        c.logitsBias = .none
        c.skipsPadding = true
        c.embeddedPositions = .sinusoidal(
            SinusoidalPositions(layout: .halves, steps: .halfLessOne, first: c.padding + 1))
        return c
    }

    func document(_ c: EncoderDecoderConfiguration) -> JSONObject { bartDocument(c) }
    func tensors(_ model: EncoderDecoder) -> [CheckpointTensor] { bartTensors(model) }
}
