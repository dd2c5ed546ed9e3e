import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

// What LLaMA and the decoders that follow it write alike: the sizes, root-mean-square norms, rotary positions, gated
// feed-forward layers, and names of tensors.

extension DecoderFamily {
    var llamaNames: (head: [String], table: [String]) {
        (["lm_head.weight"], ["model.embed_tokens.weight", "embed_tokens.weight"])
    }

    /// A shape with LLaMA's choices from the keys that most of its followers have.
    func llamaShape(
        _ reader: ConfigurationReader, activation: Activation = .silu, activationKey: String = "hidden_act",
        epsilon: Double = 1e-6, tied: Bool = false, _ rotary: RotaryDefaults? = RotaryDefaults()
    ) throws -> DecoderConfiguration {
        var stack = try reader.stackShape()
        let context = try reader.integer("max_position_embeddings", in: 1...1 << 24)
        stack.activation = try reader.activation(activationKey, default: activation)
        stack.gated = true
        stack.norm = .rootMeanSquare
        stack.epsilon = try reader.epsilon("rms_norm_eps", default: epsilon)
        if let rotary {
            stack.positions = .all(.rotary(try reader.rotary(width: stack.headWidth, context: context, rotary)))
        }
        stack.hasBias = false
        stack.weightDropout = try reader.rate("attention_dropout", default: 0)
        stack.initial = .normalByDepth(try reader.deviation("initializer_range"))
        return DecoderConfiguration(
            vocabulary: try reader.vocabulary(), context: context, stack: stack,
            tied: try reader.bool("tie_word_embeddings", default: tied))
    }

    /// The keys of `llamaShape`.
    func llamaDocument(_ c: DecoderConfiguration, activationKey: String = "hidden_act") -> JSONObject {
        var document: JSONObject = [
            "attention_dropout": .number(decimal(c.weightDropout)), "head_dim": .integer(c.headWidth),
            activationKey: .string(c.activation.publishedName), "hidden_size": .integer(c.width),
            "initializer_range": .number(decimal(c.initial.deviation ?? 0.02)),
            "intermediate_size": .integer(c.inner), "max_position_embeddings": .integer(c.context),
            "num_attention_heads": .integer(c.heads), "num_hidden_layers": .integer(c.layers),
            "num_key_value_heads": .integer(c.keyHeads), "rms_norm_eps": .number(decimal(c.epsilon)),
            "tie_word_embeddings": .bool(c.tied), "vocab_size": .integer(c.vocabulary),
        ]
        if let rotary = c.stack.rotary.first { rotary.write(to: &document) }
        return document
    }

    /// All tensors under LLaMA's names; norms, offsets and experts where the blocks have them.
    ///
    /// - Parameter shift: what files keep gains less by.
    func llamaTensors(
        _ decoder: TransformerDecoder, shift: Float = 0,
        experts: (String, Experts, inout CheckpointList) -> Void = { _, _, _ in }
    ) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: "model.", writesPrefix: true)
        list.addBody("embed_tokens.weight", decoder.embedding.table, aliases: decoder.tiedHead(tiedNames.head))
        for (layer, block) in decoder.stack.blocks.enumerated() {
            let name = "layers.\(layer)."
            list.addBody(
                block.attention, query: name + "self_attn.q_proj", key: name + "self_attn.k_proj",
                value: name + "self_attn.v_proj", output: name + "self_attn.o_proj")
            list.addBody(name + "self_attn.q_norm", block.attention.queryKeyNorm?.query, shift: shift)
            list.addBody(name + "self_attn.k_norm", block.attention.queryKeyNorm?.key, shift: shift)
            switch block.feedForward {
            case .dense(let layer):
                list.addBody(
                    layer, gate: name + "mlp.gate_proj", up: name + "mlp.up_proj", down: name + "mlp.down_proj")
            case .experts(let layer): experts(name, layer, &list)
            }
            addNorms(of: block, name, shift, to: &list)
        }
        list.addBody("norm", decoder.stack.finalNorm, shift: shift)
        list.addHead("lm_head.weight", decoder)
        return list.tensors
    }

    private func addNorms(of block: Block, _ name: String, _ shift: Float, to list: inout CheckpointList) {
        func add(_ part: String, _ norm: Norm?) { list.addBody(name + part, norm, shift: shift) }
        switch block.attentionNorm.placement {
        case .before, .after:
            add("input_layernorm", block.attentionNorm.norm)
            add("post_attention_layernorm", block.feedForwardNorm.norm)
        case .answer:
            add("post_attention_layernorm", block.attentionNorm.norm)
            add("post_feedforward_layernorm", block.feedForwardNorm.norm)
        case .around:
            add("input_layernorm", block.attentionNorm.norm)
            add("post_attention_layernorm", block.attentionNorm.answerNorm)
            add("pre_feedforward_layernorm", block.feedForwardNorm.norm)
            add("post_feedforward_layernorm", block.feedForwardNorm.answerNorm)
        }
    }
}

extension StackShape {
    /// The first window of its layers.
    var window: Int? {
        for case .causalWindow(let keys) in mask.distinct { return keys }
        return nil
    }

    /// By layer: how many keys up to its own a token sees; nil where it sees all.
    public var windows: [Int?] {
        (0..<layers).map { if case .causalWindow(let keys)? = mask[$0] { keys } else { nil } }
    }

    /// `layer_types`: which layers see a window.
    var layerTypes: JSON {
        .array(
            (0..<layers).map { layer in
                switch mask[layer] ?? .causal {
                case .full, .causal: "full_attention"
                case .causalWindow, .window: "sliding_attention"
                }
            })
    }
}

extension PerLayer {
    /// Choices of the layers one by one, said once where they are alike.
    static func each(_ choices: [Choice]) -> PerLayer {
        guard let first = choices.first, choices.contains(where: { $0 != first }) else {
            return choices.first.map { .all($0) } ?? .pattern([])
        }
        return .pattern(choices)
    }
}

extension ConfigurationReader {
    /// Which of `layers` layers see a window: `layer_types`, or where there are none, those that `isWindowed` says.
    func windowed(layers: Int, default isWindowed: (Int) -> Bool) throws -> [Bool] {
        let types = try strings("layer_types")
        guard !types.isEmpty else { return (0..<layers).map(isWindowed) }
        guard types.count == layers else {
            throw contradiction(
                "layer_types", "does not fit num_hidden_layers", expected: "\(layers) of them", got: "\(types.count)")
        }
        return try types.map { type in
            switch type {
            case "full_attention": return false
            case "sliding_attention": return true
            default:
                throw HeedError(
                    .unsupported, "a kind of layer in layer_types is not implemented", in: file,
                    expected: "full_attention or sliding_attention", got: quoted(type))
            }
        }
    }

    /// What the tokens of each layer of a decoder see, with a window of `window` keys where there is one.
    func masks(layers: Int, window: Int?, default isWindowed: (Int) -> Bool) throws -> PerLayer<AttentionMask> {
        .each(
            try windowed(layers: layers, default: isWindowed).map { windowed in
                guard windowed else { return .causal }
                guard let window else {
                    throw contradiction("sliding_window", "is missing, but layers of layer_types want it")
                }
                return .causalWindow(window)
            })
    }
}
