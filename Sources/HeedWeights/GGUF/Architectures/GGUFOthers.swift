import HeedSupport

// Decoders before LLaMA, T5 and BERT.

extension GGUFArchitecture {
    static let gpt2 = GGUFArchitecture(
        name: "gpt2", families: ["gpt2"], prefix: "transformer.",
        rules: [
            GGUFRule("transformer.wte", "token_embd"), GGUFRule("transformer.wpe", "position_embd"),
            GGUFRule("transformer.ln_f", "output_norm"), GGUFRule("lm_head", "output"),
            GGUFRule("transformer.h.{}.ln_1", "blk.{}.attn_norm"),
            GGUFRule("transformer.h.{}.ln_2", "blk.{}.ffn_norm"),
            GGUFRule("transformer.h.{}.attn.c_attn", "blk.{}.attn_qkv", .transposed),
            GGUFRule("transformer.h.{}.attn.c_proj", "blk.{}.attn_output", .transposed),
            GGUFRule("transformer.h.{}.mlp.c_fc", "blk.{}.ffn_up", .transposed),
            GGUFRule("transformer.h.{}.mlp.c_proj", "blk.{}.ffn_down", .transposed),
        ],
        write: { configuration, keys in
            let width = try configuration.required("n_embd", "hidden_size")
            keys.set("block_count", try configuration.required("n_layer", "num_hidden_layers"))
            keys.set("context_length", try configuration.required("n_positions", "n_ctx", "max_position_embeddings"))
            keys.set("embedding_length", width)
            // As llama.cpp's converter has it, also of a model with another inner width, which llama.cpp refuses.
            keys.set("feed_forward_length", 4 * width)
            keys.set("attention.head_count", try configuration.required("n_head", "num_attention_heads"))
            keys.set("attention.layer_norm_epsilon", try configuration.number("layer_norm_epsilon"))
        },
        read: { file, keys, document in
            document["model_type"] = "gpt2"
            document["architectures"] = ["GPT2LMHeadModel"]
            document["n_layer"] = .integer(try keys.integer("block_count"))
            document["n_positions"] = .integer(try keys.integer("context_length"))
            document["n_embd"] = .integer(try keys.integer("embedding_length"))
            document["n_head"] = .integer(try keys.integer("attention.head_count"))
            document["layer_norm_epsilon"] = .number(try keys.number("attention.layer_norm_epsilon") ?? 1e-5)
            document["activation_function"] = "gelu_new"
            // The key says four times the width, whatever the tensors have.
            if let up = file.tensor(named: "blk.0.ffn_up.weight")?.shape.first { document["n_inner"] = .integer(up) }
        })

    static let gptNeoX = GGUFArchitecture(
        name: "gptneox", families: ["gpt_neox"], prefix: "gpt_neox.",
        rules: [
            GGUFRule("gpt_neox.embed_in", "token_embd"), GGUFRule("gpt_neox.final_layer_norm", "output_norm"),
            GGUFRule("embed_out", "output"),
            GGUFRule("gpt_neox.layers.{}.input_layernorm", "blk.{}.attn_norm"),
            GGUFRule("gpt_neox.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"),
            GGUFRule("gpt_neox.layers.{}.attention.query_key_value", "blk.{}.attn_qkv", .byHead),
            GGUFRule("gpt_neox.layers.{}.attention.dense", "blk.{}.attn_output"),
            GGUFRule("gpt_neox.layers.{}.mlp.dense_h_to_4h", "blk.{}.ffn_up"),
            GGUFRule("gpt_neox.layers.{}.mlp.dense_4h_to_h", "blk.{}.ffn_down"),
        ],
        write: { configuration, keys in
            let heads = try configuration.required("num_attention_heads")
            let width = try configuration.required("hidden_size")
            let share = try configuration.rotary.number("partial_rotary_factor") ?? configuration.number("rotary_pct")
            keys.set("context_length", try configuration.required("max_position_embeddings"))
            keys.set("embedding_length", width)
            keys.set("block_count", try configuration.required("num_hidden_layers"))
            keys.set("feed_forward_length", try configuration.required("intermediate_size"))
            keys.set("rope.dimension_count", UInt32((share ?? 0.25) * Double(width / max(heads, 1))))
            keys.set("attention.head_count", heads)
            keys.set(
                "use_parallel_residual", configuration.object["use_parallel_residual"]?.boolValue ?? true)
            keys.set("attention.layer_norm_epsilon", try configuration.number("layer_norm_eps"))
        },
        read: { file, keys, document in
            document["model_type"] = "gpt_neox"
            document["architectures"] = ["GPTNeoXForCausalLM"]
            let (width, heads) = (try keys.integer("embedding_length"), try keys.integer("attention.head_count"))
            document["hidden_size"] = .integer(width)
            document["num_attention_heads"] = .integer(heads)
            document["num_hidden_layers"] = .integer(try keys.integer("block_count"))
            document["intermediate_size"] = .integer(try keys.integer("feed_forward_length"))
            document["max_position_embeddings"] = .integer(try keys.integer("context_length"))
            document["layer_norm_eps"] = .number(try keys.number("attention.layer_norm_epsilon") ?? 1e-5)
            document["use_parallel_residual"] = .bool(try keys.bool("use_parallel_residual") ?? true)
            document["hidden_act"] = "gelu"
            let turned = try keys.optional("rope.dimension_count") ?? width / heads
            document["rope_parameters"] = [
                "rope_type": "default", "rope_theta": .number(try keys.number("rope.freq_base") ?? 10_000),
                "partial_rotary_factor": .number(Double(turned) / Double(max(width / heads, 1))),
            ]
        })

    static let bloom = GGUFArchitecture(
        name: "bloom", families: ["bloom"], prefix: "transformer.",
        rules: [
            GGUFRule("transformer.word_embeddings", "token_embd"),
            GGUFRule("transformer.word_embeddings_layernorm", "token_embd_norm"),
            GGUFRule("transformer.ln_f", "output_norm"), GGUFRule("lm_head", "output"),
            GGUFRule("transformer.h.{}.input_layernorm", "blk.{}.attn_norm"),
            GGUFRule("transformer.h.{}.post_attention_layernorm", "blk.{}.ffn_norm"),
            GGUFRule("transformer.h.{}.self_attention.query_key_value", "blk.{}.attn_qkv", .byHead),
            GGUFRule("transformer.h.{}.self_attention.dense", "blk.{}.attn_output"),
            GGUFRule("transformer.h.{}.mlp.dense_h_to_4h", "blk.{}.ffn_up"),
            GGUFRule("transformer.h.{}.mlp.dense_4h_to_h", "blk.{}.ffn_down"),
        ],
        write: { configuration, keys in
            let width = try configuration.required("hidden_size", "n_embed")
            let heads = try configuration.required("n_head", "num_attention_heads")
            keys.set("context_length", try configuration.integer("seq_length") ?? width)
            keys.set("embedding_length", width)
            keys.set("feed_forward_length", 4 * width)
            keys.set("block_count", try configuration.required("n_layer", "num_hidden_layers"))
            keys.set("attention.head_count", heads)
            keys.set("attention.head_count_kv", heads)
            keys.set("attention.layer_norm_epsilon", try configuration.number("layer_norm_epsilon"))
        },
        read: { file, keys, document in
            document["model_type"] = "bloom"
            document["architectures"] = ["BloomForCausalLM"]
            document["hidden_size"] = .integer(try keys.integer("embedding_length"))
            document["n_head"] = .integer(try keys.integer("attention.head_count"))
            document["n_layer"] = .integer(try keys.integer("block_count"))
            document["layer_norm_epsilon"] = .number(try keys.number("attention.layer_norm_epsilon") ?? 1e-5)
            document["seq_length"] = .integer(try keys.integer("context_length"))
        })

    // MARK: T5

    private static let t5Rules: [GGUFRule] = {
        var rules = [
            GGUFRule("shared", "token_embd"), GGUFRule("lm_head", "output"),
            GGUFRule("encoder.final_layer_norm", "enc.output_norm"),
            GGUFRule("decoder.final_layer_norm", "dec.output_norm"),
        ]
        for (side, short) in [("encoder", "enc"), ("decoder", "dec")] {
            let (block, stored) = ("\(side).block.{}.layer.", "\(short).blk.{}.")
            let inner = side == "encoder" ? 1 : 2
            for part in ["q", "k", "v", "o"] {
                rules.append(GGUFRule(block + "0.SelfAttention.\(part)", stored + "attn_\(part)"))
                if side == "decoder" {
                    rules.append(GGUFRule(block + "1.EncDecAttention.\(part)", stored + "cross_attn_\(part)"))
                }
            }
            rules += [
                GGUFRule(block + "0.SelfAttention.relative_attention_bias", stored + "attn_rel_b"),
                GGUFRule(block + "0.layer_norm", stored + "attn_norm"),
                GGUFRule(block + "\(inner).layer_norm", stored + "ffn_norm"),
                GGUFRule(block + "\(inner).DenseReluDense.wi", stored + "ffn_up"),
                GGUFRule(block + "\(inner).DenseReluDense.wi_0", stored + "ffn_gate"),
                GGUFRule(block + "\(inner).DenseReluDense.wi_1", stored + "ffn_up"),
                GGUFRule(block + "\(inner).DenseReluDense.wo", stored + "ffn_down"),
            ]
            if side == "decoder" { rules.append(GGUFRule(block + "1.layer_norm", stored + "cross_attn_norm")) }
        }
        return rules
    }()

    static let t5 = GGUFArchitecture(
        name: "t5", families: ["t5", "mt5", "umt5"], rules: t5Rules,
        dropped: ["encoder.embed_tokens.", "decoder.embed_tokens."],
        write: { configuration, keys in
            let epsilon = try configuration.number("layer_norm_epsilon") ?? 1e-6
            keys.set("context_length", try configuration.integer("n_positions") ?? 512)
            keys.set("embedding_length", try configuration.required("d_model"))
            keys.set("feed_forward_length", try configuration.required("d_ff"))
            keys.set("block_count", try configuration.required("num_layers"))
            keys.set("decoder_block_count", try configuration.required("num_decoder_layers", "num_layers"))
            keys.set("attention.head_count", try configuration.required("num_heads"))
            keys.set("attention.key_length", try configuration.required("d_kv"))
            keys.set("attention.value_length", try configuration.required("d_kv"))
            keys.set("attention.layer_norm_epsilon", epsilon)
            keys.set(
                "attention.relative_buckets_count", try configuration.required("relative_attention_num_buckets"))
            keys.set("attention.layer_norm_rms_epsilon", epsilon)
            keys.set("decoder_start_token_id", try configuration.integer("decoder_start_token_id") ?? 0)
        },
        read: { file, keys, document in
            let isGated = file.tensor(named: "enc.blk.0.ffn_gate.weight") != nil
            document["model_type"] = "t5"
            document["architectures"] = ["T5ForConditionalGeneration"]
            document["is_encoder_decoder"] = true
            document["n_positions"] = .integer(try keys.integer("context_length"))
            document["d_model"] = .integer(try keys.integer("embedding_length"))
            document["d_ff"] = .integer(try keys.integer("feed_forward_length"))
            document["num_layers"] = .integer(try keys.integer("block_count"))
            document["num_decoder_layers"] = .integer(
                try keys.optional("decoder_block_count") ?? keys.integer("block_count"))
            document["num_heads"] = .integer(try keys.integer("attention.head_count"))
            document["d_kv"] = .integer(try keys.integer("attention.key_length"))
            document["layer_norm_epsilon"] = .number(try keys.number("attention.layer_norm_rms_epsilon") ?? 1e-6)
            document["relative_attention_num_buckets"] = .integer(
                try keys.integer("attention.relative_buckets_count"))
            document["relative_attention_max_distance"] = 128
            document["feed_forward_proj"] = isGated ? "gated-gelu" : "relu"
            // Where the table is the output matrix, the first T5 scales its states; the gated ones (mT5) do not.
            document["scale_decoder_outputs"] = .bool(!isGated && file.tensor(named: "output.weight") == nil)
            document["decoder_start_token_id"] = .integer(try keys.optional("decoder_start_token_id") ?? 0)
            document["pad_token_id"] = 0
            document["eos_token_id"] = 1
        })

    // MARK: BERT

    /// The names of BERT's and DistilBERT's tensors; both become the same ones.
    private static let bertRules: [GGUFRule] = {
        let embeddings = [
            ("word_embeddings", "token_embd"), ("position_embeddings", "position_embd"),
            ("token_type_embeddings", "token_types"), ("LayerNorm", "token_embd_norm"),
        ]
        var rules = ["bert.embeddings.", "distilbert.embeddings."].flatMap { prefix in
            embeddings.map { GGUFRule(prefix + $0.0, $0.1) }
        }
        let (layer, distilled) = ("bert.encoder.layer.{}.", "distilbert.transformer.layer.{}.")
        rules += [
            GGUFRule(layer + "attention.self.query", "blk.{}.attn_q"),
            GGUFRule(layer + "attention.self.key", "blk.{}.attn_k"),
            GGUFRule(layer + "attention.self.value", "blk.{}.attn_v"),
            GGUFRule(layer + "attention.output.dense", "blk.{}.attn_output"),
            GGUFRule(layer + "attention.output.LayerNorm", "blk.{}.attn_output_norm"),
            GGUFRule(layer + "intermediate.dense", "blk.{}.ffn_up"),
            GGUFRule(layer + "output.dense", "blk.{}.ffn_down"),
            GGUFRule(layer + "output.LayerNorm", "blk.{}.layer_output_norm"),
            GGUFRule(distilled + "attention.q_lin", "blk.{}.attn_q"),
            GGUFRule(distilled + "attention.k_lin", "blk.{}.attn_k"),
            GGUFRule(distilled + "attention.v_lin", "blk.{}.attn_v"),
            GGUFRule(distilled + "attention.out_lin", "blk.{}.attn_output"),
            GGUFRule(distilled + "sa_layer_norm", "blk.{}.attn_output_norm"),
            GGUFRule(distilled + "ffn.lin1", "blk.{}.ffn_up"),
            GGUFRule(distilled + "ffn.lin2", "blk.{}.ffn_down"),
            GGUFRule(distilled + "output_layer_norm", "blk.{}.layer_output_norm"),
        ]
        return rules
    }()

    /// BERT and DistilBERT, bodies only: llama.cpp's files have no heads.
    static let bert = GGUFArchitecture(
        name: "bert", families: ["bert", "distilbert"], prefix: "bert.", rules: bertRules,
        dropped: [
            "cls.", "vocab_transform.", "vocab_layer_norm.", "vocab_projector.", "bert.pooler.", "pooler.",
            "classifier.", "pre_classifier.", "qa_outputs.",
        ],
        write: { configuration, keys in
            keys.set("attention.layer_norm_epsilon", try configuration.number("layer_norm_eps") ?? 1e-12)
            keys.set("block_count", try configuration.required("num_hidden_layers", "n_layers"))
            keys.set("context_length", try configuration.required("max_position_embeddings"))
            keys.set("embedding_length", try configuration.required("hidden_size", "dim"))
            keys.set("feed_forward_length", try configuration.required("intermediate_size", "hidden_dim"))
            keys.set("attention.head_count", try configuration.required("num_attention_heads", "n_heads"))
            keys.set("attention.causal", false)
            // llama.cpp refuses a file without it, also one that has no tokens.
            keys.metadata["tokenizer.ggml.token_type_count"] = .uint32(
                try configuration.integer("type_vocab_size") ?? 1)
        },
        read: { file, keys, document in
            // Files of DistilBERT have no token types; the rest of both is the same.
            let isDistilled = file.tensor(named: "token_types.weight") == nil
            func set(_ name: String, _ distilled: String, _ key: String) throws {
                document[isDistilled ? distilled : name] = .integer(try keys.integer(key))
            }
            try set("num_hidden_layers", "n_layers", "block_count")
            try set("max_position_embeddings", "max_position_embeddings", "context_length")
            try set("hidden_size", "dim", "embedding_length")
            try set("intermediate_size", "hidden_dim", "feed_forward_length")
            try set("num_attention_heads", "n_heads", "attention.head_count")
            document["model_type"] = isDistilled ? "distilbert" : "bert"
            document["architectures"] = [isDistilled ? "DistilBertModel" : "BertModel"]
            document[isDistilled ? "activation" : "hidden_act"] = "gelu"
            if isDistilled {
                document["sinusoidal_pos_embds"] = false
            } else {
                document["layer_norm_eps"] = .number(try keys.number("attention.layer_norm_epsilon") ?? 1e-12)
                let types = file.tensor(named: "token_types.weight")?.shape.first ?? 2
                document["type_vocab_size"] = .integer(types)
            }
        })
}
