import HeedLayers
import HeedSupport
import HeedWeights

/// SmolLM 3 (2025): LLaMA of which every fourth layer knows no positions.
struct SmolLM3: DecoderFamily {
    let name = "smollm3"
    let className = "SmolLM3ForCausalLM"
    let keys = ConfigurationKeys(harmless: ["max_window_layers": "of the program that made the file"])
    var tiedNames: (head: [String], table: [String]) { llamaNames }

    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration {
        var c = try llamaShape(reader, tied: true, RotaryDefaults(theta: 2e6))
        c.projectionBias = try reader.bool("attention_bias", default: false)
        c.outputBias = c.projectionBias
        c.feedForwardBias = try reader.bool("mlp_bias", default: false)
        let interval = try reader.integer("no_rope_layer_interval", in: 1...1 << 16, default: 4)
        let given = try reader.optionalIntegers("no_rope_layers", in: 0...1)
        let turns = given ?? (0..<c.layers).map { ($0 + 1) % interval != 0 ? 1 : 0 }
        guard turns.count == c.layers else {
            throw reader.contradiction(
                "no_rope_layers", "does not fit num_hidden_layers", expected: "\(c.layers) of them",
                got: "\(turns.count)")
        }
        let rotary = c.positions[0] ?? .absent
        c.positions = .each(turns.map { $0 == 0 ? .absent : rotary })
        let isOn = try reader.bool("use_sliding_window", default: false)
        let window = try reader.optionalInteger("sliding_window", in: 1...1 << 24)
        c.mask = try reader.masks(layers: c.layers, window: isOn ? window : nil) {
            isOn && window != nil && turns[$0] == 0
        }
        return c
    }

    func document(_ c: DecoderConfiguration) -> JSONObject {
        var document = llamaDocument(c)
        document["attention_bias"] = .bool(c.projectionBias)
        document["mlp_bias"] = .bool(c.feedForwardBias)
        document["no_rope_layers"] = .array((0..<c.layers).map { c.positions[$0] == .absent ? 0 : 1 })
        document["use_sliding_window"] = .bool(c.stack.window != nil)
        document["sliding_window"] = c.stack.window.map { .integer($0) } ?? .null
        document["layer_types"] = c.stack.layerTypes
        return document
    }

    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor] { llamaTensors(decoder) }
}
