import HeedLayers
import HeedSupport
import HeedWeights

/// Mistral (Jiang et al. 2023): LLaMA whose tokens may see a window only.
struct Mistral: DecoderFamily {
    let name = "mistral"
    let className = "MistralForCausalLM"
    let keys = ConfigurationKeys()
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try llamaShape(reader)
        // Without the key, files of the first version mean 4096.
        let window =
            reader.value("sliding_window") == nil
            ? 4096 : try reader.optionalInteger("sliding_window", in: 1...1 << 24)
        c.mask = .all(window.map { .causalWindow($0) } ?? .causal)
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c)
        document["sliding_window"] = c.stack.window.map { .integer($0) } ?? .null
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] { llamaTensors(decoder) }
}
