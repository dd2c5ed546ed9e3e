import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

// T5 (Raffel et al. 2020) as `transformers` stores it: relative offsets in place of positions, root-mean-square norms,
// unscaled scores, no offsets; version 1.1 gates the feed-forward layer and unties the output matrix.

extension EncoderDecoderConfiguration {
    /// Reads T5's keys.
    ///
    /// - Throws: `HeedError` naming the key that is missing, of another type, out of range or in contradiction.
    init(t5 reader: ConfigurationReader) throws {
        let width = try reader.integer("d_model", in: 1...1 << 20)
        let heads = try reader.integer("num_heads", in: 1...1 << 14)
        let headWidth = try reader.integer("d_kv", in: 1...1 << 14)
        let inner = try reader.integer("d_ff", in: 1...1 << 24)
        let layers = try reader.integer("num_layers", in: 1...4096)
        let vocabulary = try reader.integer("vocab_size", in: 1...1 << 26)
        let kind = try reader.optionalString("feed_forward_proj") ?? "relu"
        let gated = kind.hasPrefix("gated-")
        let name = gated ? String(kind.dropFirst(6)) : kind
        // "gated-gelu" has meant the tanh form since version 1.1.
        let function = gated && name == "gelu" ? "gelu_new" : name
        guard let activation = DecoderConfiguration.activations.first(where: { $0.key == function })?.value else {
            throw reader.contradiction(
                "feed_forward_proj", "is not known", expected: "relu, gated-gelu, gated-silu", got: quoted(kind))
        }
        let tied = try reader.bool("tie_word_embeddings", default: true)
        let stack = StackShape(layers: layers, heads: heads, headWidth: headWidth, inner: inner)
        var decoder = stack
        decoder.layers = try reader.optionalInteger("num_decoder_layers", in: 1...4096) ?? layers
        let padding = try reader.optionalInteger("pad_token_id", in: 0...vocabulary - 1) ?? 0
        self.init(
            sourceVocabulary: vocabulary, vocabulary: vocabulary,
            context: try reader.integer("n_positions", in: 1...1 << 24, default: 1 << 20), width: width,
            encoder: stack, decoder: decoder, activation: activation, placement: .before, finalNorms: true,
            positions: .none, scalesEmbedding: false, sharedTable: true, tied: tied, logitsBias: .none,
            start: try reader.optionalInteger("decoder_start_token_id", in: 0...vocabulary - 1) ?? padding,
            padding: padding)
        self.gated = gated
        norm = .rootMeanSquare
        epsilon = Float(try reader.double("layer_norm_epsilon", in: 0...1, default: 1e-6))
        relativeBuckets = RelativeBuckets(
            buckets: try reader.integer("relative_attention_num_buckets", in: 2...1 << 12, default: 32),
            maximumDistance: try reader.integer("relative_attention_max_distance", in: 2...1 << 20, default: 128))
        let scales = try reader.bool("scale_decoder_outputs", default: tied)
        headScale = scales ? 1 / Float(width).squareRoot() : 1
        scalesScores = false
        hasBias = false
        trainsPadding = true
        dropout = Float(try reader.double("dropout_rate", in: 0...0.999, default: 0.1))
        weightDropout = dropout
        innerDropout = dropout
    }

    func t5Document() -> JSONObject {
        let name =
            activation == .geluTanh ? (gated ? "gelu" : "gelu_new") : DecoderConfiguration.activationName(activation)
        return [
            "d_ff": .integer(encoder.inner), "d_kv": .integer(encoder.headWidth), "d_model": .integer(width),
            "decoder_start_token_id": .integer(start),
            "dense_act_fn": .string(DecoderConfiguration.activationName(activation)),
            "dropout_rate": .number(decimal(dropout)),
            "feed_forward_proj": .string(gated ? "gated-" + name : name), "initializer_factor": 1.0,
            "is_encoder_decoder": true, "is_gated_act": .bool(gated),
            "layer_norm_epsilon": .number(decimal(epsilon)), "num_decoder_layers": .integer(decoder.layers),
            "num_heads": .integer(encoder.heads), "num_layers": .integer(encoder.layers),
            "relative_attention_max_distance": .integer(relativeBuckets?.maximumDistance ?? 128),
            "relative_attention_num_buckets": .integer(relativeBuckets?.buckets ?? 32),
            "scale_decoder_outputs": .bool(headScale != 1), "tie_word_embeddings": .bool(tied), "use_cache": true,
            "vocab_size": .integer(vocabulary),
        ]
    }

    /// Why T5's files cannot say what this configuration says, or nil.
    var objectionAsT5: String? {
        placement == .before && finalNorms && norm == .rootMeanSquare && relativeBuckets != nil && positions == .none
            && rotary == nil && !hasBias && !scalesScores && logitsBias == .none && sharedTable && !embeddingNorm
            ? nil : "layers other than T5's"
    }
}

extension EncoderDecoder {
    func t5Tensors() -> [CheckpointTensor] {
        var list = CheckpointList()
        list.add(
            "shared.weight", targetEmbedding.table,
            aliases: ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"])
        if head != targetEmbedding.table { list.add("lm_head.weight", head) }
        for (side, relative, blocks, norm) in [
            ("encoder", encoderRelative, encoderBlocks, encoderNorm),
            ("decoder", decoderRelative, decoderBlocks, decoderNorm),
        ] {
            list.add("\(side).block.0.layer.0.SelfAttention.relative_attention_bias.weight", relative)
            for (layer, block) in blocks.enumerated() {
                let name = "\(side).block.\(layer).layer."
                func add(_ attention: Attention?, _ part: String) {
                    list.add(
                        attention, query: name + part + ".q", key: name + part + ".k", value: name + part + ".v",
                        output: name + part + ".o")
                }
                add(block.attention, "0.SelfAttention")
                list.add(name + "0.layer_norm", block.attentionNorm)
                add(block.crossAttention, "1.EncDecAttention")
                list.add(name + "1.layer_norm", block.crossNorm)
                let last = block.crossAttention == nil ? 1 : 2
                let feedForward = block.feedForward
                let inner = feedForward.down.weight.shape.last ?? 0
                let start = "\(name)\(last).DenseReluDense."
                if feedForward.gated {
                    list.add(start + "wi_0", feedForward.up, rows: 0..<inner)
                    list.add(start + "wi_1", feedForward.up, rows: inner..<2 * inner)
                } else {
                    list.add(start + "wi", feedForward.up)
                }
                list.add(start + "wo", feedForward.down)
                list.add("\(name)\(last).layer_norm", block.feedForwardNorm)
            }
            list.add("\(side).final_layer_norm", norm)
        }
        return list.tensors
    }
}
