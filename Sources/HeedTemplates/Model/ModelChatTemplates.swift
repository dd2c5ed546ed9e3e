import HeedSupport

/// The chat templates that a model brings along, and the special tokens that they write.
///
/// A folder has them in `chat_template.jinja` and `additional_chat_templates/NAME.jinja`, or else in
/// `tokenizer_config.json` under `chat_template`: one text, or a list of texts with names.
public struct ModelChatTemplates: Sendable {
    /// The names of the templates; the one without a name is `default`.
    public let names: [String]
    /// `bos_token`, `eos_token`, …, which templates read as variables.
    public let specialTokens: [(name: String, text: String)]
    private let sources: [String: (text: String, place: String)]
    private let place: String

    /// Templates that were found elsewhere, such as in a GGUF file.
    ///
    /// - `place`: the file to name in errors.
    public init(
        _ sources: [(name: String, text: String)], specialTokens: [(name: String, text: String)], in place: String
    ) {
        names = sources.map(\.name)
        self.specialTokens = specialTokens
        self.sources = Dictionary(sources.map { ($0.name, ($0.text, "\(place), template \($0.name)")) }) { $1 }
        self.place = place
    }

    /// The templates of a folder in the Hugging Face layout; it may have none.
    ///
    /// - Throws: `HeedError` naming the file that is missing or broken.
    public init(folder: String) throws {
        guard isDirectory(folder) else {
            throw HeedError(.missing, "there is no such folder", in: folder, expected: "a model's folder")
        }
        let file = joinPath(folder, "tokenizer_config.json")
        let configuration = fileExists(file) ? try JSON.load(path: file) : .null
        var sources: [(name: String, text: String, place: String)] = []
        let single = joinPath(folder, "chat_template.jinja")
        if fileExists(single) { sources.append(("default", try ModelChatTemplates.read(single), single)) }
        let more = joinPath(folder, "additional_chat_templates")
        if isDirectory(more) {
            for name in try listDirectory(more) where name.hasSuffix(".jinja") {
                let path = joinPath(more, name)
                sources.append((String(name.dropLast(6)), try ModelChatTemplates.read(path), path))
            }
        }
        // Files of their own replace what the configuration says.
        if sources.isEmpty { sources = try ModelChatTemplates.configured(configuration["chat_template"], file) }
        names = sources.map(\.name)
        self.sources = Dictionary(sources.map { ($0.name, ($0.text, $0.place)) }) { $1 }
        specialTokens = try ModelChatTemplates.tokens(folder, configuration)
        place = folder
    }

    /// The template of a name; without one that for tools, where tools are given and it exists, else the default.
    ///
    /// - Throws: `HeedError` of kind `missing` where the model has no such template, `badInput` where it is malformed.
    public func template(
        named name: String? = nil, hasTools: Bool = false, limits: TemplateLimits = .standard
    ) throws -> ChatTemplate {
        let chosen = name ?? (hasTools && sources["tool_use"] != nil ? "tool_use" : "default")
        guard let source = sources[chosen] else {
            if names.isEmpty {
                throw HeedError(
                    .missing, "the model has no chat template", in: place,
                    expected: "chat_template.jinja, or chat_template in tokenizer_config.json",
                    advice: "Give a template of your own, or continue plain text")
            }
            throw HeedError(
                .missing, "the model has no chat template \(quoted(chosen))", in: place,
                expected: names.joined(separator: " or "))
        }
        return try ChatTemplate(source.text, name: source.place, limits: limits)
    }

    private static func read(_ path: String) throws -> String {
        guard let text = String(validating: try readFile(path), as: UTF8.self) else {
            throw HeedError(.badInput, "the template is not UTF-8", in: path)
        }
        return text
    }

    private static func configured(
        _ value: JSON?, _ file: String
    ) throws -> [(name: String, text: String, place: String)] {
        let broken = HeedError(
            .badInput, "chat_template is of the wrong kind", in: file,
            expected: "a text, or a list of {\"name\": …, \"template\": …}")
        switch value {
        case nil, .null?: return []
        case .string(let text)?: return [("default", text, "\(file), chat_template")]
        case .array(let entries)?:
            return try entries.map { entry in
                guard let name = entry["name"]?.stringValue, let text = entry["template"]?.stringValue else {
                    throw broken
                }
                return (name, text, "\(file), chat_template \(quoted(name))")
            }
        case .object(let members)?:
            return try members.map { name, value in
                guard let text = value.stringValue else { throw broken }
                return (name, text, "\(file), chat_template \(quoted(name))")
            }
        default: throw broken
        }
    }

    private static let tokenNames = [
        "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
    ]

    /// The special tokens: those of `tokenizer_config.json`, and what only `special_tokens_map.json` has.
    private static func tokens(_ folder: String, _ configuration: JSON) throws -> [(name: String, text: String)] {
        let file = joinPath(folder, "special_tokens_map.json")
        let map = fileExists(file) ? try JSON.load(path: file) : .null
        var names = tokenNames
        // Newer configurations name tokens of their own: image_token, boi_token.
        for source in [configuration, configuration["extra_special_tokens"] ?? .null, map] {
            for (name, _) in source.objectValue ?? JSONObject() where name.hasSuffix("_token") && !names.contains(name)
            {
                names.append(name)
            }
        }
        return names.compactMap { name in
            for source in [configuration, configuration["extra_special_tokens"] ?? .null, map] {
                if let text = source[name]?.stringValue ?? source[name]?["content"]?.stringValue { return (name, text) }
            }
            return nil
        }
    }
}

extension TemplateVariables {
    /// The variables that transformers gives to every template: none for tools and documents, no generation prompt,
    /// and the model's special tokens. What is there already stays.
    public mutating func setStandardVariables(specialTokens: [(name: String, text: String)] = []) throws {
        for name in ["tools", "documents"] { try setDefault(name, to: .null) }
        try setDefault("add_generation_prompt", to: false)
        for (name, text) in specialTokens { try setDefault(name, to: .string(text)) }
    }
}
