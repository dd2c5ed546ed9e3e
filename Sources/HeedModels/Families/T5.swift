import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// T5 (Raffel et al. 2020): relative offsets in place of positions, root-mean-square norms, unscaled scores, no offsets;
/// version 1.1 (and Flan) gates the feed-forward layer and unties the output matrix. mT5 (Xue et al. 2021) is that under a
/// name of its own.
struct T5: EncoderDecoderFamily {
    let name: String
    let className: String
    /// Whether states are scaled before an output matrix that is the table.
    private let scalesTied: Bool

    static let original = T5(name: "t5", className: "T5ForConditionalGeneration", scalesTied: true)
    static let ofManyLanguages = T5(name: "mt5", className: "MT5ForConditionalGeneration", scalesTied: false)

    private init(name: String, className: String, scalesTied: Bool) {
        self.name = name
        self.className = className
        self.scalesTied = scalesTied
    }

    let keys = ConfigurationKeys(
        harmless: [
            "dense_act_fn": "feed_forward_proj once more", "is_gated_act": "feed_forward_proj once more",
            "num_hidden_layers": "num_layers once more",
        ],
        plain: ["is_encoder_decoder": [true]])
    let tableNames = (
        shared: ["shared.weight"], source: ["encoder.embed_tokens.weight"], target: ["decoder.embed_tokens.weight"],
        head: ["lm_head.weight"]
    )
    private static let context = 1 << 20  // offsets by distance know no longest sequence

    func encoderDecoder(_ reader: ConfigurationReader) throws -> EncoderDecoderConfiguration {
        let vocabulary = try reader.vocabulary()
        let (activation, gated) = try T5.feedForward(reader, default: scalesTied ? "relu" : "gated-gelu")
        let dropout = try reader.rate("dropout_rate", default: 0.1)
        let layers = try reader.layers("num_layers")
        var stack = StackShape(
            layers: layers, width: try reader.integer("d_model", in: 1...1 << 20),
            heads: try reader.integer("num_heads", in: 1...1 << 14),
            headWidth: try reader.integer("d_kv", in: 1...1 << 14), inner: try reader.inner("d_ff"))
        stack.activation = activation
        stack.gated = gated
        stack.norm = .rootMeanSquare
        stack.epsilon = try reader.epsilon("layer_norm_epsilon", default: 1e-6)
        stack.dropsFinalNorm = true
        stack.positions = .all(
            .relative(
                RelativeBuckets(
                    buckets: try reader.integer("relative_attention_num_buckets", in: 2...1 << 12, default: 32),
                    maximumDistance: try reader.integer(
                        "relative_attention_max_distance", in: 2...1 << 20, default: 128))))
        stack.scale = .value(1)
        stack.hasBias = false
        stack.drop(dropout)
        stack.innerDropout = dropout
        var decoder = stack
        decoder.layers = try reader.optionalInteger("num_decoder_layers", in: 1...4096) ?? layers
        let padding = try reader.optionalInteger("pad_token_id", in: 0...vocabulary - 1) ?? 0
        var c = EncoderDecoderConfiguration(
            vocabulary: vocabulary,
            context: try reader.integer("n_positions", in: 1...1 << 24, default: T5.context), encoder: stack,
            decoder: decoder,
            start: try reader.optionalInteger("decoder_start_token_id", in: 0...vocabulary - 1) ?? padding,
            padding: padding)
        c.tied = try reader.bool("tie_word_embeddings", default: true)
        let scales = try scalesTied && reader.bool("scale_decoder_outputs", default: c.tied)
        c.headScale = scales ? 1 / Float(stack.width).squareRoot() : 1
        c.trainsPadding = true
        c.embeddingDropout = dropout
        return c
    }

    /// `feed_forward_proj`: a function, or `gated-` and a function.
    private static func feedForward(_ reader: ConfigurationReader, default fallback: String) throws -> (
        Activation, gated: Bool
    ) {
        let kind = try reader.optionalString("feed_forward_proj") ?? fallback
        let gated = kind.hasPrefix("gated-")
        let name = gated ? String(kind.dropFirst(6)) : kind
        // "gated-gelu" has meant the tanh form since version 1.1.
        let function = gated && name == "gelu" ? "gelu_new" : name
        guard let activation = Activation.published.first(where: { $0.key == function })?.value else {
            throw reader.contradiction(
                "feed_forward_proj", "is not known", expected: "relu, gated-gelu, gated-silu", got: quoted(kind))
        }
        return (activation, gated)
    }

    func document(_ c: EncoderDecoderConfiguration) -> JSONObject {
        let stack = c.decoder
        let name = stack.gated && stack.activation == .geluTanh ? "gelu" : stack.activation.publishedName
        var document: JSONObject = [
            "d_ff": .integer(stack.inner), "d_kv": .integer(stack.headWidth), "d_model": .integer(c.width),
            "decoder_start_token_id": .integer(c.start), "dense_act_fn": .string(stack.activation.publishedName),
            "dropout_rate": .number(decimal(stack.residualDropout)),
            "feed_forward_proj": .string(stack.gated ? "gated-" + name : name), "initializer_factor": 1.0,
            "is_encoder_decoder": true, "is_gated_act": .bool(stack.gated),
            "layer_norm_epsilon": .number(decimal(stack.epsilon)), "num_decoder_layers": .integer(stack.layers),
            "num_heads": .integer(stack.heads), "num_layers": .integer(c.encoder.layers),
            "pad_token_id": .integer(c.padding), "tie_word_embeddings": .bool(c.tied), "use_cache": true,
            "vocab_size": .integer(c.vocabulary),
        ]
        if scalesTied { document["scale_decoder_outputs"] = .bool(c.headScale != 1) }
        if c.context != T5.context { document["n_positions"] = .integer(c.context) }
        if case .all(.relative(let buckets)) = stack.positions {
            document["relative_attention_max_distance"] = .integer(buckets.maximumDistance)
            document["relative_attention_num_buckets"] = .integer(buckets.buckets)
        }
        return document
    }

    func tensors(_ model: EncoderDecoder) -> [CheckpointTensor] {
        var list = CheckpointList()
        addTables(model, to: &list)
        for (side, stack) in [("encoder", model.encoder), ("decoder", model.decoder)] {
            list.add("\(side).block.0.layer.0.SelfAttention.relative_attention_bias.weight", stack.relativeTable)
            for (layer, block) in stack.blocks.enumerated() {
                let name = "\(side).block.\(layer).layer."
                for (part, attention) in [
                    ("0.SelfAttention", block.attention), ("1.EncDecAttention", block.crossAttention),
                ] {
                    list.addBody(
                        attention, query: name + part + ".q", key: name + part + ".k", value: name + part + ".v",
                        output: name + part + ".o")
                }
                list.addBody(name + "0.layer_norm", block.attentionNorm.norm)
                list.addBody(name + "1.layer_norm", block.crossNorm?.norm)
                let last = block.crossAttention == nil ? 1 : 2
                let start = "\(name)\(last).DenseReluDense."
                if block.feedForward.dense?.gated == true {
                    list.addBody(block.feedForward.dense, gate: start + "wi_0", up: start + "wi_1", down: start + "wo")
                } else {
                    list.addBody(start + "wi", block.feedForward.dense?.up)
                    list.addBody(start + "wo", block.feedForward.dense?.down)
                }
                list.addBody("\(name)\(last).layer_norm", block.feedForwardNorm.norm)
            }
            list.addBody("\(side).final_layer_norm", stack.finalNorm)
        }
        return list.tensors
    }
}
