import HeedSupport

// Keys that the decoders of the LLaMA kind have in common.

extension GGUFArchitecture {
    /// Writes what every decoder of this kind has.
    static func writeCommon(_ configuration: PublishedConfiguration, _ keys: inout GGUFKeys) throws {
        keys.set("block_count", try configuration.required("num_hidden_layers"))
        keys.set("context_length", try configuration.required("max_position_embeddings"))
        keys.set("embedding_length", try configuration.required("hidden_size"))
        keys.set("feed_forward_length", try configuration.required("intermediate_size"))
        keys.set("attention.head_count", try configuration.required("num_attention_heads"))
        keys.set(
            "attention.head_count_kv", try configuration.integer("num_key_value_heads", "num_attention_heads"))
        keys.set("attention.layer_norm_rms_epsilon", try configuration.number("rms_norm_eps"))
        if let width = try configuration.integer("head_dim") {
            keys.set("attention.key_length", width)
            keys.set("attention.value_length", width)
        }
        keys.set("expert_count", try configuration.integer("num_local_experts", "num_experts"))
        keys.set("expert_used_count", try configuration.integer("num_experts_per_tok"))
    }

    /// Writes base and scaling of the rotary positions. LLaMA 3's scaling is a tensor.
    static func writeRotary(_ configuration: PublishedConfiguration, _ keys: inout GGUFKeys) throws {
        let rotary = configuration.rotary
        keys.set("rope.freq_base", try rotary.number("rope_theta"))
        switch configuration.rotaryKind {
        case "linear":
            keys.set("rope.scaling.type", "linear")
            keys.set("rope.scaling.factor", try rotary.number("factor"))
        case "yarn":
            keys.set("rope.scaling.type", "yarn")
            keys.set("rope.scaling.factor", try rotary.number("factor"))
            keys.set(
                "rope.scaling.original_context_length", try rotary.integer("original_max_position_embeddings"))
            keys.set("rope.scaling.yarn_beta_fast", try rotary.number("beta_fast"))
            keys.set("rope.scaling.yarn_beta_slow", try rotary.number("beta_slow"))
            keys.set("rope.scaling.yarn_attn_factor", try rotary.number("attention_factor"))
        case "default", "llama3", "longrope", "su": break
        default:
            throw HeedError(
                .unsupported,
                "GGUF files have no words for rotary positions of the kind "
                    + quoted(configuration.rotaryKind), in: configuration.file,
                expected: "default, linear, llama3, yarn or longrope")
        }
    }

    /// Reads what every decoder of this kind has.
    static func readCommon(_ file: GGUFOutline, _ keys: GGUFKeys, _ document: inout JSONObject) throws {
        func copy(_ name: String, _ key: String) throws { document[name] = .integer(try keys.integer(key)) }
        try copy("num_hidden_layers", "block_count")
        try copy("max_position_embeddings", "context_length")
        try copy("hidden_size", "embedding_length")
        try copy("intermediate_size", "feed_forward_length")
        try copy("num_attention_heads", "attention.head_count")
        let keyHeads = try keys.optional("attention.head_count_kv", in: 1...1 << 14)
        document["num_key_value_heads"] = .integer(try keyHeads ?? keys.integer("attention.head_count"))
        if let epsilon = try keys.number("attention.layer_norm_rms_epsilon") {
            document["rms_norm_eps"] = .number(epsilon)
        }
        if let width = try keys.optional("attention.key_length", in: 1...1 << 14) {
            if let other = try keys.optional("attention.value_length"), other != width {
                throw HeedError(
                    .unsupported, "keys and values of different widths are not known", in: file.place,
                    got: "\(width) and \(other)")
            }
            document["head_dim"] = .integer(width)
        }
        document["hidden_act"] = "silu"
    }

    /// Reads base and scaling of the rotary positions.
    static func readRotary(_ file: GGUFOutline, _ keys: GGUFKeys, _ document: inout JSONObject) throws {
        var rotary: JSONObject = ["rope_theta": .number(try keys.number("rope.freq_base") ?? 10_000)]
        let factor = try keys.number("rope.scaling.factor")
        switch try keys.string("rope.scaling.type") ?? "none" {
        case "linear":
            rotary["rope_type"] = "linear"
            rotary["factor"] = .number(factor ?? 1)
        case "yarn":
            rotary["rope_type"] = "yarn"
            rotary["factor"] = .number(factor ?? 1)
            for (name, key) in [
                ("beta_fast", "yarn_beta_fast"), ("beta_slow", "yarn_beta_slow"),
                ("attention_factor", "yarn_attn_factor"),
            ] {
                if let value = try keys.number("rope.scaling." + key) { rotary[name] = .number(value) }
            }
            if let context = try keys.optional("rope.scaling.original_context_length") {
                rotary["original_max_position_embeddings"] = .integer(context)
            }
        default: rotary["rope_type"] = "default"
        }
        if let factors = file.factors {
            // Factors of any origin are divisors of frequencies: what "longrope" says, without its attention factor.
            rotary["rope_type"] = "longrope"
            rotary["short_factor"] = .array(factors.short.map { .number(Double($0)) })
            rotary["long_factor"] = .array(factors.long.map { .number(Double($0)) })
            rotary["attention_factor"] = .number(try keys.number("rope.scaling.attn_factor") ?? 1)
            let context = try keys.optional("rope.scaling.original_context_length") ?? keys.integer("context_length")
            rotary["original_max_position_embeddings"] = .integer(context)
        }
        document["rope_parameters"] = .object(rotary)
    }
}
