import HeedSupport
import HeedWeights

/// What is known of keys that a family does not read: they mean nothing for the numbers, or only their plain value is
/// implemented.
public struct ConfigurationKeys: Sendable {
    /// Keys that change no number of a pass, and why.
    var harmless: [String: String] = [:]
    /// Keys that would change numbers, with the values that leave them as they are.
    var plain: [String: [JSON]] = [:]

    /// Keys of one family beside those of all.
    init(harmless: [String: String] = [:], plain: [String: [JSON]] = [:]) {
        self.harmless = harmless
        self.plain = plain
    }

    /// Holds every key that nobody read against what is known of it.
    ///
    /// Returns a sentence about those of which nothing is known, or nil.
    /// - Throws: `HeedError` naming a key whose value would change the numbers and is not implemented.
    func check(_ reader: ConfigurationReader, family: String) throws -> String? {
        var unknown: [String] = []
        for key in reader.unasked {
            guard let value = reader.value(key) else { continue }
            if let values = plain[key] ?? ConfigurationKeys.plainEverywhere[key] {
                guard values.contains(where: { ConfigurationKeys.same($0, value) }) else {
                    throw HeedError(
                        .unsupported,
                        "\(key) changes the numbers of a \(family) model in a way that is not implemented",
                        in: reader.file, expected: values.map { $0.serialised() }.joined(separator: " or "),
                        got: value.arrayValue == nil && value.objectValue == nil ? value.serialised() : value.kindName)
                }
            } else if harmless[key] == nil, ConfigurationKeys.harmlessEverywhere[key] == nil {
                unknown.append(key)
            }
        }
        guard !unknown.isEmpty else { return nil }
        let names = unknown.prefix(8).map { quoted($0, limit: 60) }.joined(separator: ", ")
        return "\(reader.file): \(unknown.count == 1 ? "the key" : "the keys") \(names)"
            + (unknown.count > 8 ? " and \(unknown.count - 8) more" : "")
            + " of \(family) \(unknown.count == 1 ? "is" : "are") not known and had no effect"
    }

    private static func same(_ a: JSON, _ b: JSON) -> Bool {
        if let x = a.doubleValue, let y = b.doubleValue { return x == y }
        return a.serialised() == b.serialised()
    }

    private static func each(_ keys: [String], _ reason: String) -> [(String, String)] { keys.map { ($0, reason) } }

    static let harmlessEverywhere: [String: String] = Dictionary(
        each(
            ["_name_or_path", "transformers_version", "_commit_hash", "finetuning_task", "auto_map"], "where it is from"
        )
            + each(["architectures", "model_type", "tokenizer_class", "custom_pipelines"], "names a class")
            + each(["torch_dtype", "dtype", "use_bfloat16"], "how the file stores numbers, which its header says too")
            + each(
                [
                    "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "cls_token_id", "mask_token_id",
                    "unk_token_id", "decoder_start_token_id",
                ], "an id of the tokenizer, read where it matters")
            + each(
                [
                    "use_cache", "output_attentions", "output_hidden_states", "return_dict", "return_dict_in_generate",
                    "output_past", "output_scores", "output_router_logits", "torchscript", "gradient_checkpointing",
                    "chunk_size_feed_forward", "_attn_implementation", "_attn_implementation_autoset",
                    "attn_implementation", "pretraining_tp", "slow_but_exact", "_experts_implementation",
                ], "how another program computes, not what")
            + each(
                [
                    "id2label", "label2id", "num_labels", "problem_type", "classifier_dropout", "classif_dropout",
                    "summary_type", "summary_use_proj", "summary_activation", "summary_first_dropout",
                    "summary_last_dropout", "summary_proj_to_labels", "classifier_activation", "seq_classif_dropout",
                    "qa_dropout", "num_choices",
                ], "about a head that is not there")
            + each(
                [
                    "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups",
                    "diversity_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty",
                    "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids",
                    "num_return_sequences", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values",
                    "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "prefix",
                    "task_specific_params", "max_new_tokens", "normalize_before", "normalize_embedding",
                    "force_bos_token_to_be_generated",
                ], "a default of generation or of a program that made the file")
            + each(
                [
                    "initializer_range", "initializer_factor", "init_std", "initializer_cutoff_factor",
                    "router_aux_loss_coef", "router_jitter_noise", "layerdrop", "encoder_layerdrop",
                    "decoder_layerdrop", "embd_pdrop", "resid_pdrop", "attn_pdrop",
                ], "used when training from nothing or in a way of training that Heed lacks"),
        uniquingKeysWith: { first, _ in first })

    static let plainEverywhere: [String: [JSON]] = [
        "is_decoder": [false], "add_cross_attention": [false], "cross_attention_hidden_size": [],
        "is_encoder_decoder": [false], "tie_encoder_decoder": [false], "pruned_heads": [.object(JSONObject())],
        "use_bidirectional_attention": [false], "position_embedding_type": ["absolute"], "quantization_config": [],
        "compression_config": [], "tf_legacy_loss": [false], "is_composition": [false],
        "attention_bias": [false], "mlp_bias": [false], "rope_scaling": [], "rope_parameters": [], "layer_types": [],
        "sliding_window": [], "partial_rotary_factor": [1.0], "attn_logit_softcapping": [],
        "final_logit_softcapping": [], "scale_embedding": [false], "embedding_size": [], "head_dim": [],
    ]
}
