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
            "post_processor": postProcessorJSON(),
            "decoder": decoderJSON(),
            "model": modelJSON(),
        ]
    }

    /// `tokenizer_config.json`: what `transformers` needs beside it.
    func configurationJSON() -> JSON {
        var object = Tokenizer.configuration(special: specialTokens, hasTypes: kind == .wordPiece)
        if kind == .wordPiece { object["do_lower_case"] = .bool(isLowerCase) }
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
        case .wordPiece:
            [
                "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": nil,
                "lowercase": .bool(isLowerCase),
            ]
        case .unigram, .sentencePieceBPE, .character, .word: sentencePieceNormalizerJSON()
        }
    }

    private func preTokenizerJSON() -> JSON {
        switch kind {
        case .byteLevelBPE: Self.byteLevelStage
        case .wordPiece: ["type": "BertPreTokenizer"]
        case .unigram, .sentencePieceBPE, .character, .word: Self.metaspaceStage
        }
    }

    /// BERT's frame where the vocabulary has its marks; else the end where there is to be one.
    private func postProcessorJSON() -> JSON {
        if kind == .wordPiece, let start = specialTokens.firstIndex(of: "[CLS]"),
            let end = specialTokens.firstIndex(of: "[SEP]")
        {
            return ["type": "BertProcessing", "sep": ["[SEP]", .integer(end)], "cls": ["[CLS]", .integer(start)]]
        }
        guard let endToken, let id = tokens.firstIndex(of: endToken) else { return nil }
        return TemplatePostProcessor(before: [], after: [(TokenID(id), endToken)], repeats: true)?.json() ?? .null
    }

    private func decoderJSON() -> JSON {
        switch kind {
        case .byteLevelBPE: Self.byteLevelStage
        case .wordPiece: ["type": "WordPiece", "prefix": "##", "cleanup": true]
        case .unigram, .sentencePieceBPE, .character, .word:
            sentencePieces?.hasByteFallback == true
                ? [
                    "type": "Sequence", "decoders": [["type": "ByteFallback"], Self.metaspaceStage],
                ] : Self.metaspaceStage
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
        case .sentencePieceBPE, .character:
            [
                "type": "BPE", "dropout": nil, "unk_token": "<unk>", "continuing_subword_prefix": nil,
                "end_of_word_suffix": nil, "fuse_unk": true, "byte_fallback": .bool(hasByteFallback),
                "ignore_merges": false, "vocab": .object(vocabularyObject()), "merges": mergesJSON(),
            ]
        case .wordPiece:
            [
                "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": .object(vocabularyObject()),
            ]
        case .word: ["type": "WordLevel", "vocab": .object(vocabularyObject()), "unk_token": "<unk>"]
        case .unigram:
            [
                "type": "Unigram", "unk_id": 0, "vocab": scoresJSON(), "byte_fallback": .bool(hasByteFallback),
            ]
        }
    }

    private var hasByteFallback: Bool { sentencePieces?.hasByteFallback ?? false }

    /// The pieces with their scores, each printed as the shortest decimal of its 32 bits.
    private func scoresJSON() -> JSON {
        .array(
            (sentencePieces?.pieces ?? []).map { piece in
                .array([.string(String(decoding: piece.text, as: UTF8.self)), .number(Double(piece.score))])
            })
    }

    /// SentencePiece's `.vocab`: a piece and its score per line.
    func scoresText() -> String {
        var text = ""
        for piece in sentencePieces?.pieces ?? [] {
            text += "\(String(decoding: piece.text, as: UTF8.self))\t\(piece.score)\n"
        }
        return text
    }

    /// SentencePiece's normalisation in Hugging Face's stages.
    private func sentencePieceNormalizerJSON() -> JSON {
        guard let normalization = sentencePieces?.normalization else { return nil }
        var stages: [JSON] = []
        if !normalization.charactersMap.isEmpty {
            stages.append(
                [
                    "type": "Precompiled",
                    "precompiled_charsmap": .string(Base64.encode(normalization.charactersMap)),
                ])
        }
        if normalization.removesExtraWhitespaces {
            stages.append(["type": "Strip", "strip_left": true, "strip_right": true])
            stages.append(["type": "Replace", "pattern": ["Regex": " {2,}"], "content": " "])
        }
        return stages.isEmpty ? nil : ["type": "Sequence", "normalizers": .array(stages)]
    }

    private func mergesJSON() -> JSON {
        .array(merges.map { .array([.string(tokens[$0.left]), .string(tokens[$0.right])]) })
    }

    private static let metaspaceStage: JSON = [
        "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true,
    ]

    private static let byteLevelStage: JSON = [
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    ]
}
