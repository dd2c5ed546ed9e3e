import HeedSupport
import HeedWeights

/// LLaMA (Touvron et al. 2023) as `transformers` stores it: rotary pairs (i, i + width/2), one tensor per projection.
struct Llama: DecoderFamily {
    let name = "llama"
    let className = "LlamaForCausalLM"
    let keys = ConfigurationKeys()
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try llamaShape(reader)
        c.projectionBias = try reader.bool("attention_bias", default: false)
        c.outputBias = c.projectionBias
        c.feedForwardBias = try reader.bool("mlp_bias", default: false)
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c)
        document["attention_bias"] = .bool(c.projectionBias)
        document["mlp_bias"] = .bool(c.feedForwardBias)
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] { llamaTensors(decoder) }
}
