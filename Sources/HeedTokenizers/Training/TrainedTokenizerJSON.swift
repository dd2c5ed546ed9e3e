import HeedSupport

/// The files of a trained vocabulary in the forms that Hugging Face's libraries read.
extension TrainedTokenizer {
    /// `tokenizer.json`: the whole pipeline.
    func tokenizerJSON() -> JSON {
        [
            "version": "1.0",
            "truncation": nil,
            "padding": nil,
            "added_tokens": .array(specialTokens.map(addedToken)),
            "normalizer": normalizerJSON(),
            "pre_tokenizer": preTokenizerJSON(),
            "post_processor": nil,
            "decoder": decoderJSON(),
            "model": modelJSON(),
        ]
    }

    /// `tokenizer_config.json`: what `transformers` needs beside it.
    func configurationJSON() -> JSON {
        var object: JSONObject = ["tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false]
        for (role, spellings) in Self.rolesOfSpecialTokens {
            if let token = spellings.first(where: specialTokens.contains) { object[role] = .string(token) }
        }
        return .object(object)
    }

    /// The vocabulary as an object from token to id.
    func vocabularyObject() -> JSONObject {
        var object = JSONObject()
        object.reserveCapacity(tokens.count)
        for (id, token) in tokens.enumerated() { object[token] = .integer(id) }
        return object
    }

    /// `merges.txt`: one merge per line after a line that names the version.
    func mergesText() -> String {
        var text = "#version: 0.2\n"
        for merge in merges { text += "\(tokens[merge.left]) \(tokens[merge.right])\n" }
        return text
    }

    private func addedToken(_ content: String) -> JSON {
        [
            "id": .integer(tokens.firstIndex(of: content) ?? 0), "content": .string(content), "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false, "special": true,
        ]
    }

    private func normalizerJSON() -> JSON {
        switch kind {
        case .byteLevelBPE: nil
        }
    }

    private func preTokenizerJSON() -> JSON {
        switch kind {
        case .byteLevelBPE: Self.byteLevelStage
        }
    }

    private func decoderJSON() -> JSON {
        switch kind {
        case .byteLevelBPE: Self.byteLevelStage
        }
    }

    private func modelJSON() -> JSON {
        switch kind {
        case .byteLevelBPE:
            [
                "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil,
                "end_of_word_suffix": nil, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": .object(vocabularyObject()), "merges": mergesJSON(),
            ]
        }
    }

    private func mergesJSON() -> JSON {
        .array(merges.map { .array([.string(tokens[$0.left]), .string(tokens[$0.right])]) })
    }

    private static let byteLevelStage: JSON = [
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    ]

    /// Roles of `tokenizer_config.json`, with the spellings that ask for them.
    private static let rolesOfSpecialTokens: [(role: String, spellings: [String])] = [
        ("bos_token", ["<s>", "<bos>", "<|startoftext|>", "<|endoftext|>"]),
        ("eos_token", ["</s>", "<eos>", "<|endoftext|>"]),
        ("unk_token", ["<unk>", "[UNK]", "<|endoftext|>"]),
        ("pad_token", ["<pad>", "[PAD]", "<|pad|>"]),
        ("cls_token", ["[CLS]"]),
        ("sep_token", ["[SEP]"]),
        ("mask_token", ["[MASK]", "<mask>"]),
    ]
}
