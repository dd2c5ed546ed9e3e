import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// Marian (Junczys-Dowmunt et al. 2018): the 2017 transformer as published translation models have it.
struct Marian: EncoderDecoderFamily {
    let name = "marian"
    let className = "MarianMTModel"
    let keys = Marian.bartKeys
    let tableNames = Marian.bartTables

    func encoderDecoder(_ reader: ConfigurationReader) throws -> EncoderDecoderConfiguration {
        let source = try reader.vocabulary()
        let target = try reader.optionalInteger("decoder_vocab_size", in: 1...1 << 26) ?? source
        let shared = try reader.bool("share_encoder_decoder_embeddings", default: true)
        guard !shared || source == target else {
            throw reader.contradiction(
                "decoder_vocab_size", "differs from vocab_size though both sides share a table",
                expected: "\(source)", got: "\(target)")
        }
        var c = try bartShape(reader, vocabulary: target, defaultPadding: target - 1)
        c.sourceVocabulary = source
        c.sharedTable = shared
        c.embeddedPositions = .sinusoidal(SinusoidalPositions(layout: .halves))
        return c
    }

    func document(_ c: EncoderDecoderConfiguration) -> JSONObject {
        var document = bartDocument(c)
        document["decoder_vocab_size"] = .integer(c.vocabulary)
        document["share_encoder_decoder_embeddings"] = .bool(c.sharedTable)
        document["static_position_embeddings"] = true
        return document
    }

    func tensors(_ model: EncoderDecoder) -> [CheckpointTensor] { bartTensors(model) }
}
