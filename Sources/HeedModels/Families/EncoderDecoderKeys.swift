import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

// What Marian, BART and the encoder-decoders that follow them write alike.

extension EncoderDecoderFamily {
    /// Keys that the classes of BART's kind have and that mean nothing, or have one implemented value.
    static var bartKeys: ConfigurationKeys {
        ConfigurationKeys(
            harmless: [
                "num_hidden_layers": "encoder_layers once more",
                "static_position_embeddings": "which positions the class has anyway",
                "extra_pos_embeddings": "of the program that made the first files",
                "add_final_layer_norm": "which norms the class has anyway",
                "add_bias_logits": "of the program that made the first files",
                "gradient_checkpointing": "training only",
            ],
            plain: ["is_encoder_decoder": [true]])
    }

    /// Sizes, dropout and ids under the names that BART gave them.
    func bartShape(
        _ reader: ConfigurationReader, vocabulary: Int, defaultPadding: Int, defaultStart: Int? = nil,
        context fallback: Int = 1024
    ) throws -> EncoderDecoderConfiguration {
        let width = try reader.integer("d_model", in: 1...1 << 20)
        let activation = try reader.activation("activation_function", default: .gelu)
        let dropout = try reader.rate("dropout", default: 0.1)
        let weightDropout = try reader.rate("attention_dropout", default: 0)
        let innerDropout = try reader.rate("activation_dropout", default: 0)
        let deviation = try reader.deviation("init_std")
        func stack(_ name: String) throws -> StackShape {
            var stack = StackShape(
                layers: try reader.layers("\(name)_layers"), width: width,
                heads: try reader.heads("\(name)_attention_heads", width: width, "d_model"),
                inner: try reader.inner("\(name)_ffn_dim"))
            stack.activation = activation
            stack.placement = .after
            stack.finalNorm = false
            stack.residualDropout = dropout
            stack.weightDropout = weightDropout
            stack.innerDropout = innerDropout
            stack.initial = .normal(deviation)
            return stack
        }
        let padding =
            try reader.optionalInteger("pad_token_id", in: 0...vocabulary - 1) ?? min(defaultPadding, vocabulary - 1)
        var c = EncoderDecoderConfiguration(
            vocabulary: vocabulary,
            context: try reader.integer("max_position_embeddings", in: 1...1 << 24, default: fallback),
            encoder: try stack("encoder"), decoder: try stack("decoder"),
            start: try reader.optionalInteger("decoder_start_token_id", in: 0...vocabulary - 1)
                ?? min(defaultStart ?? padding, vocabulary - 1), padding: padding)
        c.scalesEmbedding = try reader.bool("scale_embedding", default: false)
        c.tied = try reader.bool("tie_word_embeddings", default: true)
        c.logitsBias = .constant
        c.embeddingDropout = dropout
        return c
    }

    /// The keys of `bartShape`.
    func bartDocument(_ c: EncoderDecoderConfiguration) -> JSONObject {
        [
            "activation_dropout": .number(decimal(c.decoder.innerDropout)),
            "activation_function": .string(c.decoder.activation.publishedName),
            "attention_dropout": .number(decimal(c.decoder.weightDropout)), "d_model": .integer(c.width),
            "decoder_attention_heads": .integer(c.decoder.heads), "decoder_ffn_dim": .integer(c.decoder.inner),
            "decoder_layerdrop": 0.0, "decoder_layers": .integer(c.decoder.layers),
            "decoder_start_token_id": .integer(c.start), "dropout": .number(decimal(c.decoder.residualDropout)),
            "encoder_attention_heads": .integer(c.encoder.heads), "encoder_ffn_dim": .integer(c.encoder.inner),
            "encoder_layerdrop": 0.0, "encoder_layers": .integer(c.encoder.layers), "forced_eos_token_id": .null,
            "init_std": .number(decimal(c.decoder.initial.deviation ?? 0.02)), "is_encoder_decoder": true,
            "max_position_embeddings": .integer(c.context), "num_hidden_layers": .integer(c.encoder.layers),
            "pad_token_id": .integer(c.padding), "scale_embedding": .bool(c.scalesEmbedding),
            "tie_word_embeddings": .bool(c.tied), "use_cache": true, "vocab_size": .integer(c.sourceVocabulary),
        ]
    }

    /// The names of the tables in files of BART's kind, with and without the prefix of a body under a head.
    static var bartTables: (shared: [String], source: [String], target: [String], head: [String]) {
        (
            ["model.shared.weight", "shared.weight"],
            ["model.encoder.embed_tokens.weight", "encoder.embed_tokens.weight"],
            ["model.decoder.embed_tokens.weight", "decoder.embed_tokens.weight"], ["lm_head.weight"]
        )
    }

    /// The tables and the output matrix; files may hold the one table under each of its uses.
    func addTables(_ model: EncoderDecoder, to list: inout CheckpointList) {
        let (shared, source, target, head) = tableNames
        let tied = model.output.weight == model.targetEmbedding.table ? head : []
        if model.configuration.sharedTable {
            list.add(
                shared[0], model.targetEmbedding.table,
                aliases: Array(shared.dropFirst()) + source + target + tied)
        } else {
            // A side's own table counts before one that files say is shared.
            list.add(source[0], model.sourceEmbedding.table, aliases: shared, overriding: source)
            list.add(target[0], model.targetEmbedding.table, aliases: shared + tied, overriding: target)
        }
        if tied.isEmpty { list.add(head[0], model.output.weight) }
    }

    /// All tensors of files of BART's kind.
    func bartTensors(_ model: EncoderDecoder) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: "model.", writesPrefix: true)
        addTables(model, to: &list)
        list.add("final_logits_bias", model.output.bias, optional: true)
        for (side, embedding, stack) in [
            ("encoder", model.sourceEmbedding, model.encoder), ("decoder", model.targetEmbedding, model.decoder),
        ] {
            list.addBody("\(side).embed_positions.weight", embedding.positionTable)
            list.addBody("\(side).layernorm_embedding", embedding.norm)
            for (layer, block) in stack.blocks.enumerated() {
                let name = "\(side).layers.\(layer)."
                for (part, attention) in [("self_attn", block.attention), ("encoder_attn", block.crossAttention)] {
                    list.addBody(
                        attention, query: "\(name)\(part).q_proj", key: "\(name)\(part).k_proj",
                        value: "\(name)\(part).v_proj", output: "\(name)\(part).out_proj")
                }
                list.addBody(name + "self_attn_layer_norm", block.attentionNorm.norm)
                list.addBody(name + "encoder_attn_layer_norm", block.crossNorm?.norm)
                list.addBody(name + "fc1", block.feedForward.dense?.up)
                list.addBody(name + "fc2", block.feedForward.dense?.down)
                list.addBody(name + "final_layer_norm", block.feedForwardNorm.norm)
            }
            list.addBody("\(side).layer_norm", stack.finalNorm)
        }
        return list.tensors
    }
}
