import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

// Marian (Junczys-Dowmunt et al. 2018), the 2017 transformer as published translation models have it, and BART (Lewis
// et al. 2020): `transformers` stores both under the same names.

extension EncoderDecoderConfiguration {
    /// Reads the keys of Marian or BART.
    ///
    /// - Throws: `HeedError` naming the key that is missing, of another type, out of range or in contradiction.
    init(marianOrBart reader: ConfigurationReader, _ family: Family) throws {
        let isMarian = family == .marian
        let width = try reader.integer("d_model", in: 1...1 << 20)
        func stack(_ name: String) throws -> StackShape {
            let heads = try reader.integer("\(name)_attention_heads", in: 1...1 << 14)
            guard width % heads == 0 else {
                throw reader.contradiction(
                    "\(name)_attention_heads", "does not divide d_model", expected: "a divisor of \(width)",
                    got: "\(heads)")
            }
            return StackShape(
                layers: try reader.integer("\(name)_layers", in: 1...4096), heads: heads, headWidth: width / heads,
                inner: try reader.integer("\(name)_ffn_dim", in: 1...1 << 24))
        }
        let source = try reader.integer("vocab_size", in: 1...1 << 26)
        let target =
            isMarian ? try reader.optionalInteger("decoder_vocab_size", in: 1...1 << 26) ?? source : source
        let context = try reader.integer("max_position_embeddings", in: 1...1 << 24, default: 1024)
        let shared = isMarian ? try reader.bool("share_encoder_decoder_embeddings", default: true) : true
        guard !shared || source == target else {
            throw reader.contradiction(
                "decoder_vocab_size", "differs from vocab_size though both sides share a table",
                expected: "\(source)", got: "\(target)")
        }
        let padding =
            try reader.optionalInteger("pad_token_id", in: 0...max(target, source) - 1)
            ?? (isMarian ? target - 1 : 1)
        self.init(
            sourceVocabulary: source, vocabulary: target, context: context, width: width,
            encoder: try stack("encoder"), decoder: try stack("decoder"),
            activation: try reader.choice(
                "activation_function", DecoderConfiguration.activations, default: .gelu),
            placement: .after, finalNorms: false,
            positions: isMarian
                ? .sinusoidal(SinusoidalPositions(layout: .halves)) : .learned(context: context, first: 2),
            scalesEmbedding: try reader.bool("scale_embedding", default: false), sharedTable: shared,
            tied: try reader.bool("tie_word_embeddings", default: true), logitsBias: .constant,
            start: try reader.optionalInteger("decoder_start_token_id", in: 0...target - 1)
                ?? (isMarian ? padding : 2), padding: padding)
        embeddingNorm = !isMarian
        dropout = Float(try reader.double("dropout", in: 0...0.999, default: 0.1))
        weightDropout = Float(try reader.double("attention_dropout", in: 0...0.999, default: 0))
        innerDropout = Float(try reader.double("activation_dropout", in: 0...0.999, default: 0))
        initial = .normal(Float(try reader.double("init_std", in: 0...10, default: 0.02)))
    }

    func marianOrBartDocument(_ family: Family) -> JSONObject {
        var deviation: Float = 0.02
        if case .normal(let given) = initial { deviation = given }
        var document: JSONObject = [
            "activation_dropout": .number(decimal(innerDropout)),
            "activation_function": .string(DecoderConfiguration.activationName(activation)),
            "attention_dropout": .number(decimal(weightDropout)), "d_model": .integer(width),
            "decoder_attention_heads": .integer(decoder.heads), "decoder_ffn_dim": .integer(decoder.inner),
            "decoder_layerdrop": 0.0, "decoder_layers": .integer(decoder.layers),
            "decoder_start_token_id": .integer(start), "dropout": .number(decimal(dropout)),
            "encoder_attention_heads": .integer(encoder.heads), "encoder_ffn_dim": .integer(encoder.inner),
            "encoder_layerdrop": 0.0, "encoder_layers": .integer(encoder.layers),
            "forced_eos_token_id": .null, "init_std": .number(decimal(deviation)), "is_encoder_decoder": true,
            "max_position_embeddings": .integer(context), "num_hidden_layers": .integer(encoder.layers),
            "scale_embedding": .bool(scalesEmbedding), "tie_word_embeddings": .bool(tied), "use_cache": true,
            "vocab_size": .integer(sourceVocabulary),
        ]
        if family == .marian {
            document["decoder_vocab_size"] = .integer(vocabulary)
            document["share_encoder_decoder_embeddings"] = .bool(sharedTable)
            document["static_position_embeddings"] = true
        }
        return document
    }

    /// Why Marian's or BART's files cannot say what this configuration says, or nil.
    func objection(asMarianOrBart family: Family) -> String? {
        if placement != .after || finalNorms { return "norms before the halves or behind the stacks" }
        if norm != .layer || gated || relativeBuckets != nil || rotary != nil || !hasBias || !scalesScores {
            return "its layers"
        }
        if logitsBias != .constant { return "its output offset" }
        let expected: EmbeddedPositions =
            family == .marian
            ? .sinusoidal(SinusoidalPositions(layout: .halves)) : .learned(context: context, first: 2)
        return positions == expected && embeddingNorm == (family == .bart) ? nil : "its positions or embedding norm"
    }
}

extension EncoderDecoder {
    func marianOrBartTensors() -> [CheckpointTensor] {
        var list = CheckpointList()
        if configuration.sharedTable {
            // Files may hold the one table under each of its uses.
            list.add(
                "model.shared.weight", targetEmbedding.table,
                aliases: ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"])
        } else {
            list.add("model.encoder.embed_tokens.weight", sourceEmbedding.table)
            list.add("model.decoder.embed_tokens.weight", targetEmbedding.table, aliases: ["lm_head.weight"])
        }
        if head != targetEmbedding.table { list.add("lm_head.weight", head) }
        list.add("final_logits_bias", headBias, optional: true)
        for (side, embedding, blocks) in [
            ("encoder", sourceEmbedding, encoderBlocks), ("decoder", targetEmbedding, decoderBlocks),
        ] {
            list.add("model.\(side).embed_positions.weight", embedding.positionTable)
            list.add("model.\(side).layernorm_embedding", embedding.norm)
            for (layer, block) in blocks.enumerated() {
                let name = "model.\(side).layers.\(layer)."
                func add(_ attention: Attention?, _ part: String) {
                    list.add(
                        attention, query: "\(name)\(part).q_proj", key: "\(name)\(part).k_proj",
                        value: "\(name)\(part).v_proj", output: "\(name)\(part).out_proj")
                }
                add(block.attention, "self_attn")
                list.add(name + "self_attn_layer_norm", block.attentionNorm)
                add(block.crossAttention, "encoder_attn")
                list.add(name + "encoder_attn_layer_norm", block.crossNorm)
                list.add(name + "fc1", block.feedForward.up)
                list.add(name + "fc2", block.feedForward.down)
                list.add(name + "final_layer_norm", block.feedForwardNorm)
            }
        }
        return list.tensors
    }
}
