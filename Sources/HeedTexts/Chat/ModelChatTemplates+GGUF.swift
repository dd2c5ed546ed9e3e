import HeedSupport
import HeedTemplates
import HeedWeights

extension ModelChatTemplates {
    /// The templates of a model: a folder, a GGUF file, or a name in the local cache.
    ///
    /// - Throws: `HeedError` naming what is missing or broken.
    public static func load(path: String) throws -> ModelChatTemplates {
        let path = try locateModel(path)
        if isDirectory(path) || !path.hasSuffix(".gguf") { return try ModelChatTemplates(folder: path) }
        return try ModelChatTemplates(metadata: try GGUFFile(path: path).metadata)
    }

    /// The templates that the metadata of a GGUF file hold: `tokenizer.chat_template`, and those named in
    /// `tokenizer.chat_templates`.
    package init(metadata: GGUFMetadata) throws {
        var sources: [(name: String, text: String)] = []
        if let text = try metadata.string("tokenizer.chat_template") { sources.append(("default", text)) }
        for name in try metadata.strings("tokenizer.chat_templates") ?? [] {
            if let text = try metadata.string("tokenizer.chat_template.\(name)") { sources.append((name, text)) }
        }
        let tokens = try metadata.strings("tokenizer.ggml.tokens") ?? []
        let names = [
            ("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("sep_token", "seperator"),
            ("pad_token", "padding"), ("cls_token", "cls"), ("mask_token", "mask"),
        ]
        let specials: [(name: String, text: String)] = try names.compactMap { name, key in
            guard let id = try metadata.integer("tokenizer.ggml.\(key)_token_id"), tokens.indices.contains(id) else {
                return nil
            }
            return (name, tokens[id])
        }
        self.init(sources, specialTokens: specials, in: metadata.place)
    }
}
