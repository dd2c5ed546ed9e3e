import HeedLayers
import HeedSupport
import HeedWeights

/// Granite (IBM 2024): LLaMA with factors on embeddings, scores, answers and logits.
struct Granite: DecoderFamily {
    let name = "granite"
    let className = "GraniteForCausalLM"
    let keys = ConfigurationKeys()
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try llamaShape(reader)
        c.projectionBias = try reader.bool("attention_bias", default: false)
        c.outputBias = c.projectionBias
        c.feedForwardBias = try reader.bool("mlp_bias", default: false)
        func factor(_ key: String) throws -> Float { Float(try reader.double(key, in: 1e-9...1e9, default: 1)) }
        c.embeddingScale = try factor("embedding_multiplier")
        c.scale = .value(try factor("attention_multiplier"))
        c.residualScale = try factor("residual_multiplier")
        c.logitsScale = 1 / (try factor("logits_scaling"))
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c)
        document["attention_bias"] = .bool(c.projectionBias)
        document["mlp_bias"] = .bool(c.feedForwardBias)
        document["embedding_multiplier"] = .number(decimal(c.embeddingScale))
        if case .value(let scale) = c.scale { document["attention_multiplier"] = .number(decimal(scale)) }
        document["residual_multiplier"] = .number(decimal(c.residualScale))
        document["logits_scaling"] = .number(decimal(1 / c.logitsScale))
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] { llamaTensors(decoder) }
}
