import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// BART (Lewis et al. 2020): learned positions from row 2, embeddings normalised.
struct Bart: EncoderDecoderFamily {
    let name = "bart"
    let className = "BartForConditionalGeneration"
    let keys = Bart.bartKeys
    let tableNames = Bart.bartTables

    func encoderDecoder(_ reader: ConfigurationReader) throws -> EncoderDecoderConfiguration {
        var c = try bartShape(reader, vocabulary: reader.vocabulary(), defaultPadding: 1, defaultStart: 2)
        c.embeddedPositions = .learned(first: 2)
        c.embeddingNorm = true
        return c
    }

    func document(_ c: EncoderDecoderConfiguration) -> JSONObject { bartDocument(c) }

    func tensors(_ model: EncoderDecoder) -> [CheckpointTensor] { bartTensors(model) }
}
