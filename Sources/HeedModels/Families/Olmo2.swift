import HeedLayers
import HeedSupport
import HeedWeights

/// OLMo 2 (OLMo Team 2025): LLaMA whose halves' answers are normalised, and queries and keys over all heads.
struct Olmo2: DecoderFamily {
    let name = "olmo2"
    let className = "Olmo2ForCausalLM"
    let keys = ConfigurationKeys()
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try llamaShape(reader, epsilon: 1e-5)
        c.projectionBias = try reader.bool("attention_bias", default: false)
        c.outputBias = c.projectionBias
        c.placement = .answer
        c.queryKeyNorm = .whole
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c)
        document["attention_bias"] = .bool(c.projectionBias)
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] { llamaTensors(decoder) }
}
