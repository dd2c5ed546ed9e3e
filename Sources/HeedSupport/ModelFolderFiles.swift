/// The files of a model folder in the Hugging Face layout, by what they are for.
public enum ModelFolderFiles {
    /// What makes ids of text.
    public static let tokenizer = [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
        "merges.txt", "encoder.json", "vocab.bpe", "vocab.txt", "tokenizer.model", "tokenizer.vocab", "spiece.model",
        "sentencepiece.bpe.model", "source.spm", "target.spm", "target_vocab.json", "tokenizer.bin",
        "chat_template.jinja",
        "chat_template.json",
    ]
    /// Shape, weights and what generation begins with.
    public static let model = [
        "config.json", "generation_config.json", "model.safetensors", "model.safetensors.index.json",
        "pytorch_model.bin", "adapter_config.json", "adapter_model.safetensors", "modules.json",
        "sentence_bert_config.json",
    ]

    /// What the weights of a folder are to give, kept beside them.
    public static let verification = "verification.json"

    /// Whether a name is that of a part of weights in several files, `model-00001-of-00002.safetensors`.
    public static func isShard(_ name: String) -> Bool {
        name.hasPrefix("model-") && name.contains("-of-") && name.hasSuffix(".safetensors")
    }

    /// Removes a tokenizer's files from a folder, so that one of another kind leaves no mixture.
    public static func removeTokenizer(from folder: String) throws {
        for name in tokenizer { try removeFile(joinPath(folder, name)) }
    }

    /// Removes a model's files from a folder, its tokenizer's included; anything else stays.
    public static func removeModel(from folder: String) throws {
        guard isDirectory(folder) else { return }
        try removeTokenizer(from: folder)
        for name in model + [verification] { try removeFile(joinPath(folder, name)) }
        for name in try listDirectory(folder) where isShard(name) { try removeFile(joinPath(folder, name)) }
    }
}
