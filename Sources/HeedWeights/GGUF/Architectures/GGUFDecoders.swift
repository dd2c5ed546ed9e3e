import HeedSupport

// Decoders of the LLaMA kind: RMS norms, gated feed-forward, rotary positions.

extension GGUFArchitecture {
    /// The names of LLaMA's tensors; `turned`: queries and keys are reordered.
    private static func llamaRules(turned: Bool, norm: GGUFForm = .same) -> [GGUFRule] {
        [
            GGUFRule("model.embed_tokens", "token_embd"), GGUFRule("model.norm", "output_norm", norm),
            GGUFRule("lm_head", "output"),
            GGUFRule("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q", turned ? .queries : .same),
            GGUFRule("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k", turned ? .keys : .same),
            GGUFRule("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"),
            GGUFRule("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"),
            GGUFRule("model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"),
            GGUFRule("model.layers.{}.mlp.up_proj", "blk.{}.ffn_up"),
            GGUFRule("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"),
        ]
    }

    /// A norm before each half of a block.
    private static func preNorms(_ form: GGUFForm = .same) -> [GGUFRule] {
        [
            GGUFRule("model.layers.{}.input_layernorm", "blk.{}.attn_norm", form),
            GGUFRule("model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm", form),
        ]
    }

    private static func headNorms(_ form: GGUFForm = .same) -> [GGUFRule] {
        [
            GGUFRule("model.layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm", form),
            GGUFRule("model.layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm", form),
        ]
    }

    /// Norms before and after each half of a block, as Gemma 2 and 3 have them.
    private static let fourNorms = [
        GGUFRule("model.layers.{}.input_layernorm", "blk.{}.attn_norm", .plusOne),
        GGUFRule("model.layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm", .plusOne),
        GGUFRule("model.layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm", .plusOne),
        GGUFRule("model.layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm", .plusOne),
    ]

    /// The width of what is turned in a head.
    private static func writeTurned(_ configuration: PublishedConfiguration, _ keys: inout GGUFKeys) throws {
        keys.set("rope.dimension_count", UInt32(try configuration.headWidth()))
        keys.set("vocab_size", try configuration.required("vocab_size"))
    }

    // MARK: The families

    /// LLaMA, Mistral and Mixtral.
    static let llama = GGUFArchitecture(
        name: "llama", families: ["llama", "mistral", "mixtral"], prefix: "model.",
        rules: llamaRules(turned: true) + preNorms() + [
            GGUFRule("model.layers.{}.block_sparse_moe.gate", "blk.{}.ffn_gate_inp"),
            GGUFRule("model.layers.{}.block_sparse_moe.experts.[].w1", "blk.{}.ffn_gate_exps", .experts),
            GGUFRule("model.layers.{}.block_sparse_moe.experts.[].w2", "blk.{}.ffn_down_exps", .experts),
            GGUFRule("model.layers.{}.block_sparse_moe.experts.[].w3", "blk.{}.ffn_up_exps", .experts),
        ],
        write: { configuration, keys in
            try writeCommon(configuration, &keys)
            try writeRotary(configuration, &keys)
            try writeTurned(configuration, &keys)
        },
        read: { file, keys, document in
            try readCommon(file, keys, &document)
            try readRotary(file, keys, &document)
            let experts = try keys.optional("expert_count") ?? 0
            if experts > 0 {
                document["model_type"] = "mixtral"
                document["architectures"] = ["MixtralForCausalLM"]
                document["num_local_experts"] = .integer(experts)
                document["num_experts_per_tok"] = .integer(try keys.integer("expert_used_count"))
            } else if let window = try keys.optional("attention.sliding_window"), window > 0 {
                document["model_type"] = "mistral"
                document["architectures"] = ["MistralForCausalLM"]
                document["sliding_window"] = .integer(window)
            } else {
                document["model_type"] = "llama"
                document["architectures"] = ["LlamaForCausalLM"]
                document["attention_bias"] = .bool(file.tensor(named: "blk.0.attn_q.bias") != nil)
                document["mlp_bias"] = .bool(file.tensor(named: "blk.0.ffn_up.bias") != nil)
            }
        })

    private static func plain(
        _ name: String, _ family: String, _ className: String, _ rules: [GGUFRule],
        _ write: @escaping @Sendable (PublishedConfiguration, inout GGUFKeys) throws -> Void = { _, _ in },
        _ read: @escaping @Sendable (GGUFOutline, GGUFKeys, inout JSONObject) throws -> Void = { _, _, _ in }
    ) -> GGUFArchitecture {
        GGUFArchitecture(
            name: name, families: [family], prefix: "model.", rules: rules,
            write: { configuration, keys in
                try writeCommon(configuration, &keys)
                try writeRotary(configuration, &keys)
                try write(configuration, &keys)
            },
            read: { file, keys, document in
                try readCommon(file, keys, &document)
                try readRotary(file, keys, &document)
                document["model_type"] = .string(family)
                document["architectures"] = [.string(className)]
                try read(file, keys, &document)
            })
    }

    static let qwen2 = plain("qwen2", "qwen2", "Qwen2ForCausalLM", llamaRules(turned: false) + preNorms())

    static let qwen3 = plain(
        "qwen3", "qwen3", "Qwen3ForCausalLM", llamaRules(turned: false) + preNorms() + headNorms())

    static let qwen3MoE = plain(
        "qwen3moe", "qwen3_moe", "Qwen3MoeForCausalLM",
        llamaRules(turned: false) + preNorms() + headNorms() + [
            GGUFRule("model.layers.{}.mlp.gate", "blk.{}.ffn_gate_inp"),
            GGUFRule("model.layers.{}.mlp.experts.[].gate_proj", "blk.{}.ffn_gate_exps", .experts),
            GGUFRule("model.layers.{}.mlp.experts.[].up_proj", "blk.{}.ffn_up_exps", .experts),
            GGUFRule("model.layers.{}.mlp.experts.[].down_proj", "blk.{}.ffn_down_exps", .experts),
        ],
        { configuration, keys in
            keys.set("expert_feed_forward_length", try configuration.required("moe_intermediate_size"))
        },
        { _, keys, document in
            document["num_experts"] = .integer(try keys.integer("expert_count"))
            document["num_experts_per_tok"] = .integer(try keys.integer("expert_used_count"))
            document["moe_intermediate_size"] = .integer(try keys.integer("expert_feed_forward_length"))
            document["norm_topk_prob"] = true
            document["decoder_sparse_step"] = 1
            document["mlp_only_layers"] = []
        })

    static let olmo2 = plain(
        "olmo2", "olmo2", "Olmo2ForCausalLM",
        llamaRules(turned: false) + headNorms() + [
            GGUFRule("model.layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"),
            GGUFRule("model.layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm"),
        ])

    static let granite = plain(
        "granite", "granite", "GraniteForCausalLM", llamaRules(turned: true) + preNorms(),
        { configuration, keys in
            try writeTurned(configuration, &keys)
            keys.set("attention.scale", try configuration.number("attention_multiplier"))
            keys.set("embedding_scale", try configuration.number("embedding_multiplier"))
            keys.set("residual_scale", try configuration.number("residual_multiplier"))
            keys.set("logit_scale", try configuration.number("logits_scaling"))
        },
        { _, keys, document in
            for (name, key) in [
                ("attention_multiplier", "attention.scale"), ("embedding_multiplier", "embedding_scale"),
                ("residual_multiplier", "residual_scale"), ("logits_scaling", "logit_scale"),
            ] {
                document[name] = .number(try keys.number(key) ?? 1)
            }
        })

    /// Every fourth layer is without rotary positions, in every file of this architecture.
    static let smolLM3 = plain(
        "smollm3", "smollm3", "SmolLM3ForCausalLM", llamaRules(turned: true) + preNorms(),
        { configuration, keys in try writeTurned(configuration, &keys) },
        { _, keys, document in
            let layers = try keys.integer("block_count", in: 1...4096)
            document["no_rope_layer_interval"] = 4
            document["no_rope_layers"] = .array((0..<layers).map { .integer(($0 + 1) % 4 == 0 ? 0 : 1) })
        })

    // MARK: Gemma

    private static func gemma(
        _ name: String, _ className: String, _ rules: [GGUFRule],
        _ write: @escaping @Sendable (PublishedConfiguration, inout GGUFKeys) throws -> Void = { _, _ in },
        _ read: @escaping @Sendable (GGUFOutline, GGUFKeys, inout JSONObject) throws -> Void = { _, _, _ in }
    ) -> GGUFArchitecture {
        GGUFArchitecture(
            name: name, families: name == "gemma3" ? ["gemma3_text", "gemma3"] : [name], prefix: "model.", rules: rules,
            write: { configuration, keys in
                try writeCommon(configuration, &keys)
                try write(configuration, &keys)
            },
            read: { file, keys, document in
                try readCommon(file, keys, &document)
                document["hidden_act"] = nil
                document["hidden_activation"] = "gelu_pytorch_tanh"
                document["model_type"] = .string(name == "gemma3" ? "gemma3_text" : name)
                document["architectures"] = [.string(className)]
                try readRotary(file, keys, &document)
                try read(file, keys, &document)
            })
    }

    static let gemma = gemma(
        "gemma", "GemmaForCausalLM", llamaRules(turned: false, norm: .plusOne) + preNorms(.plusOne))

    private static func writeCaps(_ configuration: PublishedConfiguration, _ keys: inout GGUFKeys) throws {
        keys.set("attn_logit_softcapping", try configuration.number("attn_logit_softcapping"))
        keys.set("final_logit_softcapping", try configuration.number("final_logit_softcapping"))
        keys.set("attention.sliding_window", try configuration.integer("sliding_window"))
    }

    /// - Parameter largest: the blocks of the family's 27-billion model.
    private static func readCaps(_ keys: GGUFKeys, largest: Int, _ document: inout JSONObject) throws {
        for name in ["attn_logit_softcapping", "final_logit_softcapping"] {
            document[name] = try keys.number(name).map { .number($0) } ?? .null
        }
        if let window = try keys.optional("attention.sliding_window") { document["sliding_window"] = .integer(window) }
        // llama.cpp divides scores by the root of the head's width, but for the 27-billion models, whose heads divide
        // the model's width; it tells models by their blocks.
        let isLargest = try keys.integer("block_count", in: 1...4096) == largest
        document["query_pre_attn_scalar"] = .integer(
            isLargest
                ? try keys.integer("embedding_length", in: 1...1 << 24)
                    / keys.integer("attention.head_count", in: 1...1 << 14)
                : try keys.integer("attention.key_length", in: 1...1 << 14))
    }

    static let gemma2 = gemma(
        "gemma2", "Gemma2ForCausalLM", llamaRules(turned: false, norm: .plusOne) + fourNorms, writeCaps,
        { _, keys, document in
            try readCaps(keys, largest: 46, &document)
            let layers = try keys.integer("block_count", in: 1...4096)
            document["layer_types"] = .array(
                (0..<layers).map { .string($0.isMultiple(of: 2) ? "sliding_attention" : "full_attention") })
        })

    static let gemma3 = gemma(
        "gemma3", "Gemma3ForCausalLM",
        llamaRules(turned: false, norm: .plusOne) + fourNorms + headNorms(.plusOne),
        { configuration, keys in
            try writeCaps(configuration, &keys)
            try writeRotary(configuration, &keys)
        },
        { _, keys, document in
            try readCaps(keys, largest: 62, &document)
            // Five layers of a window, then one of all, in every file of this architecture.
            let layers = try keys.integer("block_count", in: 1...4096)
            document["layer_types"] = .array(
                (0..<layers).map { .string(($0 + 1) % 6 == 0 ? "full_attention" : "sliding_attention") })
            let full = document["rope_parameters"] ?? .null
            document["rope_parameters"] = [
                "full_attention": full, "sliding_attention": ["rope_theta": 10_000.0, "rope_type": "default"],
            ]
        })

    // MARK: One matrix for several projections

    static let phi3 = GGUFArchitecture(
        name: "phi3", families: ["phi3"], prefix: "model.",
        rules: [
            GGUFRule("model.embed_tokens", "token_embd"), GGUFRule("model.norm", "output_norm"),
            GGUFRule("lm_head", "output"),
            GGUFRule("model.layers.{}.self_attn.qkv_proj", "blk.{}.attn_qkv"),
            GGUFRule("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"),
            GGUFRule("model.layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up"),
            GGUFRule("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"),
        ] + preNorms(),
        write: { configuration, keys in
            try writeCommon(configuration, &keys)
            let share =
                try configuration.rotary.number("partial_rotary_factor")
                ?? configuration.number("partial_rotary_factor") ?? 1
            let width = Double(try configuration.required("hidden_size"))
            let heads = try configuration.required("num_attention_heads")
            keys.set("rope.dimension_count", UInt32(share * width) / max(heads, 1))
            keys.set("rope.freq_base", try configuration.rotary.number("rope_theta"))
            keys.set(
                "rope.scaling.original_context_length",
                try configuration.integer("original_max_position_embeddings")
                    ?? configuration.rotary.integer("original_max_position_embeddings"))
            keys.set("attention.sliding_window", try configuration.integer("sliding_window") ?? 0)
            keys.set("rope.scaling.attn_factor", try RotaryFactors.attentionFactor(configuration))
        },
        read: { file, keys, document in
            try readCommon(file, keys, &document)
            try readRotary(file, keys, &document)
            document["model_type"] = "phi3"
            document["architectures"] = ["Phi3ForCausalLM"]
            if let window = try keys.optional("attention.sliding_window"), window > 0 {
                document["sliding_window"] = .integer(window)
            }
            if let context = try keys.optional("rope.scaling.original_context_length") {
                document["original_max_position_embeddings"] = .integer(context)
            }
            let width = try keys.integer("embedding_length") / keys.integer("attention.head_count")
            if let turned = try keys.optional("rope.dimension_count"), turned != width {
                document["partial_rotary_factor"] = .number(Double(turned) / Double(width))
            }
        })

    static let starCoder2 = GGUFArchitecture(
        name: "starcoder2", families: ["starcoder2"], prefix: "model.",
        rules: [
            GGUFRule("model.embed_tokens", "token_embd"), GGUFRule("model.norm", "output_norm"),
            GGUFRule("lm_head", "output"),
            GGUFRule("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"),
            GGUFRule("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"),
            GGUFRule("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"),
            GGUFRule("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"),
            GGUFRule("model.layers.{}.mlp.c_fc", "blk.{}.ffn_up"),
            GGUFRule("model.layers.{}.mlp.c_proj", "blk.{}.ffn_down"),
        ] + preNorms(),
        write: { configuration, keys in
            try writeCommon(configuration, &keys)
            try writeRotary(configuration, &keys)
            keys.set("attention.layer_norm_epsilon", try configuration.number("norm_epsilon"))
        },
        read: { file, keys, document in
            try readCommon(file, keys, &document)
            try readRotary(file, keys, &document)
            document["model_type"] = "starcoder2"
            document["architectures"] = ["Starcoder2ForCausalLM"]
            document["hidden_act"] = "gelu_pytorch_tanh"
            document["norm_epsilon"] = .number(try keys.number("attention.layer_norm_epsilon") ?? 1e-5)
            document["use_bias"] = .bool(file.tensor(named: "blk.0.attn_q.bias") != nil)
        })
}
